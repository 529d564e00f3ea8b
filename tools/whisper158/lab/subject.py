# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A model that a cell is made of, whatever its family: how it is calibrated, what it costs, and what it says."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from whisper158.evaluate.accuracy.cells import Said
from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.evaluate.accuracy.sets import Utterance
from whisper158.lab.codes import Weight
from whisper158.lab.cost import Cost, Window
from whisper158.lab.grid import Grid
from whisper158.lab.method import Layer
from whisper158.lab.stage import Flow, Model


class Subject(ABC):
    """Holds a copy of the weights, which a method changes in place.

    model: its stages and streams. sha256: of all that decides what the model is, weights and words among it.
    """

    model: Model
    sha256: str

    @abstractmethod
    def __init__(self, name: str) -> None:
        """name: as configurations have it. Raises UserError where there is none."""

    @abstractmethod
    def flows(self, clips: Sequence[Utterance], context: AudioContext) -> list[Flow]:
        """Each clip's first window as it enters the first stage, with the text that is said in it."""

    @abstractmethod
    def quantise_head(self, grid: Grid) -> Weight:
        """Rounds the token embedding, in place, at both of its ends."""

    @abstractmethod
    def cost(self, layers: Mapping[str, Layer], head: Weight | None, window: Window) -> Cost:
        """Layers that are not in `layers`, and a head that is None, are in floats."""

    @abstractmethod
    def hear(self, clips: Sequence[Utterance], context: AudioContext) -> list[Said]:
        """What the model, as it is now, says: greedy."""
