# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the peers' own processes measure themselves with. Only the standard library, so that it adds no memory of note.

What is printed has the form that `whisper158 bench --json` has, as far as it is used.
"""

import array
import json
import sys
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# As in runtime/cli/measure.c.
STAGES = ("mel", "encode", "prompt", "tokens")
PROMPT = 4


@dataclass(frozen=True)
class Task:
    """What one process has to do. `context` is in frames of 20 ms; 0 leaves it to the peer, which takes all 1500."""

    model: str
    audio: str
    context: int
    tokens: int
    threads: int
    repeats: int


@dataclass(frozen=True)
class Taken:
    cpu: float
    wall: float


def task_from_arguments() -> Task:
    model, audio, *numbers = sys.argv[1:]
    return Task(model, audio, *map(int, numbers))


def taken(action: Callable[[], object]) -> Taken:
    """The time that `action` takes; the processor's is that of all threads."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return Taken(time.process_time() - cpu, time.perf_counter() - wall)


def samples(path: str) -> "array.array[float]":
    """A WAV file of 16 bits as floats."""
    with wave.open(path) as file:
        codes = array.array("h", file.readframes(file.getnframes()))
    return array.array("f", (code / 32768 for code in codes))


def rss(field: str) -> int:
    """Bytes; `field` is VmHWM, the most there ever were, or VmRSS."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def answer(load: Taken, rounds: list[dict[str, Taken]], base_rss: int, about: dict[str, Any]) -> None:
    """Prints the least of each figure."""

    def least(stage: str) -> dict[str, float]:
        return {clock: min(getattr(taken[stage], clock) for taken in rounds) for clock in ("cpu", "wall")}

    print(
        json.dumps(
            {
                "load": vars(load),
                "stages": {stage: {"min": least(stage)} for stage in STAGES},
                "memory": {"peak_rss": rss("VmHWM"), "base_rss": base_rss},
                "about": about,
            }
        )
    )
