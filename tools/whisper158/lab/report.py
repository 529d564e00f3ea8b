# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv lab.report`: what the cells of a run say, in Markdown, and with pictures in one HTML file."""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whisper158 import whole
from whisper158.console import say
from whisper158.errors import die
from whisper158.evaluate import wer
from whisper158.evaluate.accuracy.report import line
from whisper158.evaluate.accuracy.sets import Set
from whisper158.evaluate.wer import Counts, Difference, Score
from whisper158.lab import plots
from whisper158.lab.config import Config, jobs, read
from whisper158.lab.job import FLOAT, Job
from whisper158.lab.plots import AXES, Point, front, place
from whisper158.lab.run import cells_of, digest, kept, key, prepare

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
    "Blob: whether a blob can hold the matrices as they are, the head's too (docs/blob-format.md).",
    "Calibration clips: {clips} of {source}, seed {seed}; context {context}; the head has {head} weights.",
)
TITLE = "Post-training quantisation"
STYLE = (
    "body{font:15px/1.4 sans-serif;margin:2em auto;max-width:1500px;padding:0 1em}svg{max-width:100%;height:auto}"
    "div{overflow-x:auto}td,th{padding:2px 8px;text-align:left;white-space:nowrap}td:last-child{white-space:normal}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}tr:nth-child(even){background:#f2f2f2}"
)
SENSITIVITY = "What layers lose of their output on the calibration, in per cent, on the average over blocks"


@dataclass(frozen=True)
class Row:
    """A cell and a set. beside: how its error rate differs from the float model's. left_out: clips that are longer than
    a window."""

    job: Job
    set: str
    costs: dict[str, float]
    bits_per_weight: float | None
    exports: bool
    errors: dict[str, float]
    score: Score
    beside: Difference | None
    left_out: int

    @property
    def point(self) -> Point:
        return Point(self.job, self.costs, self.score)


def report(path: Path) -> list[Path]:
    """Writes lab.md, lab.json and lab.html to the run's folder, of the cells that are there."""
    config = read(path)
    rows, missing = collect(config)
    if not rows:
        die(f"{config.out}: no cell of {path} is there", f"./inv lab.run {path} makes them")
    texts = {
        "lab.md": markdown(config, rows, missing),
        "lab.json": json.dumps([summary(row) for row in rows], indent=1) + "\n",
        "lab.html": page(config, rows, missing),
    }
    folder = cells_of(config).parent
    for name, text in texts.items():
        whole.write(folder / name, text)
    written = [folder / name for name in texts]
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
        cell = kept(cells_of(config) / f"{digest(own)}.json", own)
        if cell is None:
            missing += 1
            continue
        for one in heard.sets:
            counts, left_out = counted(one, cell["said"][one.name])
            if job.method == FLOAT:
                floats[job.model, one.name] = counts
            rows.append(row(job, one.name, cell, counts, floats.get((job.model, one.name)), left_out))
    return rows, missing


def row(job: Job, name: str, cell: dict[str, Any], counts: Counts, baseline: Counts | None, left_out: int) -> Row:
    found, seconds = cell["cost"], cell["cost"]["seconds"]
    costs = {
        "model_bytes": found["model_bytes"],
        "memory": found["work"]["memory_bytes"] / seconds,
        "bitops": found["work"]["bit_operations"] / seconds,
    }
    compared = baseline is not None and job.method != FLOAT and len(baseline) == len(counts)
    beside = wer.difference(counts, baseline) if compared and baseline is not None else None
    # A blob's residual stream is the checkpoint's own (export.py).
    exports = cell["exports"] and not cell["prepared"]
    return Row(job, name, costs, cell["bits_per_weight"], exports, cell["errors"], wer.score(counts), beside, left_out)


def counted(one: Set, said: Sequence[dict[str, Any]]) -> tuple[Counts, int]:
    """And how many clips could not be heard, which are left out"""
    heard = [(u.text, each["text"]) for u, each in zip(one.utterances, said, strict=True) if each["text"] is not None]
    if not heard:
        die(f"{one.name}: no clip of it is short enough to be heard", "Take another set.")
    return wer.errors([text for text, _ in heard], [text for _, text in heard]), len(said) - len(heard)


def cells(row: Row) -> list[str]:
    job, beside = row.job, row.beside
    return [
        job.model,
        job.method,
        job.weights or "f16",
        f"{job.activations}",
        f"{row.bits_per_weight:.2f}" if row.bits_per_weight else "16",
        *(f"{row.costs[axis.cost] / axis.unit:.3g}" for axis in AXES),
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
    lost = errors(rows)
    kinds = list(dict.fromkeys(place(name).kind for each in lost.values() for name in each))
    table = [["cell", *kinds]]
    for cell, own in lost.items():
        of_kind = [[error for name, error in own.items() if place(name).kind == one] for one in kinds]
        table.append([cell, *(f"{100 * sum(each) / len(each):.1f}" if each else "" for each in of_kind)])
    return table


def errors(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Of every quantised cell, whatever the sets are"""
    return {str(row.job): row.errors for row in rows if row.errors}


def unbeaten(rows: Sequence[Row]) -> list[list[str]]:
    """A table: by set and cost, the cells of the Pareto front, the cheapest first."""
    table = [["set", "cost", "cells that no other beats: WER %, cost"]]
    for name, points in by_set(rows).items():
        for axis in AXES:
            cells = (f"{p.name} ({p.at(axis)[1]:.1f}, {p.at(axis)[0]:.3g})" for p in front(points, axis))
            table.append([name, axis.label, "; ".join(cells)])
    return table


def by_set(rows: Sequence[Row]) -> dict[str, list[Point]]:
    """Of several models, each has rows of its own."""
    several = len({row.job.model for row in rows}) > 1
    found: dict[str, list[Point]] = {}
    for row in rows:
        found.setdefault(f"{row.job.model}, {row.set}" if several else row.set, []).append(row.point)
    return found


def summary(row: Row) -> dict[str, Any]:
    beside = asdict(row.beside) if row.beside else None
    return {
        **asdict(row.job),
        "set": row.set,
        "bits_per_weight": row.bits_per_weight,
        **row.costs,
        "wer": {"rate": row.score.rate, **asdict(row.score)},
        "less_float": beside,
        "left_out": row.left_out,
    }


def legend(config: Config, missing: int, left_out: Mapping[str, int]) -> Iterator[str]:
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
    for model, count in left_out.items():
        yield f"Clips that are longer than {model} can take are left out: {count}."
    if missing:
        yield f"Cells of the grid that are not there yet: {missing}."


def tables(rows: Sequence[Row]) -> list[tuple[str, list[list[str]]]]:
    """Each with what stands above it, and with its headings as the first line"""
    return [
        ("", [[*HEADINGS, *MORE], *map(cells, rows)]),
        ("What nothing beats", unbeaten(rows)),
        (SENSITIVITY, sensitivity(rows)),
    ]


def sentences(config: Config, rows: Sequence[Row], missing: int) -> list[str]:
    return list(legend(config, missing, left_out(rows)))


def left_out(rows: Sequence[Row]) -> dict[str, int]:
    """How many clips of all sets each model left out, if any: some take longer ones than others."""
    counts = {(row.job.model, row.set): row.left_out for row in rows}
    models = dict.fromkeys(model for model, _ in counts)
    found = {one: sum(count for (model, _), count in counts.items() if model == one) for one in models}
    return {model: count for model, count in found.items() if count}


def markdown(config: Config, rows: Sequence[Row], missing: int) -> str:
    lines = [f"# {TITLE}"]
    for title, (headings, *body) in tables(rows):
        lines += ["", *([f"## {title}", ""] if title else [])]
        lines += [line(headings), line(["---"] * len(headings)), *map(line, body)]
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in sentences(config, rows, missing))]) + "\n"


def page(config: Config, rows: Sequence[Row], missing: int) -> str:
    main, *others = [(title, tabled(table)) for title, table in tables(rows)]
    listed = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences(config, rows, missing))
    body = [f"<h1>{TITLE}</h1>", plots.costs(by_set(rows)), main[1], f"<ul>{listed}</ul>"]
    if lost := errors(rows):
        body += ["<h2>What each layer loses of its output on the calibration</h2>", plots.losses(lost)]
    body += [f"<h2>{html.escape(title)}</h2>{table}" for title, table in others]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{TITLE}</title><style>{STYLE}</style>{''.join(body)}</html>\n"
    )


def tabled(table: Sequence[Sequence[str]]) -> str:
    def tr(values: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(value)}</{tag}>' for value in values)}</tr>"

    headings, *body = table
    return f"<div><table>{tr(headings, 'th')}{''.join(tr(values, 'td') for values in body)}</table></div>"
