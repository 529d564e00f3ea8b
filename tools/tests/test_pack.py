# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from whisper158.errors import UserError
from whisper158.model import blob
from whisper158.model.blob import Array, Blob, Dtype, Packing
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.golden import golden, write_golden
from whisper158.model.melbank import mel_filters
from whisper158.model.pack import FORMATS, HEAD, Coding, Format, pack
from whisper158.model.ternary import Quantised, project, quantise_i4, unpack
from whisper158.paths import GOLDEN


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return golden()


def packed(checkpoint: Checkpoint, form: Format, folder: Path) -> Blob:
    pack(checkpoint, form, folder / "a.w158")
    return blob.read(folder / "a.w158")


def names(blocks: int) -> Iterator[str]:
    """All sections but scales, as docs/blob-format.md lists them."""
    yield from ("config", "decoding", "decoding.suppress", "decoding.languages")
    yield from ("vocab.offsets", "vocab.bytes", "mel.filters", "provenance")
    for conv in ("conv1", "conv2"):
        yield from (f"encoder.{conv}.weight", f"encoder.{conv}.bias")
    for side in ("encoder", "decoder"):
        yield f"{side}.positional_embedding"
        for block in range(blocks):
            prefix = f"{side}.blocks.{block}"
            for attention in ("attn", "cross_attn") if side == "decoder" else ("attn",):
                yield from (f"{prefix}.{attention}_ln.{part}" for part in ("weight", "bias"))
                yield from (f"{prefix}.{attention}.{part}.weight" for part in ("query", "key", "value", "out"))
                yield from (f"{prefix}.{attention}.{part}.bias" for part in ("query", "value", "out"))
            for layer in ("mlp_ln", "mlp.0", "mlp.2"):
                yield from (f"{prefix}.{layer}.{part}" for part in ("weight", "bias"))
    yield from ("encoder.ln_post.weight", "encoder.ln_post.bias", "decoder.token_embedding.weight")
    yield from ("decoder.ln.weight", "decoder.ln.bias")


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_blob_holds_the_documented_sections(form: Format, checkpoint: Checkpoint, tmp_path: Path) -> None:
    read = packed(checkpoint, form, tmp_path)
    expected = Counter(names(blocks=2))
    scales = Counter(f"{name}.scale" for name in expected if read.sections[name].group)
    assert Counter(list(read.sections)) == expected + scales
    assert not any(section.optional for section in read.sections.values())


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_constants(form: Format, checkpoint: Checkpoint, tmp_path: Path) -> None:
    read = packed(checkpoint, form, tmp_path)
    assert read.array("config").tolist() == [80, 40, 64, 2, 2, 1801, 32, 64, 2, 2, 40, form.activation_bits]
    # English only, for fewer tokens than a multilingual vocabulary has: no languages to choose from.
    special = [284, 285, 294, 295, 296, 297, 298, 299, 300, 286, 0]
    assert read.array("decoding").tolist() == [*special, 50, 16, checkpoint.vocabulary.index(b" "), 0, 0]
    assert read.text("decoding.languages") == "en"
    offsets = read.array("vocab.offsets").tolist()
    data = read.array("vocab.bytes").tobytes()
    assert tuple(data[a:b] for a, b in pairwise(offsets)) == checkpoint.vocabulary
    assert np.array_equal(read.array("mel.filters"), mel_filters(80))


def test_provenance(checkpoint: Checkpoint, tmp_path: Path) -> None:
    odd = replace(checkpoint, source="two\nlines and\x85 \u2028more")
    pack(odd, FORMATS["q8"], tmp_path / "a.w158", min_audio_ctx=12, provenance={"wer": "6.1 %"})
    read = blob.read(tmp_path / "a.w158")
    lines = dict(line.split("=", 1) for line in read.text("provenance").split("\n")[:-1])
    assert lines.pop("tool").startswith("whisper158 ")
    assert lines == {
        "name": "golden",
        "format": "q8",
        "source": "two lines and more",
        "source_sha256": "0" * 64,
        "licence": "MIT",
        "wer": "6.1 %",
    }
    assert read.array("config")[10] == 12


def test_floats(checkpoint: Checkpoint, tmp_path: Path) -> None:
    read = packed(checkpoint, FORMATS["f16"], tmp_path)
    for name, tensor in checkpoint.tensors.items():
        array = read.array(name)
        want = tensor.transpose(0, 2, 1) if tensor.ndim == 3 else tensor
        assert array.dtype == (np.float32 if tensor.ndim == 1 else np.float16)
        assert np.array_equal(array, want.astype(array.dtype)), name


def weights(read: Blob, name: str) -> Array:
    """A matrix, whatever it was stored as."""
    section = read.sections[name]
    array = read.array(name)
    if not section.group:
        return array
    codes = array if section.dtype == Dtype.I8 else unpack(array, section)
    zeros = read.array(f"{name}.zero") if section.dtype == Dtype.U4 else None
    return Quantised(codes, read.array(f"{name}.scale"), zeros).weights()


def matrices(checkpoint: Checkpoint) -> dict[str, Array]:
    return {name: t for name, t in checkpoint.tensors.items() if ".blocks." in name and t.ndim == 2}


def test_q8(checkpoint: Checkpoint, tmp_path: Path) -> None:
    read = packed(checkpoint, FORMATS["q8"], tmp_path)
    for name, tensor in matrices(checkpoint).items():
        values = name.startswith("encoder") and name.endswith((".value.weight", ".out.weight"))
        if values or (name.startswith("decoder") and ".mlp." in name):
            assert np.array_equal(read.array(name), tensor.astype(np.float16)), name
            continue
        group = FORMATS["q8"].coding(name).group
        assert read.sections[name].dtype == Dtype.I8 and read.sections[name].group == group
        step = np.repeat(read.array(f"{name}.scale"), group, axis=1)
        assert (np.abs(weights(read, name) - tensor) <= 0.501 * step).all(), name


def test_t158(checkpoint: Checkpoint, tmp_path: Path) -> None:
    read = packed(checkpoint, FORMATS["t158"], tmp_path)
    for name, tensor in matrices(checkpoint).items():
        many_frames = name.startswith("encoder") or "cross_attn.key" in name or "cross_attn.value" in name
        section = read.sections[name]
        assert section.packing == (Packing.T5 if many_frames else Packing.T2)
        assert section.group == tensor.shape[1]
        assert np.array_equal(weights(read, name), project(tensor).weights()), name


def test_t158i4_differs_in_the_head_only(checkpoint: Checkpoint, tmp_path: Path) -> None:
    eight = packed(checkpoint, FORMATS["t158"], tmp_path)
    four = packed(checkpoint, FORMATS["t158i4"], tmp_path)
    changed = {name for name in four.sections if four.array(name).tobytes() != eight.array(name).tobytes()}
    assert changed == {HEAD, f"{HEAD}.scale", "provenance"}
    assert (four.sections[HEAD].dtype, four.sections[HEAD].group) == (Dtype.I4, 64)
    tensor = checkpoint.tensors[HEAD]
    assert np.linalg.norm(weights(four, HEAD) - tensor) < 0.1 * np.linalg.norm(tensor)


def test_q4(checkpoint: Checkpoint, tmp_path: Path) -> None:
    read = packed(checkpoint, FORMATS["q4"], tmp_path)
    for name, tensor in matrices(checkpoint).items():
        assert (read.sections[name].dtype, read.sections[name].group) == (Dtype.I4, 32)
        assert np.array_equal(weights(read, name), quantise_i4(tensor, 32).weights()), name
    assert read.sections[HEAD].dtype == Dtype.I8


def test_asymmetric_weights_are_off_by_half_a_step(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """And their zero points stand beside them, for whoever wants to be exact."""
    coding = Coding(Dtype.U4, group=32)
    read = packed(checkpoint, Format("u4", coding, coding, coding, activation_bits=8), tmp_path)
    for name, tensor in {**matrices(checkpoint), HEAD: checkpoint.tensors[HEAD]}.items():
        step = np.repeat(read.array(f"{name}.scale"), 32, axis=1)
        assert read.sections[f"{name}.zero"].dtype == Dtype.U8
        assert (np.abs(weights(read, name) - tensor) <= 1.001 * step).all(), name


def test_a_variant_is_one_line(checkpoint: Checkpoint, tmp_path: Path) -> None:
    coding = Coding(Dtype.T158, Packing.T4, group=32)
    read = packed(checkpoint, Format("t158-t4", coding, coding, Coding(Dtype.I8), activation_bits=8), tmp_path)
    section = read.sections["decoder.blocks.1.mlp.2.weight"]
    assert (section.packing, section.group) == (Packing.T4, 32)


def broken(checkpoint: Checkpoint, name: str, value: float) -> Checkpoint:
    tensor = checkpoint.tensors[name].copy()
    tensor.flat[tensor.size // 2] = value
    return replace(checkpoint, tensors={**checkpoint.tensors, name: tensor})


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(
    "name",
    ["encoder.conv1.weight", "encoder.ln_post.bias", "decoder.blocks.1.mlp.2.weight", "decoder.positional_embedding"],
)
def test_weights_that_are_no_numbers(form: Format, name: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    for value in (np.nan, -np.inf):
        with pytest.raises(UserError, match=f"golden: tensor {name} holds an infinity or a NaN"):
            pack(broken(checkpoint, name, value), form, tmp_path / "a.w158")
    assert not list(tmp_path.iterdir())


def test_weights_beyond_a_half(checkpoint: Checkpoint, tmp_path: Path) -> None:
    name = "decoder.blocks.1.attn.out.weight"
    large = broken(checkpoint, name, -70000)
    with pytest.raises(UserError, match=f"golden: tensor {name} reaches 70000, beyond the 65504"):
        pack(large, FORMATS["f16"], tmp_path / "a.w158")
    assert not list(tmp_path.iterdir())
    assert weights(packed(large, FORMATS["q8"], tmp_path), name).min() == pytest.approx(-70000)


def test_a_vocabulary_that_is_not_the_checkpoints(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Whisper's have 1 to 100"):
        pack(replace(checkpoint, vocabulary=checkpoint.vocabulary[:100]), FORMATS["q8"], tmp_path / "a.w158")
    assert not list(tmp_path.iterdir())


def test_the_golden_file_is_what_the_writer_makes(tmp_path: Path) -> None:
    write_golden(tmp_path / "golden.w158")
    assert (tmp_path / "golden.w158").read_bytes() == GOLDEN.read_bytes(), "run ./inv model.golden and look at why"


def test_the_golden_file_holds_every_coding() -> None:
    read = blob.read(GOLDEN)
    codings = set()
    for section in read.sections.values():
        per_row = section.group == section.shape[-1]
        codings.add((section.dtype, section.packing, bool(section.group) and not per_row))
    assert {dtype for dtype, _, _ in codings} == set(Dtype)
    for packing in (Packing.T2, Packing.T4, Packing.T5):
        assert (Dtype.T158, packing, True) in codings and (Dtype.T158, packing, False) in codings
    assert (Dtype.I4, Packing.PLAIN, True) in codings and (Dtype.I4, Packing.PLAIN, False) in codings
    assert (Dtype.U4, Packing.PLAIN, True) in codings and (Dtype.U4, Packing.PLAIN, False) in codings
    assert (Dtype.I8, Packing.PLAIN, True) in codings and (Dtype.I8, Packing.PLAIN, False) in codings
    assert GOLDEN.stat().st_size < 400 * 1024
