# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Moonshine as cells are made of it: heard greedily, with at most 6.5 tokens for a second of audio, as its authors' own
code does."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from whisper158.evaluate.accuracy.cells import Said
from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.evaluate.accuracy.sets import Utterance
from whisper158.lab.codes import Weight
from whisper158.lab.cost import Cost, Window
from whisper158.lab.families import moonshine as family
from whisper158.lab.families import moonshine_cost
from whisper158.lab.families.moonshine import MoonshineModel
from whisper158.lab.families.moonshine_checkpoint import load
from whisper158.lab.families.moonshine_network import Moonshine, Past
from whisper158.lab.grid import Grid
from whisper158.lab.method import Layer
from whisper158.lab.stage import Flow
from whisper158.lab.subject import Subject

SAMPLES_PER_SECOND = moonshine_cost.SAMPLES_PER_SECOND
TOKENS_PER_SECOND = 6.5
# What the authors' code takes.
SHORTEST, LONGEST = 0.1, 64.0
SILENCE = 1 / 65536

Samples = npt.NDArray[np.float32]


class MoonshineSubject(Subject):
    """It hears a clip as long as it is, so contexts mean nothing to it."""

    model: MoonshineModel

    def __init__(self, name: str) -> None:
        self.checkpoint = load(name)
        self.model = family.model(self.checkpoint)
        self.sha256 = self.checkpoint.sha256

    def flows(self, clips: Sequence[Utterance], context: AudioContext) -> list[Flow]:
        first, words = self.checkpoint.first, self.checkpoint.words
        found = []
        for clip in clips:
            samples = clip.load()[: int(LONGEST * SAMPLES_PER_SECOND)]
            heard = np.pad(samples, (0, max(0, int(SHORTEST * SAMPLES_PER_SECOND) - len(samples))))
            found.append(family.flow(self.model, torch.from_numpy(heard), [first, *words.encode(clip.text)]))
        return found

    def quantise_head(self, grid: Grid) -> Weight:
        return family.quantise_head(self.model, grid)

    def cost(self, layers: Mapping[str, Layer], head: Weight | None, window: Window) -> Cost:
        return moonshine_cost.cost(self.model.dims, layers, head, window)

    def hear(self, clips: Sequence[Utterance], context: AudioContext) -> list[Said]:
        return [self._hear(clip.id, clip.load()) for clip in clips]

    def _hear(self, id: str, samples: Samples) -> Said:
        seconds = len(samples) / SAMPLES_PER_SECOND
        if seconds > LONGEST:
            return Said(id, None, False)
        if seconds < SHORTEST or np.abs(samples).max() < SILENCE:
            return Said(id, "", False)
        limit = math.ceil(seconds * TOKENS_PER_SECOND)
        tokens = greedy(self.model.moonshine, samples, self.checkpoint.first, self.checkpoint.last, limit)
        return Said(id, self.checkpoint.words.decode(tokens), False)


@torch.no_grad()
def greedy(model: Moonshine, samples: Samples, first: int, last: int, limit: int) -> list[int]:
    """The most probable token, again and again, until `last`, or for `limit` times."""
    audio = model.encoder(torch.from_numpy(samples))
    pasts = [Past() for _ in model.decoder.layers]
    said: list[int] = []
    token = first
    while len(said) < limit:
        token = int(model.decoder(torch.tensor([[token]]), audio, pasts)[0, -1].argmax())
        if token == last:
            break
        said.append(token)
    return said
