# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a run of the laboratory is: configs/lab/*.yml, checked field by field."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from whisper158.errors import UserError, die
from whisper158.evaluate.accuracy import contexts
from whisper158.lab import registry
from whisper158.lab.activations import BITS, FLOATS
from whisper158.lab.calibration import Source
from whisper158.lab.cost import Window
from whisper158.lab.grid import parse
from whisper158.lab.job import FLOAT, Job, Terms
from whisper158.train import config as training
from whisper158.units import WINDOW_FRAMES, WINDOW_SECONDS


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


# What there can be in a window, and the seeds that every generator takes.
BOUNDS = {
    "Speech.seconds": (0.02, WINDOW_SECONDS),
    "Speech.frames": (1, WINDOW_FRAMES),
    "Speech.tokens": (1, 448),
    "Source.seed": (0, 2**32 - 1),
}


@dataclass(frozen=True)
class Part:
    """Every method with all of `weights` and of `activations`."""

    methods: tuple[str, ...]
    weights: tuple[str, ...]
    activations: tuple[int, ...] = (FLOATS,)


@dataclass(frozen=True)
class Config:
    """Every model is quantised by every method (registry.py) to all of `weights` (w4g64a and so on, grid.py) with all
    numbers of activation bits; where a method has no codes of that kind, that is left out. also: what is made
    afterwards, part by part. head: of the token embedding."""

    models: tuple[str, ...]
    methods: tuple[str, ...]
    weights: tuple[str, ...]
    calibration: Source
    evaluation: Evaluation
    activations: tuple[int, ...] = (FLOATS,)
    also: tuple[Part, ...] = ()
    head: str = "w8"
    speech: Speech = field(default_factory=Speech)
    out: str = "build/lab"

    @property
    def parts(self) -> list[Part]:
        return [Part(self.methods, self.weights, self.activations), *self.also]

    @property
    def terms(self) -> Terms:
        speech = Window(self.speech.frames, self.speech.tokens, self.speech.seconds)
        return Terms(self.calibration.seed, self.head, self.evaluation.context, speech)


def read(path: Path) -> Config:
    """Raises UserError that names the file and the field."""
    config = training.parse(Config, training.content(path), str(path))
    if not config.models:
        die(f"{path}: models: there is none")
    for part in config.parts:
        check(part, path)
    if config.head != FLOAT:
        named(f"{path}: head", parse, config.head)
    if not config.evaluation.sets:
        die(f"{path}: evaluation.sets: there is none")
    if config.calibration.clips < 1:
        die(f"{path}: calibration.clips: is {config.calibration.clips}, must be at least 1")
    training.bounded(config, f"{path}: ", BOUNDS)
    contexts.parse(config.evaluation.context, f"{path}: evaluation.context:")
    return config


def check(part: Part, path: Path) -> None:
    for name in ("methods", "weights", "activations"):
        if not getattr(part, name):
            die(f"{path}: {name}: there is none")
    for method in part.methods:
        named(f"{path}: methods", registry.options, method)
    for bits in part.activations:
        if bits not in BITS:
            die(f"{path}: activations: {bits} is none of {', '.join(map(str, BITS))}")
    for word in part.weights:
        named(f"{path}: weights", parse, word)


def named(where: str, check: Callable[[str], object], word: str) -> None:
    """Has what is wrong with a word begin with where that stands."""
    try:
        check(word)
    except UserError as error:
        die(f"{where}: {error.message}", error.hint)


def jobs(config: Config) -> list[Job]:
    """Of each model the float one first, for it is what the others are compared with."""
    found = []
    for model in config.models:
        found.append(Job(model, FLOAT, "", FLOATS))
        found += [job for part in config.parts for job in of_part(part, model)]
    return list(dict.fromkeys(found))


def of_part(part: Part, model: str) -> Iterator[Job]:
    for method in part.methods:
        kinds = registry.method(method).kinds
        for weights in part.weights:
            if parse(weights).kind in kinds:
                yield from (Job(model, method, weights, bits) for bits in part.activations)
