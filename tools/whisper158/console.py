# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What people see while they wait: all of it on stderr, so that stdout stays what was asked for."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")

console = Console(stderr=True, highlight=False, soft_wrap=True)

# What is over sooner than this need not be told.
NOTICEABLE = 1.0


def say(text: str) -> None:
    console.print(text, markup=False)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Shows on a terminal that `text` is going on, and says afterwards how long it took if that was noticeable."""
    began = time.monotonic()
    with console.status(text):
        yield
    seconds = time.monotonic() - began
    if seconds >= NOTICEABLE:
        say(f"{text} ({duration(seconds)})")


def track(items: Sequence[T], text: str) -> Iterator[T]:
    """`items`, one after the other: with a bar on a terminal, else with a line at every twentieth of the way."""
    if not console.is_terminal:
        yield from _told(items, text)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        yield from progress.track(items, description=text)


def _told(items: Sequence[T], text: str) -> Iterator[T]:
    began = time.monotonic()
    marks = {len(items) * part // 20 for part in range(1, 20)} - {0}
    for number, item in enumerate(items):
        if number in marks:
            say(f"{text}: {number} of {len(items)} after {duration(time.monotonic() - began)}")
        yield item


def duration(seconds: float) -> str:
    """`seconds` as a person would say it: 4.2 s, 3 min 07 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"
