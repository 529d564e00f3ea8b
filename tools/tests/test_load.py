# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Small random checkpoints are written in all four formats by writers of our own and must load alike; broken ones must
give one sentence. The writers know nothing of the readers: they follow OpenAI's whisper/model.py, CTranslate2's
converter, whisper.cpp's convert-pt-to-ggml.py and transformers' WhisperForConditionalGeneration.
"""

import hashlib
import json
import os
import re
import resource
import struct
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from whisper158.errors import UserError
from whisper158.model.checkpoint import Checkpoint, Dims
from whisper158.model.load import load

Array = npt.NDArray[Any]
Tensors = dict[str, Array]

ENGLISH = Dims(80, 6, 32, 1, 2, 51864, 5, 32, 1, 1)
MULTILINGUAL = replace(ENGLISH, n_mels=128, n_vocab=51866, n_audio_layer=1, n_text_layer=2)
D = 32


# --- writers


def random_tensors(dims: Dims) -> Tensors:
    """OpenAI's state_dict, random: matrices and convolutions float16, the rest float32."""
    random = np.random.default_rng(dims.n_vocab)
    tensors: Tensors = {}

    def add(name: str, *shape: int, bias: bool = True) -> None:
        dtype = np.float16 if len(shape) > 1 else np.float32
        tensors[f"{name}.weight"] = random.standard_normal(shape, np.float32).astype(dtype)
        if bias:
            tensors[f"{name}.bias"] = random.standard_normal(shape[0], np.float32)

    for side, layers, context in (
        ("encoder", dims.n_audio_layer, dims.n_audio_ctx),
        ("decoder", dims.n_text_layer, dims.n_text_ctx),
    ):
        for i in range(layers):
            for attention in ("attn", "cross_attn")[: 1 + (side == "decoder")]:
                for part in ("query", "key", "value", "out"):
                    add(f"{side}.blocks.{i}.{attention}.{part}", D, D, bias=part != "key")
                add(f"{side}.blocks.{i}.{attention}_ln", D)
            add(f"{side}.blocks.{i}.mlp.0", 4 * D, D)
            add(f"{side}.blocks.{i}.mlp.2", D, 4 * D)
            add(f"{side}.blocks.{i}.mlp_ln", D)
        tensors[f"{side}.positional_embedding"] = random.standard_normal((context, D), np.float32).astype(np.float16)
    add("encoder.conv1", D, dims.n_mels, 3)
    add("encoder.conv2", D, D, 3)
    add("encoder.ln_post", D)
    add("decoder.token_embedding", dims.n_vocab, D, bias=False)
    add("decoder.ln", D)
    return tensors


def words(dims: Dims) -> list[bytes]:
    """Made-up ordinary tokens: every byte, then numbers; the multilingual vocabulary ends with an empty token."""
    count = 50257 if dims.multilingual else 50256
    made = [bytes([i]) for i in range(256)] + [b" %d" % i for i in range(256, count)]
    return [*made[:-1], b""] if dims.multilingual else made


def escaped(dims: Dims) -> list[str]:
    """All tokens as byte-level BPE spells them, with special ones."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    spelling = {byte: chr(byte) for byte in visible}
    for byte in range(256):
        spelling.setdefault(byte, chr(256 + len(spelling) - len(visible)))
    specials = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>"]
    return ["".join(spelling[byte] for byte in word) for word in words(dims)] + specials


def ct2_text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def ct2_variables(dims: Dims, tensors: Tensors) -> Tensors:
    made: Tensors = {
        "encoder/num_heads": np.array(dims.n_audio_head, np.int16),
        "decoder/num_heads": np.array(dims.n_text_head, np.int16),
        "decoder/activation": np.array(3, np.int8),
        "decoder/alibi": np.array(0, np.int8),
        "decoder/pre_norm": np.array(1, np.int8),
        "decoder/scale_embeddings": np.array(0, np.int8),
        "decoder/start_from_zero_embedding": np.array(0, np.int8),
        "decoder/alignment_layer": np.array(-1, np.int16),
        "decoder/alignment_heads": np.array(1, np.int16),
    }
    for name, tensor in tensors.items():
        name = re.sub(r"\.blocks\.(\d+)\.", r"/layer_\1/", name)
        name = re.sub(r"^(encoder|decoder)\.", r"\1/", name)
        if ".query." in name or ".key." in name or ".value." in name:
            continue
        name = name.replace("cross_attn_ln", "attention/layer_norm").replace("attn_ln", "self_attention/layer_norm")
        name = name.replace("cross_attn.out", "attention/linear_2").replace("attn.out", "self_attention/linear_1")
        name = (
            name.replace("mlp.0", "ffn/linear_0").replace("mlp.2", "ffn/linear_1").replace("mlp_ln", "ffn/layer_norm")
        )
        name = name.replace("ln_post", "layer_norm").replace("/ln.", "/layer_norm.")
        name = name.replace("token_embedding", "embeddings")
        name = name.replace("positional_embedding", "position_encodings.encodings").replace(".", "/")
        if "layer_norm" in name:
            name = name.replace("weight", "gamma").replace("bias", "beta")
        made[name] = tensor
    for name in [name for name in tensors if name.endswith("attn.query.weight")]:
        stem = name.removesuffix("query.weight")
        place = re.sub(r"\.blocks\.(\d+)\..*", r"/layer_\1/", name)
        q, k, v = (tensors[f"{stem}{part}.weight"] for part in ("query", "key", "value"))
        q_bias, v_bias = (tensors[f"{stem}{part}.bias"] for part in ("query", "value"))
        zeros = np.zeros_like(q_bias)
        if "cross" in stem:
            made[f"{place}attention/linear_0/weight"], made[f"{place}attention/linear_0/bias"] = q, q_bias
            made[f"{place}attention/linear_1/weight"] = np.concatenate([k, v])
            made[f"{place}attention/linear_1/bias"] = np.concatenate([zeros, v_bias])
        else:
            made[f"{place}self_attention/linear_0/weight"] = np.concatenate([q, k, v])
            made[f"{place}self_attention/linear_0/bias"] = np.concatenate([q_bias, zeros, v_bias])
    return made


def ct2_bytes(variables: Tensors, aliases: dict[str, str], version: int = 6) -> bytes:
    codes = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "uint16": 5}
    out = [struct.pack("<I", version), ct2_text("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, array in variables.items():
        out += [ct2_text(name), struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)]
        out += [struct.pack("<BI", codes[str(array.dtype)], array.nbytes), array.tobytes()]
    out.append(struct.pack("<I", len(aliases)))
    out += [ct2_text(alias) + ct2_text(name) for alias, name in aliases.items()]
    return b"".join(out)


TIED = {"decoder/projection/weight": "decoder/embeddings/weight"}


def write_ct2(folder: Path, dims: Dims, tensors: Tensors) -> Path:
    folder.mkdir()
    (folder / "model.bin").write_bytes(ct2_bytes(ct2_variables(dims, tensors), TIED))
    (folder / "vocabulary.txt").write_text("".join(f"{piece}\n" for piece in escaped(dims)))
    return folder


def hf_name(name: str) -> str:
    parts = {
        **{"blocks": "layers", "attn": "self_attn", "cross_attn": "encoder_attn", "attn_ln": "self_attn_layer_norm"},
        **{"cross_attn_ln": "encoder_attn_layer_norm", "mlp_ln": "final_layer_norm", "query": "q_proj"},
        **{"key": "k_proj", "value": "v_proj", "out": "out_proj", "ln_post": "layer_norm", "ln": "layer_norm"},
        **{"token_embedding": "embed_tokens", "positional_embedding": "embed_positions.weight"},
    }
    name = name.replace("mlp.0", "fc1").replace("mlp.2", "fc2")
    return "model." + ".".join(parts.get(part, part) for part in name.split("."))


def hf_config(dims: Dims) -> dict[str, object]:
    return {
        "model_type": "whisper",
        "activation_function": "gelu",
        "scale_embedding": False,
        "num_mel_bins": dims.n_mels,
        "max_source_positions": dims.n_audio_ctx,
        "d_model": dims.n_audio_state,
        "encoder_attention_heads": dims.n_audio_head,
        "encoder_layers": dims.n_audio_layer,
        "vocab_size": dims.n_vocab,
        "max_target_positions": dims.n_text_ctx,
        "decoder_attention_heads": dims.n_text_head,
        "decoder_layers": dims.n_text_layer,
    }


def write_hf(folder: Path, dims: Dims, tensors: Tensors) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(hf_config(dims)))
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(escaped(dims))}))
    save_file({hf_name(name): tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    return folder


def write_sharded(folder: Path, dims: Dims, tensors: Tensors) -> Path:
    write_hf(folder, dims, tensors)
    (folder / "model.safetensors").unlink()
    places: dict[str, str] = {}
    for i in range(3):
        shard = f"model-{i + 1:05}-of-00003.safetensors"
        part = {hf_name(name): tensors[name] for name in list(tensors)[i::3]}
        save_file(part, folder / shard)
        places |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def ggml_tensor(name: str, tensor: Array, kind: int | None = None) -> bytes:
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        tensor = tensor.reshape(-1, 1)
    if name.endswith("positional_embedding"):
        tensor = tensor.astype(np.float32)
    kind = {"float32": 0, "float16": 1}[str(tensor.dtype)] if kind is None else kind
    head = struct.pack("<iii", tensor.ndim, len(name), kind) + struct.pack(f"<{tensor.ndim}i", *tensor.shape[::-1])
    return head + name.encode() + tensor.tobytes()


def ggml_head(dims: Dims, vocabulary: list[bytes], mels: tuple[int, int] | None = None) -> bytes:
    order = [dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer]
    order += [dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer, dims.n_mels, 1]
    out = [struct.pack("<I11i", 0x67676D6C, *order), struct.pack("<ii", *(mels or (dims.n_mels, 201)))]
    out += [bytes(max(0, min(dims.n_mels, 128)) * 201 * 4), struct.pack("<i", len(vocabulary))]
    out += [struct.pack("<i", len(word)) + word for word in vocabulary]
    return b"".join(out)


def write_ggml(path: Path, dims: Dims, tensors: Tensors) -> Path:
    path.write_bytes(ggml_head(dims, words(dims)) + b"".join(ggml_tensor(*item) for item in tensors.items()))
    return path


def write_pt(path: Path, dims: Dims, tensors: Tensors) -> Path:
    torch = pytest.importorskip("torch")
    state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    torch.save({"dims": asdict(dims), "model_state_dict": state}, path)
    return path


WRITERS: dict[str, Callable[[Path, Dims, Tensors], Path]] = {
    "ct2": write_ct2,
    "hf": write_hf,
    "sharded": write_sharded,
    "ggml": write_ggml,
    "pt": write_pt,
}
every_format = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
both_kinds = pytest.mark.parametrize("dims", [ENGLISH, MULTILINGUAL], ids=["english", "multilingual"])


@pytest.fixture(autouse=True, scope="module")
def cached_vocabularies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache with the vocabularies of the named models (and nothing else), which formats without one fall back to."""
    cache = tmp_path_factory.mktemp("cache")
    for name, dims in (("tiny.en", ENGLISH), ("base", MULTILINGUAL)):
        folder = cache / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "vocabulary.txt").write_text("".join(f"{piece}\n" for piece in escaped(dims)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHISPER158_CACHE", str(cache))
        yield cache


def same(checkpoint: Checkpoint, tensors: Tensors) -> bool:
    return checkpoint.tensors.keys() == tensors.keys() and all(
        np.array_equal(checkpoint.tensors[name], tensor) and checkpoint.tensors[name].flags.c_contiguous
        for name, tensor in tensors.items()
    )


def refusal(path: Path | str) -> str:
    """The sentence with which a model is refused."""
    with pytest.raises(UserError) as caught:
        load(str(path))
    assert "\n" not in caught.value.message
    return caught.value.message


# --- what is right loads


@both_kinds
@every_format
def test_every_format_gives_the_same(write: Callable[..., Path], dims: Dims, tmp_path: Path) -> None:
    tensors = random_tensors(dims)
    checkpoint = load(str(write(tmp_path / "whisper-it", dims, tensors)))
    assert checkpoint.dims == dims
    assert same(checkpoint, tensors)
    assert checkpoint.vocabulary == tuple(words(dims))
    assert (checkpoint.name, checkpoint.source, checkpoint.licence) == ("it", "whisper-it", "unknown")


def test_the_checksum_is_that_of_the_weights(tmp_path: Path) -> None:
    tensors = random_tensors(ENGLISH)
    file = write_ggml(tmp_path / "a", ENGLISH, tensors)
    assert load(str(file)).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    shards = write_sharded(tmp_path / "b", ENGLISH, tensors)
    joined = b"".join(shard.read_bytes() for shard in sorted(shards.glob("*.safetensors")))
    assert load(str(shards)).sha256 == hashlib.sha256(joined).hexdigest()


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    tensors = random_tensors(ENGLISH)
    bits = {
        name: (tensor.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16) for name, tensor in tensors.items()
    }
    exact: Tensors = {name: (bit.astype(np.uint32) << 16).view(np.float32) for name, bit in bits.items()}

    folder = write_hf(tmp_path / "hf", ENGLISH, tensors)
    file = folder / "model.safetensors"
    save_file({hf_name(name): bit for name, bit in bits.items()}, file)
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size].replace(b'"U16"', b'"BF16"').rstrip(b" ")
    file.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    assert same(load(str(folder)), exact)

    folder = write_ct2(tmp_path / "ct2", ENGLISH, tensors)
    (folder / "model.bin").write_bytes(ct2_bytes(ct2_variables(ENGLISH, bits), TIED))
    assert same(load(str(folder)), exact)


def test_ct2_equal_variables_are_stored_once(tmp_path: Path) -> None:
    tensors = random_tensors(ENGLISH)
    tensors["encoder.conv2.bias"] = tensors["encoder.conv1.bias"]
    folder = write_ct2(tmp_path / "m", ENGLISH, tensors)
    variables = ct2_variables(ENGLISH, tensors)
    del variables["encoder/conv2/bias"]
    (folder / "model.bin").write_bytes(ct2_bytes(variables, {**TIED, "encoder/conv2/bias": "encoder/conv1/bias"}))
    assert same(load(str(folder)), tensors)


@both_kinds
def test_other_places_of_a_vocabulary(dims: Dims, tmp_path: Path) -> None:
    tensors = random_tensors(dims)
    folder = write_ct2(tmp_path / "ct2", dims, tensors)
    (folder / "vocabulary.txt").unlink()
    (folder / "vocabulary.json").write_text(json.dumps(escaped(dims)))
    assert load(str(folder)).vocabulary == tuple(words(dims))

    folder = write_hf(tmp_path / "hf", dims, tensors)
    ids = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").unlink()
    assert load(str(folder)).vocabulary == tuple(words(dims)), "that of the named model"
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": ids}}))
    assert load(str(folder)).vocabulary == tuple(words(dims))

    file = tmp_path / "ggml"
    more = [*words(dims), b"<|endoftext|>"]
    file.write_bytes(ggml_head(dims, more) + b"".join(ggml_tensor(*item) for item in tensors.items()))
    assert load(str(file)).vocabulary == tuple(words(dims))


@pytest.mark.parametrize("name", ["ggml-tiny.en.bin", "tiny.en.bin", "whisper-tiny.en"])
def test_a_name_comes_from_the_path(name: str, tmp_path: Path) -> None:
    assert load(str(write_ggml(tmp_path / name, ENGLISH, random_tensors(ENGLISH)))).name == "tiny.en"


def test_a_name_is_fit_for_a_line_of_text(tmp_path: Path) -> None:
    file = write_ggml(tmp_path / os.fsdecode(b"a=b\nc d\xff"), ENGLISH, random_tensors(ENGLISH))
    checkpoint = load(str(file))
    assert (checkpoint.name, checkpoint.source) == ("a-b-c-d-", "a=b?c d?")


def test_a_folder_may_be_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_hf(tmp_path / "whisper-it", ENGLISH, random_tensors(ENGLISH))
    monkeypatch.chdir(folder)
    for path in (".", "../whisper-it/", "model.safetensors"):
        checkpoint = load(path)
        assert (checkpoint.name, checkpoint.source) == ("it", "whisper-it")


def test_the_model_card_states_the_licence(tmp_path: Path) -> None:
    folder = write_hf(tmp_path / "m", ENGLISH, random_tensors(ENGLISH))
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\ntags:\n- audio\n---\n# Whisper\n")
    assert load(str(folder)).licence == "apache-2.0"
    assert load(str(folder / "model.safetensors")).licence == "apache-2.0"


def test_harmless_extras_are_ignored(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = random_tensors(ENGLISH)
    mask = np.full((5, 5), -np.inf, np.float32)
    assert same(load(str(write_pt(tmp_path / "a.pt", ENGLISH, tensors | {"decoder.mask": mask}))), tensors)
    folder = write_hf(tmp_path / "hf", ENGLISH, tensors)
    named = {hf_name(name): torch.from_numpy(tensor) for name, tensor in tensors.items()}
    embedding = named["model.decoder.embed_tokens.weight"].numpy()
    save_file({k: v.numpy() for k, v in named.items()} | {"proj_out.weight": embedding}, folder / "model.safetensors")
    assert same(load(str(folder)), tensors)


# --- what is wrong is refused in one sentence


@every_format
def test_a_missing_tensor_is_named(write: Callable[..., Path], tmp_path: Path) -> None:
    tensors = random_tensors(ENGLISH)
    del tensors["decoder.blocks.0.mlp.2.weight"]
    path = write(tmp_path / "m", ENGLISH, tensors)
    assert re.search(
        r"m.*: tensor decoder.layer.*0.*(mlp.2|fc2|linear_1).*weight is missing|blocks.0.mlp.2", refusal(path)
    )


@every_format
@pytest.mark.parametrize("shape", [(D, D), (4 * D, D), (D * 4 * D,), (1, D, 4 * D)], ids=str)
def test_a_wrong_shape_is_named(write: Callable[..., Path], shape: tuple[int, ...], tmp_path: Path) -> None:
    tensors = random_tensors(ENGLISH)
    tensors["decoder.blocks.0.mlp.2.weight"] = np.ones(shape, np.float16)
    message = refusal(write(tmp_path / "m", ENGLISH, tensors))
    assert f"shape {shape}, expected ({D}, {4 * D})" in message
    assert str(tmp_path / "m") in message


@every_format
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["encoder.ln_post.weight", "decoder.token_embedding.weight"])
def test_infinities_and_nans_are_refused(write: Callable[..., Path], name: str, value: float, tmp_path: Path) -> None:
    tensors = random_tensors(ENGLISH)
    tensors[name].flat[7] = value
    assert "holds infinities or NaNs" in refusal(write(tmp_path / "m", ENGLISH, tensors))


@pytest.mark.parametrize("write", [write_hf, write_sharded, write_ggml, write_pt])
def test_an_unknown_tensor_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    extra = {"decoder.blocks.0.adapter.weight": np.ones((2, 2), np.float16)}
    message = refusal(write(tmp_path / "m", ENGLISH, random_tensors(ENGLISH) | extra))
    assert "0.adapter.weight' has no place in a Whisper model" in message


@pytest.mark.parametrize("write", [write_hf, write_sharded, write_ggml, write_pt])
def test_more_layers_than_stated_are_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "m", replace(ENGLISH, n_audio_layer=1), random_tensors(ENGLISH)))
    assert "has no place" in message and "more" in message


@every_format
@pytest.mark.parametrize(
    "change",
    [{"n_audio_head": 0}, {"n_audio_head": 3}, {"n_audio_head": 32}, {"n_text_head": 1 << 14}],
    ids=str,
)
def test_impossible_heads_are_refused(write: Callable[..., Path], change: dict[str, int], tmp_path: Path) -> None:
    assert f"_head is {next(iter(change.values()))}" in refusal(
        write(tmp_path / "m", replace(ENGLISH, **change), random_tensors(ENGLISH))
    )


@pytest.mark.parametrize("write", [write_hf, write_ggml, write_pt])
@pytest.mark.parametrize("field", [field for field in asdict(ENGLISH) if field != "n_text_state"])
@pytest.mark.parametrize("value", [-1, 0, 31, 2**31 - 1])
def test_impossible_dimensions_are_refused(write: Callable[..., Path], field: str, value: int, tmp_path: Path) -> None:
    if value == 31 and field in ("n_audio_ctx", "n_text_ctx", "n_audio_layer", "n_text_layer"):
        expected = "shape|missing"
    else:
        expected = rf"m.*: n_\w+ is {value}"
    tensors = {"encoder.conv1.bias": np.ones(D, np.float32)}
    assert re.search(expected, refusal(write(tmp_path / "m", replace(ENGLISH, **{field: value}), tensors)))


def test_ct2_keys_have_no_bias(tmp_path: Path) -> None:
    folder = write_ct2(tmp_path / "m", ENGLISH, random_tensors(ENGLISH))
    for place in ("encoder/layer_1/self_attention/linear_0", "decoder/layer_0/attention/linear_1"):
        variables = ct2_variables(ENGLISH, random_tensors(ENGLISH))
        variables[f"{place}/bias"][D if "self" in place else 0] = 1e-7
        (folder / "model.bin").write_bytes(ct2_bytes(variables, TIED))
        assert f"{place}/bias gives the keys a bias" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("decoder/activation", np.array(0, np.int8), "activation is 0"),
        ("decoder/pre_norm", np.array(0, np.int8), "pre_norm is 0"),
        ("encoder/num_heads", np.array(np.nan, np.float32), "num_heads is missing or not a single integer"),
        ("decoder/scale_alibi", np.array(1, np.int8), "scale_alibi is 1"),
        ("decoder/num_heads", np.ones(2, np.int16), "num_heads is missing or not a single integer"),
        ("decoder/projection/bias", np.ones(51864, np.float16), "'decoder/projection/bias' has no place"),
        ("encoder/conv1/weight", np.ones((D, 80), np.float16), "3 dimensions are expected"),
        ("encoder/conv1/weight", np.ones((D, 80, 3), np.int8), "is int8, expected float16 or float32"),
        ("encoder/conv1/weight", np.ones((D, 0, 3), np.float16), "has shape"),
        ("encoder/conv1/weight", np.ones((D, 80, 3, 1, 1), np.float16), "has shape"),
    ],
)
def test_ct2_variables_that_whisper_has_not(name: str, value: Array, words: str, tmp_path: Path) -> None:
    folder = write_ct2(tmp_path / "m", ENGLISH, random_tensors(ENGLISH))
    variables = ct2_variables(ENGLISH, random_tensors(ENGLISH))
    (folder / "model.bin").write_bytes(ct2_bytes(variables | {name: value}, TIED))
    assert words in refusal(folder)


def test_ct2_headers(tmp_path: Path) -> None:
    folder = write_ct2(tmp_path / "m", ENGLISH, random_tensors(ENGLISH))
    file = folder / "model.bin"
    good = file.read_bytes()
    variables = ct2_variables(ENGLISH, random_tensors(ENGLISH))
    for content, words in (
        (b"", "is empty"),
        (ct2_bytes(variables, TIED, version=5), "version 5"),
        (good.replace(b"WhisperSpec", b"WhisperSpeX"), "'WhisperSpeX' revision 3"),
        (good + b"\0", "appended"),
        (good.replace(ct2_text("encoder/conv2/bias"), ct2_text("encoder/conv1/bias")), "is there twice"),
        (ct2_bytes(variables, {"a": "b"}), "'a' cannot be an alias of 'b'"),
        (
            ct2_bytes(variables, {"decoder/projection/weight": "encoder/conv1/weight"}),
            "differs from the token embedding",
        ),
        (good.replace(ct2_text("encoder/conv2/bias"), ct2_text("encoder/conv2/bias").replace(b"c", b"\xff")), "UTF-8"),
    ):
        file.write_bytes(content)
        assert words in refusal(folder)


def test_vocabularies_that_do_not_fit(tmp_path: Path) -> None:
    ct2 = write_ct2(tmp_path / "ct2", ENGLISH, random_tensors(ENGLISH))
    text = (ct2 / "vocabulary.txt").read_text()
    for content, words in (
        (text[: len(text) // 2].encode(), "not the vocabulary of an English-only"),
        (text[2:].encode(), "which has <|endoftext|> at 50256"),
        (text.replace("\n", "\x7f\n", 1).encode(), "token 0 .* is not byte-level BPE"),
        (text.replace("\n", "€\n", 1).encode(), "token 0 .* is not byte-level BPE"),
        (b"\xff" + text.encode(), "not UTF-8"),
    ):
        (ct2 / "vocabulary.txt").write_bytes(content)
        assert re.search(words, refusal(ct2))
    (ct2 / "vocabulary.txt").unlink()
    assert "neither vocabulary.json nor vocabulary.txt" in refusal(ct2)
    (ct2 / "vocabulary.json").write_text("{}")
    assert "not a list" in refusal(ct2)

    hf = write_hf(tmp_path / "hf", ENGLISH, random_tensors(ENGLISH))
    for content, words in (
        (b"{}", "no token 0"),
        (b'{"a": [1], "b": 1}', "no token 0"),
        (b"[" * 10**6, "not JSON"),
        (b"\xff", "not JSON"),
        (b"7", "no token 0"),
    ):
        (hf / "vocab.json").write_bytes(content)
        assert words in refusal(hf)


def test_hf_settings_and_files(tmp_path: Path) -> None:
    folder = write_hf(tmp_path / "m", ENGLISH, random_tensors(ENGLISH))
    good = hf_config(ENGLISH)
    for change, words in (
        ({"model_type": "bart"}, "model_type is not whisper"),
        ({"activation_function": "relu"}, "activation_function is 'relu'"),
        ({"scale_embedding": True}, "scale_embedding is True"),
        ({"d_model": 32.0}, "n_audio_state is 32.0"),
        ({"vocab_size": "51864"}, "n_vocab is '51864'"),
        ({"encoder_layers": [2]}, r"n_audio_layer is \[2\]"),
    ):
        (folder / "config.json").write_text(json.dumps(good | change))
        assert re.search(f"config.json: {words}", refusal(folder))
    del good["d_model"]
    (folder / "config.json").write_text(json.dumps(good))
    assert "config.json: d_model is missing" in refusal(folder)
    (folder / "config.json").write_text("{")
    assert "config.json: not JSON" in refusal(folder)
    (folder / "config.json").write_text(json.dumps(hf_config(ENGLISH)))
    (folder / "model.safetensors").unlink()
    assert "neither model.safetensors nor" in refusal(folder)


def test_hf_tensors_that_whisper_has_not(tmp_path: Path) -> None:
    tensors = {hf_name(name): tensor for name, tensor in random_tensors(ENGLISH).items()}
    folder = write_hf(tmp_path / "m", ENGLISH, random_tensors(ENGLISH))
    untied = np.zeros((51864, D), np.float16)
    for extra, words in (
        ({"proj_out.weight": untied}, "proj_out.weight differs from the token embedding"),
        ({"model.encoder.conv1.bias": np.ones(D, np.float64)}, "'model.encoder.conv1.bias' is F64"),
        ({"model.encoder.conv1.bias": np.ones((D, 0), np.float32)}, r"conv1.bias' has shape"),
        ({"model.encoder.conv1.bias": np.ones([1] * 64, np.float32)}, r"conv1.bias' has shape"),
        ({"encoder.conv1.bias": np.ones(D, np.float32)}, "encoder.conv1.bias' is there twice"),
    ):
        save_file(tensors | extra, folder / "model.safetensors")
        assert words in refusal(folder)


def test_hf_shards(tmp_path: Path) -> None:
    folder = write_sharded(tmp_path / "m", ENGLISH, random_tensors(ENGLISH))
    index = folder / "model.safetensors.index.json"
    good = json.loads(index.read_text())["weight_map"]
    for bad in ("../model.safetensors", "/etc/passwd", "a/b.safetensors", 7, "..safetensors", "model.bin"):
        index.write_text(json.dumps({"weight_map": good | {"x": bad}}))
        assert f"{bad!r} is not the name of a shard" in refusal(folder)
    for text in ("{}", "[]", '{"weight_map": {}}', '{"weight_map": [1]}'):
        index.write_text(text)
        assert "no weight_map" in refusal(folder)
    index.write_text(json.dumps({"weight_map": good}))
    last = folder / "model-00003-of-00003.safetensors"
    last.write_bytes((folder / "model-00001-of-00003.safetensors").read_bytes())
    assert "is there twice" in refusal(folder)
    last.unlink()
    assert f"{last}: No such file" in refusal(folder)


def test_ggml_headers(tmp_path: Path) -> None:
    file = tmp_path / "m"
    tensors = random_tensors(ENGLISH)
    head, body = ggml_head(ENGLISH, words(ENGLISH)), b"".join(ggml_tensor(*item) for item in tensors.items())
    bias = tensors["encoder.conv1.bias"]
    for content, expected in (
        (head + ggml_tensor("encoder.conv1.bias", bias, kind=8) + body, "is quantised .ggml type 8"),
        (head + body + ggml_tensor("encoder.conv1.bias", bias), "encoder.conv1.bias' is there twice"),
        (head + struct.pack("<iii", 5, 4, 0) + body, "rank 5"),
        (head + struct.pack("<iii", 2, -1, 0) + body, "name of -1 bytes"),
        (head + struct.pack("<iii4i", 4, 1, 0, *[2**31 - 1] * 4) + b"x" + body, "but only"),
        (ggml_head(ENGLISH, words(ENGLISH)[:-1]) + body, "the vocabulary has 50255 tokens"),
        (ggml_head(ENGLISH, words(ENGLISH), mels=(80, 200)) + body, "the mel filters are 80 x 200"),
        (head, "is missing"),
    ):
        file.write_bytes(content)
        assert re.search(expected, refusal(file))


def test_pt_that_is_no_checkpoint(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(tensor) for name, tensor in random_tensors(ENGLISH).items()}
    name = "decoder.ln.bias"
    dims = asdict(ENGLISH)

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    for content, words in (
        (Evil(), "PyTorch cannot read it"),
        ([1], "not an OpenAI checkpoint"),
        ({"dims": dims}, "not an OpenAI checkpoint"),
        ({"dims": dims | {"x": 1}, "model_state_dict": tensors}, "dims must have"),
        ({"dims": [1], "model_state_dict": tensors}, "dims must have"),
        ({"dims": dims, "model_state_dict": [1]}, "not a dictionary"),
        ({"dims": dims, "model_state_dict": tensors | {name: 1}}, "not a plain tensor"),
        ({"dims": dims, "model_state_dict": tensors | {name: torch.ones(1).expand(D)}}, "larger than its data"),
        ({"dims": dims, "model_state_dict": tensors | {name: torch.ones(D).double()}}, "float64"),
        ({"dims": dims, "model_state_dict": tensors | {name: torch.ones(D, device="meta")}}, name),
        ({"dims": dims, "model_state_dict": tensors | {name: torch.ones(D).to_sparse()}}, "not a plain tensor"),
        ({"dims": dims, "model_state_dict": tensors | {name: torch.ones([1] * 70)}}, "not a plain tensor"),
        ({"dims": dims, "model_state_dict": tensors | {7: torch.ones(D)}}, "'7' has no place"),
    ):
        torch.save(content, tmp_path / "m.pt")
        assert words in refusal(tmp_path / "m.pt")
    assert not (tmp_path / "owned").exists()


def test_pt_tensors_of_other_layouts(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = random_tensors(ENGLISH)
    state = {name: torch.from_numpy(tensor).float() for name, tensor in tensors.items()}
    name = "encoder.blocks.0.mlp.0.weight"
    state[name] = torch.nn.Parameter(state[name].T.contiguous().T)
    state["decoder.ln.bias"] = state["decoder.ln.bias"].bfloat16()
    tensors["decoder.ln.bias"] = state["decoder.ln.bias"].float().numpy()
    torch.save({"dims": asdict(ENGLISH), "model_state_dict": state}, tmp_path / "m.pt")
    assert same(load(str(tmp_path / "m.pt")), tensors)


def test_without_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "m.pt").write_bytes(b"PK\3\4")
    assert "PyTorch is needed" in refusal(tmp_path / "m.pt")


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert "neither an OpenAI checkpoint" in refusal(tmp_path / "empty")
    assert "neither an OpenAI checkpoint" in refusal(tmp_path / "text")
    assert "holds neither config.json" in refusal(tmp_path / "folder")
    assert "neither a file nor a folder" in refusal(tmp_path / "pipe")
    assert "neither a file nor a folder" in refusal("/dev/zero")
    assert "nor an existing path" in refusal(tmp_path / "absent" / "absent")
    assert "nor an existing path" in refusal("small")
    assert "nor an existing path" in refusal("./small")
    assert "nor an existing path" in refusal("")
    assert "nor an existing path" in refusal("nul\0byte")
    assert "too long" in refusal("x" * 5000)


# --- names


def test_a_hub_name_needs_the_hub_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "huggingface_hub is needed" in refusal("openai/whisper-small")


def test_a_hub_name_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_hf(tmp_path / "snapshot", ENGLISH, random_tensors(ENGLISH))
    hub = types.ModuleType("huggingface_hub")
    hub.snapshot_download = lambda name, allow_patterns: str(folder)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    checkpoint = load("openai/whisper-tiny.en")
    assert (checkpoint.name, checkpoint.source) == ("tiny.en", "openai/whisper-tiny.en")


def test_no_network_to_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str, allow_patterns: list[str]) -> str:
        raise ConnectionError("Temporary failure in name resolution\nTraceback")

    hub = types.ModuleType("huggingface_hub")
    hub.snapshot_download = unreachable  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    message = refusal("openai/whisper-small")
    assert message == (
        "'openai/whisper-small' is not an existing path, and it could not be fetched from the Hugging Face hub: "
        "Temporary failure in name resolution"
    )


def test_a_damaged_cache_is_noticed(cached_vocabularies: Path) -> None:
    model = cached_vocabularies / "checkpoints" / "tiny.en" / "model.bin"
    assert "the cached model tiny.en is damaged" in refusal("tiny.en")
    model.write_bytes(b"x")
    try:
        assert f"{model} is not what was downloaded" in refusal("tiny.en")
    finally:
        model.unlink()


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "count", "dims", "hello"),
    [
        ("tiny.en", 167, Dims(80, 1500, 384, 6, 4, 51864, 448, 384, 6, 4), 15496),
        ("base", 245, Dims(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6), 15947),
    ],
)
def test_the_named_models(name: str, count: int, dims: Dims, hello: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHISPER158_CACHE")
    checkpoint = load(name)
    assert (checkpoint.name, checkpoint.dims, len(checkpoint.tensors)) == (name, dims, count)
    # The encoder's positions are sin(t), cos(t) in their first and middle channel.
    positions = checkpoint.tensors["encoder.positional_embedding"].astype(np.float32)
    frames = np.arange(1500)
    assert np.abs(positions[:, 0] - np.sin(frames)).max() < 1e-3
    assert np.abs(positions[:, dims.n_audio_state // 2] - np.cos(frames)).max() < 1e-3
    assert checkpoint.vocabulary[hello] == b"Hello"


# --- files that are cut or overwritten anywhere


class Victim:
    """A good model, one file of which gets damaged."""

    def __init__(self, path: Path, file: Path) -> None:
        self.path, self.file, self.good = path, file, file.read_bytes()

    def try_load(self, content: bytes) -> Checkpoint | None:
        """Load with `content` in the file's stead: a checkpoint or a sentence, but never a large allocation."""
        self.file.write_bytes(content)
        with limited_memory(5 * len(self.good) + (64 << 20)):
            try:
                return load(str(self.path))
            except UserError:
                return None


@contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """Let this process map `more` bytes, and fail with MemoryError beyond."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture(scope="module", params=WRITERS)
def victim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Victim:
    kind = str(request.param)
    path = WRITERS[kind](tmp_path_factory.mktemp(kind) / "m", ENGLISH, random_tensors(ENGLISH))
    shard = "model-00002-of-00003.safetensors"
    file = (
        path / {"ct2": "model.bin", "hf": "model.safetensors", "sharded": shard}.get(kind, "")
        if path.is_dir()
        else path
    )
    load(str(path))  # so that whatever is imported late is there before memory is limited
    return Victim(path, file)


def places(size: int) -> st.SearchStrategy[int]:
    """Offsets into a file, mostly near its start and end, where the lengths are."""
    near = min(size, 4096)
    return st.one_of(st.integers(0, near - 1), st.integers(size - near, size - 1), st.integers(0, size - 1))


@settings(max_examples=40)
@given(data=st.data())
def test_a_cut_file_is_refused(victim: Victim, data: st.DataObject) -> None:
    assert victim.try_load(victim.good[: data.draw(places(len(victim.good)))]) is None


@settings(max_examples=80)
@given(data=st.data())
def test_an_overwritten_file_loads_or_is_refused(victim: Victim, data: st.DataObject) -> None:
    content = bytearray(victim.good)
    patches = st.one_of(
        st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(8)])
    )
    for place, patch in data.draw(st.lists(st.tuples(places(len(content)), patches), min_size=1, max_size=4)):
        content[place : place + len(patch)] = patch
    victim.try_load(bytes(content))
