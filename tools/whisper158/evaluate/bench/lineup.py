# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Who takes part: our blobs and the peers, each with one model, format, audio context and number of threads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from whisper158.errors import die
from whisper158.evaluate.bench.ggml_file import KINDS
from whisper158.model import random
from whisper158.model.fetch import MODELS
from whisper158.units import FRAMES_PER_SECOND, TILE, WINDOW_FRAMES

OURS, WHISPERCPP, CTRANSLATE2 = "whisper158", "whisper.cpp", "faster-whisper"
# What the others are compared with, and the formats of ours in the order in which they are shown.
REFERENCE = "t158"
SMALLEST = "t158i4"
OUR_FORMATS = (REFERENCE, SMALLEST, "q8")
PEERS = (*KINDS, "int8")
# Ours and CTranslate2 have code for AVX-512, which whisper.cpp's package is not built for. Where the processor has it,
# both take part a second time, kept to AVX2.
AVX2 = "-avx2"

FULL = WINDOW_FRAMES


@dataclass(frozen=True)
class Contestant:
    engine: str
    model: str  # as it was asked for: small
    format: str
    context: int
    threads: int

    @property
    def checkpoint(self) -> str:
        return checkpoint(self.model)

    @property
    def packing(self) -> str:
        """The format, without what the code is kept to."""
        return self.format.removesuffix(AVX2)

    @property
    def key(self) -> str:
        return f"{self.checkpoint} {self.engine} {self.format} context {self.context} threads {self.threads}"

    def __str__(self) -> str:
        return f"{self.model} {self.engine} {self.format}, {self.context} frames"


def checkpoint(model: str) -> str:
    """Real weights where there are any, else made-up ones of the same shape."""
    if model in MODELS or model in random.NAMES:
        return model
    if (name := f"{random.PREFIX}{model}") in random.NAMES:
        return name
    known = [*MODELS, *(name.removeprefix(random.PREFIX) for name in random.NAMES if name not in MODELS)]
    die(f"there is no model {model!r} to measure", f"the models are {', '.join(dict.fromkeys(known))}")


def fitted(seconds: float) -> int:
    """The frames that `seconds` of audio fill."""
    return min(FULL, TILE * math.ceil(seconds * FRAMES_PER_SECOND / TILE))


def lineup(
    models: Sequence[str], peers: Sequence[str], seconds: float, threads: Sequence[int], wide: bool
) -> list[Contestant]:
    """The first number of threads is the one at which all are compared; at the others only ours are measured.

    `wide` says whether the processor has AVX-512.
    """
    everyone = []
    ours = (*OUR_FORMATS, f"{REFERENCE}{AVX2}") if wide else OUR_FORMATS
    theirs = (*peers, f"int8{AVX2}") if wide and "int8" in peers else peers
    for model in models:
        for context in dict.fromkeys((FULL, fitted(seconds))):
            everyone += [Contestant(OURS, model, form, context, threads[0]) for form in ours]
            everyone += [
                Contestant(WHISPERCPP if peer in KINDS else CTRANSLATE2, model, peer, context, threads[0])
                for peer in theirs
            ]
        everyone += [Contestant(OURS, model, REFERENCE, FULL, more) for more in threads[1:]]
    return everyone
