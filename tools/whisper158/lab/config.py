# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a run of the laboratory is: configs/lab/*.yml, checked field by field."""

from dataclasses import dataclass, field
from pathlib import Path

from whisper158.errors import die
from whisper158.evaluate.accuracy import contexts
from whisper158.lab.activations import BITS, FLOATS
from whisper158.lab.calibration import Source
from whisper158.lab.grid import Grid, parse
from whisper158.lab.registry import METHODS
from whisper158.train import config as training

FLOAT = "float"  # as a method: nothing is rounded. As the head's weights: neither are they


@dataclass(frozen=True)
class Evaluation:
    """sets: as `model.evaluate --sets` takes them. clips: so many of each, from its beginning; 0 for all. context: what
    the encoder is given to hear, in calibration too."""

    sets: tuple[str, ...]
    clips: int = 0
    context: str = "full"


@dataclass(frozen=True)
class Speech:
    """The window that costs are stated for: so many seconds of audio, frames of the encoder, tokens of the decoder."""

    seconds: float = 30.0
    frames: int = 1500
    tokens: int = 100


@dataclass(frozen=True)
class Config:
    """Every model is quantised by every method to all of `weights` (w4g64a and so on, grid.py) with all numbers of
    activation bits; where a method has no codes of that kind, that is left out. head: of the token embedding."""

    models: tuple[str, ...]
    methods: tuple[str, ...]
    weights: tuple[str, ...]
    calibration: Source
    evaluation: Evaluation
    activations: tuple[int, ...] = (FLOATS,)
    head: str = "w8"
    speech: Speech = field(default_factory=Speech)
    out: str = "build/lab"

    @property
    def head_grid(self) -> Grid | None:
        return None if self.head == FLOAT else parse(self.head)


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


def read(path: Path) -> Config:
    """Raises UserError that names the file and the field."""
    config = training.parse(Config, training.content(path), str(path))
    for name in ("models", "methods", "weights", "activations"):
        if not getattr(config, name):
            die(f"{path}: {name}: there is none")
    for method in config.methods:
        if method not in METHODS:
            die(f"{path}: methods: {method!r} is none of {', '.join(METHODS)}")
    for bits in config.activations:
        if bits not in BITS:
            die(f"{path}: activations: {bits} is none of {', '.join(map(str, BITS))}")
    for word in (*config.weights, *([config.head] if config.head != FLOAT else [])):
        parse(word)
    if not config.evaluation.sets:
        die(f"{path}: evaluation.sets: there is none")
    if config.calibration.clips < 1:
        die(f"{path}: calibration.clips: is {config.calibration.clips}, must be at least 1")
    contexts.parse(config.evaluation.context)
    return config


def jobs(config: Config) -> list[Job]:
    """Of each model the float one first, for it is what the others are compared with."""
    found = []
    for model in dict.fromkeys(config.models):
        found.append(Job(model, FLOAT, "", FLOATS))
        found += [
            Job(model, method, weights, bits)
            for method in dict.fromkeys(config.methods)
            for weights in dict.fromkeys(config.weights)
            if parse(weights).kind in METHODS[method].kinds
            for bits in dict.fromkeys(config.activations)
        ]
    return found
