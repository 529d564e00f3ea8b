# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a training run has cost, stage by stage, from its log."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from whisper158.errors import die
from whisper158.train import plot

HEADER = """| stage | steps | median s/step | hours | speech heard | dev WER at its end |
|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Cost:
    """Of a stage: seconds and hours of the clock; speech in hours, each time counted that a step hears it."""

    stage: str
    first: int
    last: int
    median: float
    hours: float
    speech: float
    wer: float | None

    def __str__(self) -> str:
        wer = "" if self.wer is None else f"{self.wer:.1%}"
        steps = f"{self.first} to {self.last}"
        return f"| {self.stage} | {steps} | {self.median:.2f} | {self.hours:.2f} | {self.speech:.0f} h | {wer} |"


def table(run: str) -> str:
    """Markdown, of the run in the folder `run`."""
    log = Path(run) / "log.jsonl"
    if not log.is_file():
        die(f"{run or 'model.costs'}: there is no log.jsonl", "./inv model.costs FOLDER, the folder of a training run")
    try:
        stages = costs(plot.read(log))
    except (ValueError, KeyError, TypeError) as error:
        die(f"{log}: not the log of a training run ({error})")
    total = f"| all | | | {sum(c.hours for c in stages):.2f} | {sum(c.speech for c in stages):.0f} h | |"
    return "\n".join([HEADER, *map(str, stages), total])


def costs(entries: Sequence[dict[str, Any]]) -> list[Cost]:
    """Of each stage in turn. An entry in ten is logged, so sums take it for the others. Of steps that were taken again
    after another attempt or a resume, the last time counts."""
    taken = [entry for entry in entries if "seconds" in entry]
    watched = [entry for entry in entries if "wer" in entry]
    return [_cost(name, list(group), watched) for name, group in groupby(taken, lambda entry: str(entry["stage"]))]


def _cost(stage: str, steps: Sequence[dict[str, Any]], watched: Sequence[dict[str, Any]]) -> Cost:
    first, last = steps[0]["step"], steps[-1]["step"]
    rates = [entry["wer"] for entry in watched if entry["stage"] == stage and first <= entry["step"] <= last]
    hours = (last - first + 1) / len(steps) / 3600
    return Cost(
        stage,
        first,
        last,
        median(entry["seconds"] for entry in steps),
        hours * sum(entry["seconds"] for entry in steps),
        hours * sum(entry["heard"] for entry in steps),
        rates[-1] if rates else None,
    )
