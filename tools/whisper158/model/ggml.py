# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Reads a ggml file, the format of whisper.cpp (its models/convert-pt-to-ggml.py defines it).

The file is: magic, 11 x i32 (ten dimensions and the file type), the mel filters (i32 rows, i32 columns, f32 data), the
vocabulary (i32 count, then u32 size and bytes each), then until the end per tensor i32 rank, i32 size of the name,
i32 type, i32 dims[rank] with the innermost first, name, data. Names are OpenAI's; the convolutions' biases are [d, 1].
"""

from pathlib import Path

import numpy as np

from whisper158.errors import die
from whisper158.model.binary import BinaryFile, open_binary
from whisper158.model.checkpoint import Array, Contents, Dims, FileTensors, check_dims, tensor_shapes

MAGIC = b"lmgg"
_DTYPES = (np.dtype("<f4"), np.dtype("<f2"))
_FFT_BINS = 201


def _dims(file: BinaryFile) -> Dims:
    vocab, audio_ctx, audio_state, audio_head, audio_layer, text_ctx, text_state, text_head, text_layer, mels, _ = (
        file.numbers("11i", "the header")
    )
    return Dims(
        mels, audio_ctx, audio_state, audio_head, audio_layer, vocab, text_ctx, text_state, text_head, text_layer
    )


def _vocabulary(file: BinaryFile, dims: Dims) -> tuple[bytes, ...]:
    count = file.number("i", "the size of the vocabulary")
    if not dims.eot <= count <= dims.n_vocab:
        die(f"{file.path}: the vocabulary has {count} tokens, expected {dims.eot} or a few more")
    tokens = [file.raw(file.number("I", "a token's length"), "a token") for _ in range(count)]
    return tuple(tokens[: dims.eot])


def _tensor(file: BinaryFile) -> tuple[str, Array]:
    rank, size, kind = file.numbers("3i", "a tensor's header")
    if not 1 <= rank <= 4 or not 1 <= size <= 256:
        die(f"{file.path}: a tensor's header is damaged (rank {rank}, name of {size} bytes)")
    shape = file.numbers(f"{rank}I", "a tensor's shape")[::-1]
    name = file.text(size, "a tensor's name")
    if kind not in range(len(_DTYPES)):
        die(f"{file.path}: tensor {name!r} is quantised (ggml type {kind})", "use the f16 or f32 file of the model")
    array = file.array(_DTYPES[kind], shape, f"tensor {name!r}")
    return name, array[:, 0] if name in ("encoder.conv1.bias", "encoder.conv2.bias") and rank == 2 else array


def read(path: Path) -> Contents:
    """Read a ggml file with f16 or f32 tensors."""
    found: dict[str, Array] = {}
    with open_binary(path) as file:
        file.raw(len(MAGIC), "the magic")
        dims = _dims(file)
        check_dims(dims, path)
        mels, bins = file.numbers("2i", "the size of the mel filters")
        if (mels, bins) != (dims.n_mels, _FFT_BINS):
            die(f"{path}: the mel filters are {mels} x {bins}, expected {dims.n_mels} x {_FFT_BINS}")
        file.skip(mels * bins * 4, "the mel filters")
        vocabulary = _vocabulary(file, dims)
        while not file.at_end:
            name, array = _tensor(file)
            if name in found:
                die(f"{path}: tensor {name!r} is there twice")
            found[name] = array
    stock = FileTensors(path, found)
    tensors = {name: stock.take(name, shape) for name, shape in tensor_shapes(dims).items()}
    stock.done()
    return Contents(dims, tensors, vocabulary, (path,))
