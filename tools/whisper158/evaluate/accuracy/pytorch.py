# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The listener beside the runtime: OpenAI's code in PyTorch with the runtime's arithmetic and rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.evaluate.accuracy.listeners import Listener
from whisper158.model import blob

PACKAGE = Path(__file__).parents[2]
SOURCES = (
    *(f"evaluate/accuracy/{name}.py" for name in ("pytorch", "greedy", "listeners", "contexts")),
    *("evaluate/original.py", "evaluate/simulate.py"),
    *("model/weights.py", "model/ternary.py", "model/blob.py"),
)


@contextmanager
def through_pytorch(model: Path, context: AudioContext, threads: int, shaken: bool = False) -> Iterator[Listener]:
    """`shaken`: the last bit of each number of the spectrogram is left to chance. How often the text stays the same
    says how often what is not the same to the last bit can be expected to write the same text."""
    # Of an optional group of packages.
    import torch

    from whisper158.evaluate.accuracy.greedy import Simulated

    torch.set_num_threads(threads)
    yield Simulated.of(blob.read(model), context, shaken)


def source() -> bytes:
    """The code that decides what is heard, from the blob's bytes to the text."""
    return b"".join((PACKAGE / name).read_bytes() for name in SOURCES)
