# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv lab.report`: what the cells of a run say, in Markdown, and with pictures in one HTML file."""

import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper158.console import say
from whisper158.errors import die
from whisper158.evaluate import wer
from whisper158.evaluate.accuracy.report import line
from whisper158.evaluate.accuracy.sets import Set
from whisper158.evaluate.wer import Counts, Difference, Score
from whisper158.lab.config import FLOAT, Config, Job, jobs, read
from whisper158.lab.run import cells_of, digest, key, prepare, whole

HEADINGS = (
    "model",
    "method",
    "weights",
    "activations",
    "bits/weight",
    "MB",
    "GB/s",
    "Tbitop/s",
    "set",
    "WER %",
    "95 %",
)
MORE = ("less float", "95 %", "blob")
LEGEND = (
    "MB: the model's bytes in memory, in millions. GB/s and Tbitop/s: memory traffic and bit operations for a second "
    "of audio, in a window of {seconds:g} s, {frames} frames and {tokens} tokens: computed from shapes (lab/cost.py), "
    "not measured.",
    "WER: Whisper's English normaliser on both sides, 95 % by bootstrap over clips. Less float: the float model's rate "
    "in the same clips taken off, both resampled together.",
    "Blob: whether a blob can hold the matrices as they are (docs/blob-format.md).",
    "Calibration clips: {clips} of {source}, seed {seed}; context {context}; the head has {head} weights.",
)
SENSITIVITY = "What layers lose of their output on the calibration, in per cent, on the average over blocks"
AXES = (
    ("model_bytes", 1e-6, "model, MB"),
    ("memory", 1e-9, "memory traffic, GB for a second of audio"),
    ("bitops", 1e-12, "bit operations, 10^12 for a second of audio"),
)
COLOURS = ("#1b7f4b", "#4a6fa5", "#b3632d", "#8a8f98", "#7a4ea3", "#a33a52")


@dataclass(frozen=True)
class Row:
    """A cell and a set. beside: how its error rate differs from the float model's."""

    job: Job
    set: str
    costs: dict[str, float]
    bits_per_weight: float | None
    exports: bool
    errors: dict[str, float]
    score: Score
    beside: Difference | None


def report(path: Path) -> list[Path]:
    """Writes lab.md and lab.html to the run's folder, of the cells that are there."""
    config = read(path)
    rows, missing = collect(config)
    if not rows:
        die(f"{config.out}: no cell of {path} is there", f"./inv lab.run {path} makes them")
    written = [cells_of(config).parent / name for name in ("lab.md", "lab.html")]
    for file, text in zip(written, (markdown(config, rows, missing), page(config, rows, missing)), strict=True):
        draft = file.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(file)
    say(f"written: {', '.join(map(str, written))}")
    return written


def collect(config: Config) -> tuple[list[Row], int]:
    """And how many cells are not there"""
    heard = prepare(config)
    rows: list[Row] = []
    missing = 0
    floats: dict[tuple[str, str], Counts] = {}
    for job in jobs(config):
        own = key(job, config, heard)
        cell = whole(cells_of(config) / f"{digest(own)}.json", own)
        if cell is None:
            missing += 1
            continue
        for one in heard.sets:
            counts = counted(one, cell["said"][one.name])
            if job.method == FLOAT:
                floats[job.model, one.name] = counts
            rows.append(row(job, one.name, cell, counts, floats.get((job.model, one.name))))
    return rows, missing


def row(job: Job, name: str, cell: dict[str, Any], counts: Counts, baseline: Counts | None) -> Row:
    found, seconds = cell["cost"], cell["cost"]["seconds"]
    costs = {
        "model_bytes": found["model_bytes"],
        "memory": found["work"]["memory_bytes"] / seconds,
        "bitops": found["work"]["bit_operations"] / seconds,
    }
    compared = baseline is not None and job.method != FLOAT and len(baseline) == len(counts)
    beside = wer.difference(counts, baseline) if compared and baseline is not None else None
    return Row(job, name, costs, cell["bits_per_weight"], cell["exports"], cell["errors"], wer.score(counts), beside)


def counted(one: Set, said: Sequence[dict[str, Any]]) -> Counts:
    """A clip that could not be heard says nothing."""
    texts = [each["text"] or "" for each in said]
    return wer.errors([utterance.text for utterance in one.utterances], texts)


def cells(row: Row) -> list[str]:
    job, beside = row.job, row.beside
    return [
        job.model,
        job.method,
        job.weights or "f16",
        f"{job.activations}",
        f"{row.bits_per_weight:.2f}" if row.bits_per_weight else "16",
        *(f"{row.costs[name] * unit:.3g}" for name, unit, _ in AXES),
        row.set,
        f"{100 * row.score.rate:.2f}",
        f"{100 * row.score.low:.1f} to {100 * row.score.high:.1f}",
        f"{100 * beside.value:+.2f}" if beside else "",
        f"{100 * beside.low:+.1f} to {100 * beside.high:+.1f}" if beside else "",
        "yes" if row.exports else "",
    ]


def sensitivity(rows: Sequence[Row]) -> list[list[str]]:
    """A table: for every quantised cell, what layers of each kind lose of their output, in per cent, on the average
    over blocks."""
    cells = {str(row.job): row.errors for row in rows if row.errors}
    kinds = list(dict.fromkeys(kind(name) for errors in cells.values() for name in errors))
    table = [["cell", *kinds]]
    for cell, errors in cells.items():
        of_kind = [[error for name, error in errors.items() if kind(name) == one] for one in kinds]
        table.append([cell, *(f"{100 * sum(each) / len(each):.1f}" if each else "" for each in of_kind)])
    return table


def kind(tensor: str) -> str:
    """encoder attn.query, of encoder.blocks.0.attn.query.weight"""
    side, _, _, *layer = tensor.removesuffix(".weight").split(".")
    return f"{side} {'.'.join(layer)}"


def legend(config: Config, missing: int) -> Iterator[str]:
    speech, source = config.speech, config.calibration
    for sentence in LEGEND:
        yield sentence.format(
            seconds=speech.seconds,
            frames=speech.frames,
            tokens=speech.tokens,
            clips=source.clips,
            source=source.name,
            seed=source.seed,
            context=config.evaluation.context,
            head=config.head,
        )
    if missing:
        yield f"Cells of the grid that are not there yet: {missing}."


def markdown(config: Config, rows: Sequence[Row], missing: int) -> str:
    headings = [*HEADINGS, *MORE]
    lines = ["# Post-training quantisation", "", line(headings), line(["---"] * len(headings))]
    lines += [line(cells(row)) for row in rows]
    losses = sensitivity(rows)
    lines += ["", f"{SENSITIVITY}:", "", line(losses[0]), line(["---"] * len(losses[0])), *map(line, losses[1:])]
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in legend(config, missing))]) + "\n"


def page(config: Config, rows: Sequence[Row], missing: int) -> str:
    def tr(values: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(value)}</{tag}>' for value in values)}</tr>"

    table = [tr([*HEADINGS, *MORE], "th"), *(tr(cells(row), "td") for row in rows)]
    losses = sensitivity(rows)
    lost = [tr(losses[0], "th"), *(tr(values, "td") for values in losses[1:])]
    sentences = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in legend(config, missing))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Post-training quantisation</title>"
        "<style>body{font:15px sans-serif;margin:2em}td,th{padding:2px 8px;text-align:left}"
        "table{border-collapse:collapse}tr:nth-child(even){background:#f2f2f2}</style>"
        f"<h1>Post-training quantisation</h1>{picture(rows)}"
        f"<table>{''.join(table)}</table><ul>{sentences}</ul>"
        f"<p>{SENSITIVITY}:</p><table>{''.join(lost)}</table></html>\n"
    )


def picture(rows: Sequence[Row]) -> str:
    """An SVG: for every set, error rates against each cost, and what no other cell is better than in both."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row.set for row in rows))
    methods = list(dict.fromkeys(row.job.method for row in rows))
    figure: Any = Figure(figsize=(6 * len(AXES), 4.5 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), len(AXES), squeeze=False)
    for i, name in enumerate(names):
        for j, (cost, unit, label) in enumerate(AXES):
            panel(axes[i][j], [row for row in rows if row.set == name], methods, cost, unit)
            axes[i][j].set_xlabel(label)
            axes[i][j].set_ylabel(f"{name}: WER, %")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(methods) + 1)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]


def panel(axis: Any, rows: Sequence[Row], methods: Sequence[str], cost: str, unit: float) -> None:
    for i, method in enumerate(methods):
        own = [row for row in rows if row.job.method == method]
        x, y = [row.costs[cost] * unit for row in own], [100 * row.score.rate for row in own]
        axis.scatter(x, y, s=18, color=COLOURS[i % len(COLOURS)], marker="osD^v*"[i // len(COLOURS) % 6], label=method)
        for row, at in zip(own, zip(x, y, strict=True), strict=True):
            axis.annotate(
                f"{row.job.weights} a{row.job.activations}", at, fontsize=6, xytext=(3, 3), textcoords="offset points"
            )
    best = sorted(front([(row.costs[cost] * unit, 100 * row.score.rate) for row in rows]))
    axis.plot(*zip(*best, strict=True), color="#999999", linewidth=0.8, zorder=0, label="Pareto front")
    axis.set_xscale("log")
    axis.set_ylim(bottom=0, top=min(110, 1.1 * max(100 * row.score.rate for row in rows)))


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that no other is as good as in one coordinate and better than in the other"""
    return [p for p in set(points) if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)]
