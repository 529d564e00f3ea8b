# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What one cell of a grid is made of, in words and numbers."""

from dataclasses import dataclass

from whisper158.lab.cost import Window
from whisper158.lab.grid import Grid, parse

FLOAT = "float"  # as a method: nothing is rounded. As the head's weights: neither are they


@dataclass(frozen=True)
class Job:
    """One cell of the grid. The float model has no weights' name, and 16 bits of activations."""

    model: str
    method: str
    weights: str
    activations: int

    def __str__(self) -> str:
        how = f"{self.method} {self.weights} a{self.activations}" if self.weights else self.method
        return f"{self.model} {how}"


@dataclass(frozen=True)
class Terms:
    """What all cells of a run have in common. head: the grid of the token embedding, None for floats. context: what
    the encoder is given to hear, in calibration too. speech: the window that costs are stated for."""

    seed: int
    head: str
    context: str
    speech: Window

    @property
    def head_grid(self) -> Grid | None:
        return None if self.head == FLOAT else parse(self.head)
