# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A run's log as a picture: losses above, word error rate below, over steps."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from whisper158.evaluate.drawing import save

SMOOTHED = 15  # entries of the log
UNHEARD = "unheard.kl"
DRAWN = ("encoder", "encoder.out", "decoder", "kl", "label")


def plot(folder: Path) -> Path:
    """Draws folder/log.jsonl into folder/run.svg and run.png; returns the latter."""
    from matplotlib.figure import Figure

    entries = read(folder / "log.jsonl")
    figure = Figure(figsize=(9, 7), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    for name in DRAWN:
        holding = [entry for entry in entries if name in entry]
        if holding:
            above.plot([e["step"] for e in holding], smooth([e[name] for e in holding]), label=name)
    unheard = [entry for entry in entries if UNHEARD in entry]
    if unheard:
        above.plot([e["step"] for e in unheard], [e[UNHEARD] for e in unheard], "k.", label="kl, unheard clips")
    above.set(yscale="log", ylabel="loss")
    if above.lines:
        above.legend()
    watched = [entry for entry in entries if "wer" in entry]
    steps = [entry["step"] for entry in watched]
    below.plot(steps, [100 * entry["wer"] for entry in watched], marker=".")
    below.fill_between(steps, [100 * e["low"] for e in watched], [100 * e["high"] for e in watched], alpha=0.2)
    below.set(xlabel="step", ylabel="dev WER, %", ylim=(0, 100))
    for border in stages(entries):
        above.axvline(border, color="grey", linewidth=0.5)
        below.axvline(border, color="grey", linewidth=0.5)
    return save(figure, folder / "run")[-1]


def read(path: Path) -> list[dict[str, Any]]:
    """The entries in the order of their steps; of a step that was taken again after a resume, the last."""
    by_place: dict[tuple[int, bool], dict[str, Any]] = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        by_place[entry["step"], "wer" in entry] = entry
    return [by_place[place] for place in sorted(by_place) if "stage" in by_place[place]]


def smooth(values: Sequence[float]) -> list[float]:
    """Means over the last entries"""
    return [
        sum(values[max(0, i + 1 - SMOOTHED) : i + 1]) / len(values[max(0, i + 1 - SMOOTHED) : i + 1])
        for i in range(len(values))
    ]


def stages(entries: Sequence[dict[str, Any]]) -> list[int]:
    """The steps at which a stage ends and another begins"""
    return [before["step"] for before, after in pairwise(entries) if before["stage"] != after["stage"]]
