# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The results as a picture: for each set, error rates, or where nobody speaks, words in a minute, with intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whisper158.evaluate import drawing
from whisper158.evaluate.accuracy.results import HOW, Results, Row

COLOURS = ("#1b7f4b", "#4a6fa5", "#b3632d", "#8a8f98", "#7a4ea3", "#a33a52")
COLUMNS = 2


def draw(results: Results, stem: Path) -> list[Path]:
    """Writes STEM.svg and STEM.png."""
    # Of an optional group of packages.
    from matplotlib.figure import Figure

    panels = [results.of(one.name) for one in results.sets]
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    tallest = max(map(len, panels))
    figure: Any = Figure(figsize=(8 * columns, lines * (1.2 + 0.3 * tallest)), layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    names = [model.name for model in results.models]
    for axis, rows in zip(axes, panels, strict=False):
        panel(axis, rows, names)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    return drawing.save(figure, stem)


def panel(axis: Any, rows: Sequence[Row], models: Sequence[str]) -> None:
    values = [bar(row) for row in rows]
    middles = [middle for _, middle, _ in values]
    # The bootstrap's bounds may, with very few clips, leave the value outside.
    errors = [[max(m - low, 0) for low, m, _ in values], [max(high - m, 0) for _, m, high in values]]
    colours = [COLOURS[models.index(row.place.model.name) % len(COLOURS)] for row in rows]
    drawn = axis.barh(range(len(rows)), middles, xerr=errors, color=colours, error_kw={"elinewidth": 1, "capsize": 2})
    axis.bar_label(drawn, [f"{value:.3g}" for value in middles], fontsize=7, padding=3)
    axis.set_yticks(range(len(rows)), list(map(label, rows)), fontsize=7)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set_xlim(left=0)
    axis.tick_params(axis="x", labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    unit = "WER, %" if rows[0].figures.score else "words where nobody speaks, per minute"
    axis.set_title(f"{rows[0].place.set.name}: {unit}", loc="left", fontsize=9)


def bar(row: Row) -> tuple[float, float, float]:
    """Lower bound, value, upper bound."""
    score, made_up = row.figures.score, row.figures.made_up
    if score:
        return 100 * score.low, 100 * score.rate, 100 * score.high
    return (made_up.low, made_up.per_minute, made_up.high) if made_up else (0.0, 0.0, 0.0)


def label(row: Row) -> str:
    place = row.place
    return f"{place.model.name}, {place.context.name}{HOW[place.through]}"
