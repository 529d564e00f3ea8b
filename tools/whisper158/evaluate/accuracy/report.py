# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The results as tables, for a terminal and as Markdown."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from whisper158.evaluate.accuracy.results import Results, Row
from whisper158.evaluate.accuracy.sets import Set
from whisper158.evaluate.wer import Difference

WIDTH = 190

LEGEND = (
    "WER: errors to 100 words of the reference, after Whisper's English normaliser on both sides; S, D, I: words "
    "wrong, missing, too many.",
    "In brackets and after differences: 95 % intervals, by bootstrap over clips; differences are paired, clip by clip, "
    "in percentage points.",
    "Loops: a phrase four times or more in a row, or cut by the decoder. Runaway: more words than 4.5 a second and 5. "
    "Empty: nothing where something was said.",
    "Ends, capital: share of texts that end as a sentence and begin with a capital; marks: punctuation to 100 words.",
    "CPU: processor seconds to a second of audio, of this one run.",
)


@dataclass(frozen=True)
class Column:
    heading: str
    cell: Callable[[Row], str]
    text: bool = False


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]


def points(difference: Difference | None) -> str:
    if difference is None:
        return ""
    value, low, high = (100 * x for x in (difference.value, difference.low, difference.high))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def share(part: int, whole: int) -> str:
    return f"{part}/{whole}" if part else "0"


def rate(row: Row) -> str:
    score = row.figures.score
    return f"{score.rate:.2%} ({score.low:.1%} to {score.high:.1%})" if score else ""


def kinds(row: Row) -> str:
    score = row.figures.score
    return f"{score.substitutions} {score.deletions} {score.insertions}" if score else ""


def made_up(row: Row) -> str:
    found = row.figures.made_up
    return f"{found.per_minute:.2f} ({found.low:.2f} to {found.high:.2f})" if found else ""


def with_words(row: Row) -> str:
    found = row.figures.made_up
    return share(found.with_words, found.clips) if found else ""


def style(value: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        found = row.figures.style
        if found is None:
            return ""
        return f"{found.marks:.1f}" if value == "marks" else f"{getattr(found, value):.0%}"

    return cell


def agreement(row: Row) -> str:
    found = row.agreement
    return f"{found.same}/{found.clips}, {found.share:.1%}" if found else ""


def cpu(row: Row) -> str:
    found = row.figures
    return f"{found.cpu_seconds / found.audio_seconds:.3f}" if found.clips else ""


COLUMNS = (
    Column("model", lambda row: row.place.model.name, text=True),
    Column("context", lambda row: row.place.context.name, text=True),
    Column("through", lambda row: row.place.through, text=True),
    Column("WER", rate),
    Column("S D I", kinds),
    Column("versus first", lambda row: points(row.versus_first)),
    Column("versus full", lambda row: points(row.versus_full)),
    Column("words/min", made_up),
    Column("with words", with_words),
    Column("loops", lambda row: share(row.figures.looped, row.figures.clips)),
    Column("runaway", lambda row: share(row.figures.runaway, row.figures.clips)),
    Column("empty", lambda row: share(row.figures.empty, row.figures.clips) if row.figures.score else ""),
    Column("ends", style("end")),
    Column("capital", style("capital")),
    Column("marks", style("marks")),
    Column("left out", lambda row: share(row.figures.left_out, row.figures.left_out + row.figures.clips)),
    Column("CPU", cpu),
    Column("as in PyTorch", agreement),
)


def table(results: Results, of: Set) -> Table:
    """A set's; columns in which nothing stands, or only zeros, are left out, but for loops."""
    rows = results.of(of.name)
    columns = [
        column
        for column in COLUMNS
        if any(column.cell(row) not in ("", "0") for row in rows) or column.heading == "loops"
    ]
    return Table(f"{of.name}: {len(of.utterances)} clips, {of.seconds / 60:.1f} min", columns, rows)


def tables(results: Results) -> list[Table]:
    return [table(results, one) for one in results.sets]


def show(results: Results) -> None:
    screen = Console(file=sys.stdout, highlight=False, width=WIDTH)
    for table in tables(results):
        drawn = RichTable(title=table.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for column in table.columns:
            drawn.add_column(column.heading, justify="left" if column.text else "right", no_wrap=True)
        for row in table.rows:
            drawn.add_row(*(column.cell(row) for column in table.columns))
        screen.print(drawn)
    for line in LEGEND:
        screen.print(line, markup=False, soft_wrap=True)


def markdown(results: Results) -> str:
    lines = ["# Accuracy", ""]
    for table in tables(results):
        lines += [f"## {table.title}", ""]
        lines.append(line([column.heading for column in table.columns]))
        lines.append(line(["---" if column.text else "---:" for column in table.columns]))
        lines += [line([column.cell(row) for column in table.columns]) for row in table.rows]
        lines.append("")
    lines += [f"- {sentence}" for sentence in LEGEND]
    lines += ["", "| model | bytes | sha256 |", "| --- | ---: | --- |"]
    lines += [line([model.name, str(model.size), f"`{model.sha256}`"]) for model in results.models]
    lines += ["", "| set | clips | minutes | sha256 |", "| --- | ---: | ---: | --- |"]
    lines += [
        line([one.name, str(len(one.utterances)), f"{one.seconds / 60:.1f}", f"`{one.sha256}`"]) for one in results.sets
    ]
    return "\n".join(lines) + "\n"


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
