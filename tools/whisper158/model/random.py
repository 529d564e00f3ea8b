# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Checkpoints with made-up weights: the shape of a real model, nonsense for content.

What a model costs in time and memory follows from its shape, not from its values. These are the same, bit for bit,
wherever they are made, and take no download. load() knows them by the names in NAMES, such as random-small, so
random-small-t158 is a model like any other.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import xxhash

from whisper158.model.checkpoint import Array, Checkpoint, Dims, tensor_shapes

PREFIX = "random-"

# Width, heads and layers of each side.
_SIZES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"tiny": (384, 6, 4), "base": (512, 8, 6), "small": (768, 12, 12)}
)
NAMES = tuple(f"{PREFIX}{size}{suffix}" for size in _SIZES for suffix in ("", ".en"))

# GPT-2's order of the single bytes: what prints first. Then some of what byte-pair encoding makes of them.
PRINTING = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = [bytes([b]) for b in [*PRINTING, *(b for b in range(256) if b not in PRINTING)]]
MERGED = (
    b" t|he| a|in| the|re| w|on|er|ou| s|at|en| o|ll| and| hello| world|"
    b"\xc3\xa9|\xe2\x99| \xe2\x99| \xe2\x99\xaa| (| -| '|--|<<|>>"
).split(b"|")


def checkpoint(name: str) -> Checkpoint:
    """The made-up checkpoint of a name in NAMES."""
    dims = shape_of(name.removeprefix(PREFIX))
    return Checkpoint(
        name=name,
        dims=dims,
        tensors={tensor: _stored(tensor, shape) for tensor, shape in tensor_shapes(dims).items()},
        vocabulary=_vocabulary(dims.eot),
        source="made up",
        sha256="0" * 64,
        licence="MIT",
    )


def shape_of(model: str) -> Dims:
    """The dimensions of OpenAI's model `model`: tiny.en, tiny, base.en, base, small.en or small."""
    size, _, english = model.partition(".")
    width, heads, layers = _SIZES[size]
    return Dims(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=width,
        n_audio_head=heads,
        n_audio_layer=layers,
        n_vocab=51864 if english else 51865,
        n_text_ctx=448,
        n_text_state=width,
        n_text_head=heads,
        n_text_layer=layers,
    )


def weights(name: str, shape: tuple[int, ...]) -> Array:
    """Evenly spread numbers of about the size that keeps activations near one."""
    values = uniform(name, math.prod(shape)).reshape(shape)
    if name.endswith(("ln.weight", "ln_post.weight")):
        return (1 + 0.25 * values).astype(np.float32)
    if len(shape) == 1 or "embedding" in name:
        return (0.5 * values).astype(np.float32)
    return (values * math.sqrt(3 / math.prod(shape[1:]))).astype(np.float32)


def uniform(name: str, n: int) -> Array:
    """`n` doubles in [-1, 1) that follow from the name: SplitMix64 (Steele, Lea, Flood 2014) seeded with its hash."""
    seed = np.uint64(xxhash.xxh64_intdigest(name.encode()))
    state = seed + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ state >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ state >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1


def _stored(name: str, shape: tuple[int, ...]) -> Array:
    """As OpenAI publishes them: matrices in 16 bits."""
    return weights(name, shape).astype(np.float16 if len(shape) > 1 else np.float32)


def _vocabulary(size: int) -> tuple[bytes, ...]:
    """Of the size of a real one, so that it takes as much room; most of it are words that nobody says."""
    known = (*BYTES, *MERGED)
    return (*known, *(b" w%05d" % i for i in range(len(known), size)))
