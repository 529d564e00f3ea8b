# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How a run goes on, live on a terminal and as a line now and then elsewhere."""

import time
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from whisper158.console import console, duration, say
from whisper158.evaluate.wer import Score

SMOOTH = 0.95
LINE_SECONDS = 30.0


class Progress:
    """`shown` is false in all processes but one."""

    def __init__(self, step: int, end: int, shown: bool) -> None:
        self._began, self._first, self._end = time.monotonic(), step, end
        self._shown, self._said = shown, time.monotonic()
        self._loss: dict[str, float] = {}
        self._wer = ""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=console, disable=not (shown and console.is_terminal))
        self._task = self._bar.add_task("", total=end, completed=step)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def watched(self, score: Score) -> None:
        self._wer = f" dev WER {score.rate:.1%}"

    def show(self, step: int, stage: str, measures: dict[str, float]) -> None:
        if not self._shown:
            return
        for name in ("loss", "encoder", "decoder", "kl", "label"):
            if name in measures:
                old = self._loss.get(name, measures[name])
                self._loss[name] = SMOOTH * old + (1 - SMOOTH) * measures[name]
        parts = " ".join(f"{name} {value:.3f}" for name, value in self._loss.items() if name in measures)
        text = f"{stage}: {parts}{self._wer}"
        self._bar.update(self._task, completed=step, description=text)
        if not console.is_terminal and time.monotonic() - self._said > LINE_SECONDS:
            self._said = time.monotonic()
            left = (self._end - step) * (self._said - self._began) / max(1, step - self._first)
            say(f"step {step} of {self._end}, {text}; {duration(left)} left")
