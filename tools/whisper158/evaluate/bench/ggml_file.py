# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Writes a checkpoint as the file that whisper.cpp loads, in its 16-bit format or quantised (model/ggml.py reads it).

Quantised weights lie in blocks of 32 along a row. With d and m 16-bit floats and q the bits of a code:

    Q8_0  d, then 32 signed bytes                                w = d q
    Q5_1  d, m, then 4 bytes of fifth bits, 16 of lower halves   w = d q + m
    Q4_0  d, then 16 bytes                                       w = d (q - 8)

Of the byte i in 16, the lower nibble is the code of weight i and the upper one that of weight i + 16.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np
import numpy.typing as npt

from whisper158.model.checkpoint import Array, Checkpoint
from whisper158.model.ggml import MAGIC
from whisper158.model.melbank import mel_filters

BLOCK = 32
F32, F16 = 0, 1
# Files with quantised weights say in their type by which version of the quantisation they were made.
QUANTISATION = 2 * 1000

Bytes = npt.NDArray[np.uint8]
Blocks = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """`file` is the number of the file's type, `tensor` that of its matrices'."""

    file: int
    tensor: int
    encode: Callable[[Blocks], Bytes] | None = None


def q8_0(blocks: Blocks) -> Bytes:
    d = _half(np.abs(blocks).max(axis=1, keepdims=True) / 127)
    codes = np.clip(np.rint(blocks * _inverse(d)), -127, 127).astype(np.int8)
    return np.concatenate([_bytes(d), codes.view(np.uint8)], axis=1)


def q5_1(blocks: Blocks) -> Bytes:
    least = blocks.min(axis=1, keepdims=True)
    d, m = _half((blocks.max(axis=1, keepdims=True) - least) / 31), _half(least)
    codes = np.clip(np.rint((blocks - m.astype(np.float32)) * _inverse(d)), 0, 31).astype(np.uint8)
    fifth = np.packbits(codes >> 4, axis=1, bitorder="little")
    return np.concatenate([_bytes(d), _bytes(m), fifth, _nibbles(codes & 15)], axis=1)


def q4_0(blocks: Blocks) -> Bytes:
    """The largest weight gets the code 0, for there is one more step below zero than above."""
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1, keepdims=True), axis=1)
    d = _half(largest / -8)
    codes = np.clip(np.rint(blocks * _inverse(d)) + 8, 0, 15).astype(np.uint8)
    return np.concatenate([_bytes(d), _nibbles(codes)], axis=1)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "F16": Kind(1, F16),
        "Q8_0": Kind(7, 8, q8_0),
        "Q5_1": Kind(9, 7, q5_1),
        "Q4_0": Kind(2, 2, q4_0),
    }
)


def write(checkpoint: Checkpoint, kind: Kind, path: Path) -> None:
    """Matrices in `kind`, convolutions in 16 bits, all else in 32, as whisper.cpp's own tools leave them."""
    dims = checkpoint.dims
    header = (
        *(dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer),
        *(dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer, dims.n_mels),
        kind.file + (QUANTISATION if kind.encode else 0),
    )
    filters = mel_filters(dims.n_mels)
    with path.open("wb") as file:
        file.write(MAGIC + struct.pack("<11i2i", *header, *filters.shape))
        file.write(filters.astype("<f4").tobytes())
        file.write(struct.pack("<i", len(checkpoint.vocabulary)))
        for token in checkpoint.vocabulary:
            file.write(struct.pack("<I", len(token)) + token)
        for name, tensor in checkpoint.tensors.items():
            _write_tensor(file, name, tensor, kind)


def _write_tensor(file: IO[bytes], name: str, tensor: Array, kind: Kind) -> None:
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        tensor = tensor[:, None]
    is_matrix = tensor.ndim == 2 and name.endswith(".weight")
    if is_matrix and kind.encode:
        number = kind.tensor
        data = kind.encode(tensor.astype(np.float32).reshape(-1, BLOCK)).tobytes()
    elif is_matrix or tensor.ndim == 3:
        number, data = F16, tensor.astype("<f2").tobytes()
    else:
        number, data = F32, tensor.astype("<f4").tobytes()
    title = name.encode()
    file.write(struct.pack(f"<3i{tensor.ndim}i", tensor.ndim, len(title), number, *tensor.shape[::-1]))
    file.write(title + data)


def _half(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float16]:
    return values.astype("<f2")


def _inverse(d: npt.NDArray[np.float16]) -> Blocks:
    wide = d.astype(np.float32)
    return np.divide(1, wide, out=np.zeros_like(wide), where=wide != 0)


def _bytes(column: npt.NDArray[np.float16]) -> Bytes:
    return np.ascontiguousarray(column).view(np.uint8)


def _nibbles(codes: Bytes) -> Bytes:
    return codes[:, : BLOCK // 2] | codes[:, BLOCK // 2 :] << np.uint8(4)
