# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Who listens: what all listeners are to the rest, and the runtime itself. Another one is in pytorch.py."""

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from whisper158.build import runtime
from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.evaluate.engine import Engine
from whisper158.model import blob
from whisper158.model.checkpoint import Dims

Samples = npt.NDArray[np.float32]
# The last is PyTorch too, but for the last bit of each number that it hears: pytorch.py.
Through = Literal["runtime", "pytorch", "shaken"]

# The normaliser is for English, so no model has to find out.
LANGUAGE = "en"
SHORTEST = len(fields(Dims))  # where min_audio_ctx stands in a blob's section config: behind the dimensions


@dataclass(frozen=True)
class Heard:
    """`repetition`: the text went in circles, and was cut there."""

    text: str
    repetition: bool


class Listener(Protocol):
    def hear(self, samples: Samples) -> Heard | None:
        """None where the listener cannot take such audio."""


class Runtime:
    def __init__(self, engine: Engine, context: AudioContext) -> None:
        self._engine = engine
        self._context = context

    def hear(self, samples: Samples) -> Heard:
        segments = self._engine.transcribe(samples, language=LANGUAGE, audio_context=self._context.frames)
        text = "".join(segment.text for segment in segments).strip()
        return Heard(text, any(segment.repetition for segment in segments))


@functools.cache
def library() -> Path:
    """The runtime's, brought up to date once."""
    return runtime.shared_library()


@contextmanager
def through_runtime(model: Path, context: AudioContext, threads: int) -> Iterator[Listener]:
    with tempfile.TemporaryDirectory() as folder:
        path = with_shortest(model, Path(folder), 1) if context.any_length else model
        with Engine(library(), path, threads=threads) as engine:
            yield Runtime(engine, context)


def with_shortest(model: Path, folder: Path, frames: int) -> Path:
    """A copy that claims to be good at all contexts from so many frames on, so that the runtime's AUTO gives them."""
    source = blob.read(model)
    config = source.array("config").copy()
    config[SHORTEST] = frames
    copy = folder / model.name
    arrays = (config if name == "config" else source.array(name) for name in source.sections)
    blob.write(copy, list(source.sections.values()), arrays)
    return copy
