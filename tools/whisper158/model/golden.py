# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The golden file: a small but complete blob that ties the writer here to the reader there.

It has the shape of a multilingual Whisper and nonsense for weights, and holds every dtype and packing, with one scale
to a row and with groups. It is the same, byte for byte, wherever it is made: the weights come from an integer generator
and what is between them and the file is exact, or rounded far below the last bit that is stored.
"""

import math
from itertools import count
from pathlib import Path

import numpy as np
import xxhash

from whisper158.model.blob import Array, Dtype, Packing
from whisper158.model.checkpoint import Checkpoint, Dims, tensor_shapes
from whisper158.model.pack import F16, HEAD, I8, T2, T5, Coding, Recipe, parts, write_parts
from whisper158.model.tokens import special_tokens

# GPT-2's order of the single bytes: what prints first. Then some of what byte-pair encoding makes of them.
PRINTING = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = [bytes([b]) for b in [*PRINTING, *(b for b in range(256) if b not in PRINTING)]]
MERGED = (
    b" t|he| a|in| the|re| w|on|er|ou| s|at|en| o|ll| and| hello| world|"
    b"\xc3\xa9|\xe2\x99| \xe2\x99| \xe2\x99\xaa| (| -| '|--|<<|>>"
).split(b"|")
VOCABULARY = (*BYTES, *MERGED)
LANGUAGES = 8
OTHER_SPECIALS = 1509
N_VOCAB = len(VOCABULARY) + LANGUAGES + OTHER_SPECIALS

DIMS = Dims(
    n_mels=80,
    n_audio_ctx=40,
    n_audio_state=64,
    n_audio_head=2,
    n_audio_layer=2,
    n_vocab=N_VOCAB,
    n_text_ctx=32,
    n_text_state=64,
    n_text_head=2,
    n_text_layer=2,
)

# Given out to the linear layers in turn, so placed that the large ones of the MLPs get the small codings.
CODINGS = (
    T2,
    I8,
    Coding(Dtype.I8, group=32),
    F16,
    Coding(Dtype.T158, Packing.T2, group=32),
    Coding(Dtype.T158, Packing.T4),
    Coding(Dtype.T158, Packing.T4, group=32),
    T5,
    Coding(Dtype.T158, Packing.T5, group=32),
    Coding(Dtype.T158, Packing.T5, group=64),
    Coding(Dtype.T158, Packing.T4, group=64),
)


def golden() -> Checkpoint:
    """The checkpoint that the golden file is packed from."""
    shapes = tensor_shapes(DIMS)
    return Checkpoint(
        name="golden",
        dims=DIMS,
        tensors={name: _weights(name, shape) for name, shape in shapes.items()},
        vocabulary=VOCABULARY,
        source="generated",
        sha256="0" * 64,
        licence="MIT",
    )


def recipe() -> Recipe:
    codings = dict(zip(_linears(), (CODINGS[i % len(CODINGS)] for i in count()), strict=False))
    return Recipe(
        coding={**codings, HEAD: Coding(Dtype.I8, group=32)}.__getitem__,
        activation_bits=8,
        min_audio_ctx=8,
        special=special_tokens(len(VOCABULARY), N_VOCAB, multilingual=True),
        provenance={"name": "golden", "format": "mixed", "source": "generated", "licence": "MIT"},
    )


def write_golden(path: Path) -> None:
    """Write the golden file. Raises UserError."""
    write_parts(path, parts(golden(), recipe()))


def _linears() -> list[str]:
    return [name for name, shape in tensor_shapes(DIMS).items() if ".blocks." in name and len(shape) == 2]


def _weights(name: str, shape: tuple[int, ...]) -> Array:
    """Evenly spread numbers of about the size that keeps activations near one."""
    uniform = _uniform(name, math.prod(shape)).reshape(shape)
    if name.endswith(("ln.weight", "ln_post.weight")):
        return (1 + 0.25 * uniform).astype(np.float32)
    if len(shape) == 1 or "embedding" in name:
        return (0.5 * uniform).astype(np.float32)
    return (uniform * math.sqrt(3 / math.prod(shape[1:]))).astype(np.float32)


def _uniform(name: str, n: int) -> Array:
    """`n` doubles in [-1, 1) that follow from the name: SplitMix64 (Steele, Lea, Flood 2014) seeded with its hash."""
    seed = np.uint64(xxhash.xxh64_intdigest(name.encode()))
    state = seed + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ state >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ state >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1
