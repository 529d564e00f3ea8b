# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The results as a picture: for each model, time to encode, time for a token, and memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from whisper158.evaluate import drawing
from whisper158.evaluate.bench.lineup import CTRANSLATE2, OURS, WHISPERCPP
from whisper158.evaluate.bench.results import Entry, Results, models_of

COLOURS = {OURS: "#1b7f4b", WHISPERCPP: "#8a8f98", CTRANSLATE2: "#4a6fa5"}
PANELS: tuple[tuple[str, Callable[[Entry], float]], ...] = (
    ("encode, ms of processor", lambda entry: 1e3 * entry.best("encode")),
    ("one token, ms of processor", lambda entry: 1e3 * entry.best("token")),
    ("peak RSS less what was there before the model, MB", lambda entry: (entry.peak_rss - entry.base_rss) / 1e6),
)


def draw(results: Results, stem: Path) -> list[Path]:
    """Writes STEM.svg and STEM.png."""
    # Of the optional group of packages.
    from matplotlib.figure import Figure

    models = models_of(results.entries)
    rows = [[entry for entry in results.entries if entry.contestant.model == model] for model in models]
    heights = [len(entries) for entries in rows]
    figure: Any = Figure(figsize=(15, 0.28 * sum(heights) + 1.2 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(PANELS), squeeze=False, sharey="row", height_ratios=heights)
    for line, entries in zip(axes, rows, strict=True):
        for axis, (title, value) in zip(line, PANELS, strict=True):
            bars(axis, entries, [value(entry) for entry in entries])
            axis.set_title(f"{entries[0].contestant.model}: {title}", loc="left", fontsize=9)
    figure.supxlabel(f"{results.machine['cpu']}, one thread unless stated", fontsize=8)
    return drawing.save(figure, stem)


def bars(axis: Any, entries: list[Entry], values: list[float]) -> None:
    labels = [label(entry) for entry in entries]
    drawn = axis.barh(range(len(entries)), values, color=[COLOURS[entry.contestant.engine] for entry in entries])
    axis.bar_label(drawn, [f"{v:.0f}" if v >= 100 else f"{v:.3g}" for v in values], fontsize=7, padding=2)
    axis.set_yticks(range(len(entries)), labels, fontsize=7)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.tick_params(axis="x", labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)


def label(entry: Entry) -> str:
    c = entry.contestant
    threads = f", {c.threads} threads" if c.threads > 1 else ""
    return f"{c.engine} {c.format}, {c.context} frames{threads}"
