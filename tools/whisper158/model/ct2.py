# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Reads a CTranslate2 folder: model.bin (binary version 6) and its vocabulary.

The file is: u32 version, text spec, u32 revision, u32 count, then per variable text name, u8 rank, u32 dims[rank],
u8 dtype, u32 size, data; then u32 count and per alias text name, text target. A text is u16 size with its NUL, bytes.
Queries, keys and values of an attention are joined in one matrix. Equal variables are stored once, the others aliased.
"""

import math
import re
from pathlib import Path

import numpy as np

from whisper158.errors import die
from whisper158.model import vocabulary
from whisper158.model.binary import BinaryFile, open_binary
from whisper158.model.checkpoint import (
    Array,
    Contents,
    Dims,
    FileTensors,
    bfloat16_to_float32,
    check_dims,
    tensor_shapes,
)

_DTYPES = (np.dtype("<f4"), np.dtype("i1"), np.dtype("<i2"), np.dtype("<i4"), np.dtype("<f2"), np.dtype("<u2"))
_BFLOAT16 = 5

# From a module of OpenAI's model to CTranslate2's, with which part of how many of a joined matrix it is.
_BLOCK = {
    "attn.query": ("self_attention/linear_0", 0, 3),
    "attn.key": ("self_attention/linear_0", 1, 3),
    "attn.value": ("self_attention/linear_0", 2, 3),
    "attn.out": ("self_attention/linear_1", 0, 1),
    "attn_ln": ("self_attention/layer_norm", 0, 1),
    "cross_attn.query": ("attention/linear_0", 0, 1),
    "cross_attn.key": ("attention/linear_1", 0, 2),
    "cross_attn.value": ("attention/linear_1", 1, 2),
    "cross_attn.out": ("attention/linear_2", 0, 1),
    "cross_attn_ln": ("attention/layer_norm", 0, 1),
    "mlp.0": ("ffn/linear_0", 0, 1),
    "mlp.2": ("ffn/linear_1", 0, 1),
    "mlp_ln": ("ffn/layer_norm", 0, 1),
}
_OUTSIDE = {
    "encoder.conv1": "encoder/conv1",
    "encoder.conv2": "encoder/conv2",
    "encoder.ln_post": "encoder/layer_norm",
    "decoder.ln": "decoder/layer_norm",
    "decoder.token_embedding": "decoder/embeddings",
    "encoder.positional_embedding": "encoder/position_encodings/encodings",
    "decoder.positional_embedding": "decoder/position_encodings/encodings",
}

# What converters note about the architecture, newer ones more, and what it is for Whisper (3 is GELU with erf).
_SETTINGS = {
    "decoder/activation": 3,
    "decoder/alibi": 0,
    "decoder/alibi_use_positive_positions": 0,
    "decoder/pre_norm": 1,
    "decoder/scale_alibi": 0,
    "decoder/scale_embeddings": 0,
    "decoder/start_from_zero_embedding": 0,
}
_HARMLESS = ("decoder/alignment_heads", "decoder/alignment_layer")


def _text(file: BinaryFile, what: str) -> str:
    return file.text(file.number("H", f"the length of {what}"), what).removesuffix("\0")


def _variable(file: BinaryFile, name: str) -> Array:
    what = f"tensor {name!r}"
    shape = file.numbers(f"{file.number('B', what)}I", what)
    code, size = file.numbers("BI", what)
    if code >= len(_DTYPES):
        die(f"{file.path}: {what} has the unknown dtype {code}")
    if size != math.prod(shape) * _DTYPES[code].itemsize:
        die(f"{file.path}: {what} of shape {shape} cannot take {size} bytes")
    array = file.array(_DTYPES[code], shape, what)
    return bfloat16_to_float32(array) if code == _BFLOAT16 else array


def _read_variables(path: Path) -> dict[str, Array]:
    with open_binary(path) as file:
        version = file.number("I", "the version")
        if version != 6:
            die(f"{path}: CTranslate2 binary version {version} is not 6", "convert the model with CTranslate2 3 or 4")
        spec = _text(file, "the name of the model's kind")
        revision = file.number("I", "the revision")
        if (spec, revision) != ("WhisperSpec", 3):
            die(f"{path}: holds {spec!r} revision {revision}, expected WhisperSpec revision 3")
        variables: dict[str, Array] = {}
        for _ in range(file.number("I", "the number of tensors")):
            name = _text(file, "a tensor's name")
            if name in variables:
                die(f"{path}: tensor {name!r} is there twice")
            variables[name] = _variable(file, name)
        for _ in range(file.number("I", "the number of aliases")):
            alias, target = _text(file, "an alias"), _text(file, "an alias")
            if alias in variables or target not in variables:
                die(f"{path}: {alias!r} cannot be an alias of {target!r}")
            variables[alias] = variables[target]
        if not file.at_end:
            die(f"{path}: something is appended to the model")
    return variables


def _setting(tensors: FileTensors, path: Path, name: str, default: int | None = None) -> int:
    value = tensors.drop(name)
    if value is None and default is not None:
        return default
    if value is None or value.size != 1 or value.dtype.kind != "i":
        die(f"{path}: {name} is missing or not a single integer")
    return int(value.item())


def _dims(tensors: FileTensors, path: Path, names: list[str]) -> Dims:
    def layers(side: str) -> int:
        return len({match[1] for name in names if (match := re.match(rf"{side}/layer_(\d+)/", name))})

    state, n_mels, _ = tensors.shape("encoder/conv1/weight", 3)
    n_vocab, text_state = tensors.shape("decoder/embeddings/weight", 2)
    return Dims(
        n_mels=n_mels,
        n_audio_ctx=tensors.shape("encoder/position_encodings/encodings", 2)[0],
        n_audio_state=state,
        n_audio_head=_setting(tensors, path, "encoder/num_heads"),
        n_audio_layer=layers("encoder"),
        n_vocab=n_vocab,
        n_text_ctx=tensors.shape("decoder/position_encodings/encodings", 2)[0],
        n_text_state=text_state,
        n_text_head=_setting(tensors, path, "decoder/num_heads"),
        n_text_layer=layers("decoder"),
    )


def place_of(name: str) -> tuple[str, int, int]:
    """Where OpenAI's tensor `name` is: CTranslate2's name, which part of it, of how many parts along the rows."""
    if name in _OUTSIDE:
        return _OUTSIDE[name], 0, 1
    module, leaf = name.rsplit(".", 1)
    if block := re.fullmatch(r"(encoder|decoder)\.blocks\.(\d+)\.(.+)", module):
        inner, part, parts = _BLOCK[block[3]]
        module = f"{block[1]}/layer_{block[2]}/{inner}"
    else:
        module, part, parts = _OUTSIDE[module], 0, 1
    if module.endswith("layer_norm"):
        leaf = {"weight": "gamma", "bias": "beta"}[leaf]
    return f"{module}/{leaf}", part, parts


def _check_key_biases(joined: dict[str, Array], tensors: dict[str, Array], path: Path) -> None:
    """Whisper's keys have no bias; a joined bias has rows for it nonetheless, which must be zero to be left out."""
    for name in tensors:
        if name.endswith(".key.weight"):
            place, part, parts = place_of(name.replace(".weight", ".bias"))
            if np.split(joined[place], parts)[part].any():
                die(f"{path}: tensor {place} gives the keys a bias, which Whisper's keys do not have")


def read(folder: Path) -> Contents:
    """Read a folder with model.bin and vocabulary.json or vocabulary.txt, float16, bfloat16 or float32."""
    path = folder / "model.bin"
    variables = _read_variables(path)
    stock = FileTensors(path, variables)
    dims = _dims(stock, path, list(variables))
    check_dims(dims, path)
    for name, value in _SETTINGS.items():
        if (found := _setting(stock, path, name, default=value)) != value:
            die(f"{path}: {name} is {found}, where Whisper has {value}")

    joined: dict[str, Array] = {}
    tensors: dict[str, Array] = {}
    for name, shape in tensor_shapes(dims).items():
        place, part, parts = place_of(name)
        if place not in joined:
            joined[place] = stock.take(place, (parts * shape[0], *shape[1:]))
        tensors[name] = joined[place][part * shape[0] : (part + 1) * shape[0]]
    _check_key_biases(joined, tensors, path)
    stock.drop_copy("decoder/projection/weight", tensors["decoder.token_embedding.weight"])
    for name in _HARMLESS:
        stock.drop(name)
    stock.done()
    return Contents(dims, tensors, vocabulary.from_ct2_folder(folder, dims), (path,))
