# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The golden file: a small but complete blob that ties the writer here to the reader there.

It has the shape of a multilingual Whisper and nonsense for weights, and holds every dtype and packing, with one scale
to a row and with groups. It is the same, byte for byte, wherever it is made: the weights come from an integer generator
and what is between them and the file is exact, or rounded far below the last bit that is stored.
"""

from itertools import count
from pathlib import Path

from whisper158.model.blob import Dtype, Packing
from whisper158.model.checkpoint import Checkpoint, Dims, tensor_shapes
from whisper158.model.pack import F16, HEAD, I8, T2, T5, Coding, Recipe, parts, write_parts
from whisper158.model.random import BYTES, MERGED, weights
from whisper158.model.tokens import special_tokens

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

# Those of 4 bits take the places of others that come again.
NIBBLES = {
    "decoder.blocks.1.attn.key.weight": Coding(Dtype.I4),
    "decoder.blocks.1.attn.value.weight": Coding(Dtype.U4, group=32),
    "decoder.blocks.1.cross_attn.key.weight": Coding(Dtype.I4, group=32),
    "decoder.blocks.1.cross_attn.value.weight": Coding(Dtype.U4),
    HEAD: Coding(Dtype.I4, group=32),
}


def golden() -> Checkpoint:
    """The checkpoint that the golden file is packed from."""
    shapes = tensor_shapes(DIMS)
    return Checkpoint(
        name="golden",
        dims=DIMS,
        tensors={name: weights(name, shape) for name, shape in shapes.items()},
        vocabulary=VOCABULARY,
        source="generated",
        sha256="0" * 64,
        licence="MIT",
    )


def recipe() -> Recipe:
    codings = dict(zip(_linears(), (CODINGS[i % len(CODINGS)] for i in count()), strict=False))
    return Recipe(
        coding={**codings, **NIBBLES}.__getitem__,
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
