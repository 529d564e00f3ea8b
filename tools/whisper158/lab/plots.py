# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The pictures of a report: error rates against what they cost, and what each layer loses."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from whisper158.evaluate.wer import Score
from whisper158.lab.job import FLOAT, Job

# Of methods; the first are distinguishable by most who see colours differently (Okabe and Ito). There is one for every
# method, and some for those that a grid sets otherwise.
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a4ea3", "#000000", "#8a6d3b", "#999933"),
    *("#a5002a", "#00695c", "#5c6bc0", "#9e9e9e", "#ff6f91", "#33691e"),
)
# Of weights' bits.
SHAPES = {"8": "s", "4": "o", "3": "D", "2": "v", "t": "*"}
# Error rates above so many times the float model's are drawn at the edge, with their number.
WORTH = 2.5
# Costs that are this near one another are drawn side by side, within so much of where they are.
NEAR, APART, SPREAD = 1.015, 1.02, 1.1
LEAST_LOSS, MOST_LOSS = 1e-3, 1.0


@dataclass(frozen=True)
class Axis:
    """What it costs to hear: the name in `Point.costs`, the unit's size, and what stands below the axis."""

    cost: str
    unit: float
    label: str


AXES = (
    Axis("model_bytes", 1e6, "model in memory, MB"),
    Axis("memory", 1e9, "memory traffic, GB for 1 s of audio"),
    Axis("bitops", 1e12, "bit operations, 10¹² for 1 s of audio"),
)


@dataclass(frozen=True, eq=False)
class Point:
    job: Job
    costs: Mapping[str, float]
    score: Score

    def at(self, axis: Axis) -> tuple[float, float]:
        return self.costs[axis.cost] / axis.unit, 100 * self.score.rate

    @property
    def name(self) -> str:
        return f"{self.job.method} {self.job.weights} a{self.job.activations}" if self.job.weights else FLOAT


def front(points: Sequence[Point], axis: Axis) -> list[Point]:
    """Those that no other is as good as in one coordinate and better than in the other; the cheapest first"""
    best = [p for p in points if not any(beats(q.at(axis), p.at(axis)) for q in points)]
    return sorted(best, key=lambda point: point.at(axis))


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def costs(sets: Mapping[str, Sequence[Point]]) -> str:
    """An SVG: a row of panels for every set, by its name"""
    from matplotlib.figure import Figure

    points = [point for each in sets.values() for point in each]
    methods = list(dict.fromkeys(point.job.method for point in points if point.job.method != FLOAT))
    colours = {method: COLOURS[i % len(COLOURS)] for i, method in enumerate(methods)}
    figure: Any = Figure(figsize=(6.6 * len(AXES), 6.0 * len(sets) + 0.9), layout="constrained")
    axes = figure.subplots(len(sets), len(AXES), squeeze=False)
    for row, (name, own) in zip(axes, sets.items(), strict=True):
        for panel, axis in zip(row, AXES, strict=True):
            draw(panel, own, axis, colours)
            panel.set_ylabel(f"{name}: word error rate, %")
    figure.legend(handles=legend(colours, points), loc="outside lower center", ncols=9, frameon=False, fontsize=10)
    return svg(figure)


def draw(panel: Any, points: Sequence[Point], axis: Axis, colours: Mapping[str, str]) -> None:
    floats = [point for point in points if point.job.method == FLOAT]
    top = ceiling(points)
    for point in floats:
        panel.axhspan(100 * point.score.low, 100 * point.score.high, color="#000000", alpha=0.06, linewidth=0)
        panel.axhline(100 * point.score.rate, color="#444444", linewidth=1, linestyle="--")
        panel.plot(*point.at(axis), marker="P", color="#444444", markersize=8, linestyle="")
    quantised = [point for point in points if point.job.method != FLOAT]
    x = side_by_side([point.at(axis)[0] for point in quantised])
    for point, at in zip(quantised, x, strict=True):
        mark(panel, point, at, colours[point.job.method], top)
    best = [point for point in front(points, axis) if point.at(axis)[1] <= top]
    panel.step(*zip(*(point.at(axis) for point in best), strict=True), where="post", color="#bbbbbb", zorder=0)
    shown = dict(zip(quantised, x, strict=True))
    for number, point in enumerate(best, 1):
        at = shown.get(point, point.at(axis)[0])
        panel.annotate(f"{number}", (at, 100 * point.score.rate), (5, 5), textcoords="offset points", fontsize=9)
    # Names would lie upon one another there; above the costly end there is room.
    names = "\n".join(f"{number} {point.name}" for number, point in enumerate(best, 1))
    panel.text(0.985, 0.93, names, transform=panel.transAxes, ha="right", va="top", fontsize=9)
    panel.set_xscale("log")
    ticks(panel, [*x, *(point.at(axis)[0] for point in floats)])
    panel.set_xlabel(axis.label)
    panel.set_ylim(0.8 * min(100 * point.score.low for point in points), top * 1.06)
    panel.grid(alpha=0.25)


def side_by_side(values: Sequence[float]) -> list[float]:
    """Where to draw each, so that what costs the same is seen next to each other"""
    drawn = list(values)
    row: list[int] = []
    for i in [*sorted(range(len(values)), key=values.__getitem__), None]:
        if i is not None and (not row or values[i] <= NEAR * values[row[0]]):
            row.append(i)
            continue
        step = min(APART, SPREAD ** (2 / len(row))) if row else 1.0
        for place, each in enumerate(sorted(row)):
            drawn[each] = values[each] * step ** (place - (len(row) - 1) / 2)
        row = [] if i is None else [i]
    return drawn


def ceiling(points: Sequence[Point]) -> float:
    """Of the axis: what is far worse than floats says no more by being seen to be"""
    most = max(100 * point.score.high for point in points)
    floats = [100 * point.score.rate for point in points if point.job.method == FLOAT]
    return max(min([most, *(WORTH * rate for rate in floats if rate)]), 1.0)


def mark(panel: Any, point: Point, x: float, colour: str, top: float) -> None:
    y = 100 * point.score.rate
    if y > top:
        panel.plot(x, top * 1.02, marker="^", color=colour, markersize=6, linestyle="", clip_on=False)
        panel.annotate(
            f"{y:.0f}", (x, top), (0, -11), textcoords="offset points", fontsize=7, ha="center", color=colour
        )
        return
    low, high = y - 100 * point.score.low, min(100 * point.score.high, top) - y
    face = "none" if point.job.activations < 16 else colour
    panel.errorbar(
        x,
        y,
        yerr=[[max(low, 0)], [max(high, 0)]],
        fmt=SHAPES.get(point.job.weights[1:2], "x"),
        color=colour,
        markerfacecolor=face,
        markersize=7,
        elinewidth=0.8,
        ecolor=f"{colour}99",
    )


def ticks(panel: Any, values: Sequence[float]) -> None:
    """Plain numbers, where a logarithmic axis would have powers of ten and little else"""
    from matplotlib import ticker

    low, high = min(values) / 1.15, max(values) * 1.3
    panel.set_xlim(low, high)
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8) if high / low < 10 else (1, 2, 5)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    panel.set_xticks([step * 10**n for n in decades for step in steps if low <= step * 10**n <= high])
    panel.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    panel.xaxis.set_minor_formatter(ticker.NullFormatter())
    panel.set_xlim(low, high)


def legend(colours: Mapping[str, str], points: Sequence[Point]) -> list[Any]:
    from matplotlib.lines import Line2D

    def handle(label: str, **style: Any) -> Any:
        return Line2D([], [], linestyle=style.pop("line", ""), label=label, **style)

    bits = {point.job.weights[1:2] for point in points}
    names = {"t": "ternary weights", **{n: f"{n}-bit weights" for n in "8432"}}
    found = [handle(FLOAT, marker="P", color="#444444", line="--")]
    found += [handle(method, marker="o", color=colour) for method, colour in colours.items()]
    found += [handle(names[n], marker=shape, color="#777777") for n, shape in SHAPES.items() if n in bits]
    if any(point.job.activations < 16 for point in points):
        found.append(handle("hollow: 8-bit activations", marker="o", color="#777777", markerfacecolor="none"))
    found.append(handle("Pareto front", color="#bbbbbb", line="-"))
    return found


@dataclass(frozen=True)
class Place:
    """Where a layer stands: encoder, 0, attn.query"""

    side: str
    block: int
    layer: str

    @property
    def kind(self) -> str:
        return f"{self.side} {self.layer}"


def place(tensor: str) -> Place:
    found = re.fullmatch(r"(?:model\.)?(\w+)\.\w+\.(\d+)\.(.+)\.weight", tensor)
    return Place(found[1], int(found[2]), found[3]) if found else Place(tensor.removesuffix(".weight"), 0, "")


def losses(cells: Mapping[str, Mapping[str, float]]) -> str:
    """An SVG: what every layer loses of its output, by the cells' names and the layers'"""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    tensors = sorted({name for each in cells.values() for name in each}, key=order)
    table = [[max(each.get(name, math.nan), LEAST_LOSS) for name in tensors] for each in cells.values()]
    figure: Any = Figure(figsize=(3 + 0.2 * len(tensors), 1.9 + 0.22 * len(cells)), layout="constrained")
    panel = figure.subplots()
    image = panel.imshow(table, aspect="auto", cmap="viridis_r", norm=LogNorm(LEAST_LOSS, MOST_LOSS))
    panel.set_yticks(range(len(cells)), list(cells), fontsize=8)
    places = [place(name) for name in tensors]
    panel.set_xticks(range(len(tensors)), [each.layer for each in places], rotation=90, fontsize=7)
    for i, (one, other) in enumerate(pairwise(places)):
        if (one.side, one.block) != (other.side, other.block):
            panel.axvline(i + 0.5, color="white", linewidth=1.5)
    for block in dict.fromkeys((each.side, each.block) for each in places):
        own = [i for i, each in enumerate(places) if (each.side, each.block) == block]
        panel.text(sum(own) / len(own), -0.8, f"{block[0]} {block[1]}", ha="center", fontsize=8)
    bar = figure.colorbar(image, ax=panel, pad=0.01, ticks=[0.001, 0.01, 0.1, 1.0])
    bar.ax.set_yticklabels(["0.1", "1", "10", "100"])
    bar.set_label("of the layer's output lost, %")
    return svg(figure)


def order(tensor: str) -> tuple[str, int, str]:
    """The encoder before the decoder, which the alphabet has the other way round"""
    found = place(tensor)
    return ("0" if found.side == "encoder" else found.side, found.block, found.layer)


def svg(figure: Any) -> str:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]
