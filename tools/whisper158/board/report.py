# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a run of the tests on a machine did, as one page that needs no other file: results, measurements, every command
with its answer, and the console."""

import html
import re
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whisper158 import whole
from whisper158.console import duration
from whisper158.paths import BUILD

REPORTS = BUILD / "test-on-device"
PAGE = "report.html"
JUNIT = "junit.xml"
CONSOLE = "console.log"
# Runs that are kept.
KEPT = 10
# What a page shows of one command's output.
LONGEST = 20_000
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222 }
pre { background: #f4f4f2; padding: .6em; overflow-x: auto; font-size: 13px; margin: .3em 0 }
table { border-collapse: collapse } td, th { text-align: left; padding: .15em 1.2em .15em 0; vertical-align: top }
summary { cursor: pointer } section { border-top: 1px solid #ddd; padding: .4em 0 }
.passed { color: #14702c } .failed, .error { color: #b00020; font-weight: bold } .skipped { color: #8a6d00 }
.time { color: #777 }
"""


@dataclass(frozen=True)
class Exchange:
    """Something that was done to the machine."""

    when: float  # time.time()
    seconds: float
    command: str
    status: int | None
    output: str


@dataclass
class Entry:
    """A test."""

    name: str
    says: str = ""  # its docstring
    outcome: str = "passed"
    seconds: float = 0.0
    why: str = ""
    measured: dict[str, str] = field(default_factory=dict)
    exchanges: Sequence[Exchange] = ()
    console: str = ""


def new_folder(parent: Path = REPORTS) -> Path:
    """A folder for a run that begins now; the oldest ones beyond KEPT go."""
    folder = parent / time.strftime("%Y-%m-%dT%H-%M-%S")
    for old in sorted(path for path in parent.glob("20*") if path.is_dir())[: 1 - KEPT or None]:
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write(path: Path, facts: Mapping[str, str], entries: Sequence[Entry]) -> None:
    whole.write(path, page(facts, entries))


def page(facts: Mapping[str, str], entries: Sequence[Entry]) -> str:
    title = f"whisper158 on {facts.get('machine', 'a machine')}: {count(entries)}"
    measured = {
        f"{entry.name}: {key}": value for entry in entries for key, value in entry.measured.items() if entry.measured
    }
    return "\n".join(
        (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{text(title)}</title><style>{STYLE}</style>',
            f"<h1>{text(title)}</h1>",
            table(facts),
            "<h2>Measured</h2>" + table(measured) if measured else "",
            "<h2>Tests</h2>",
            *map(section, entries),
            "</html>\n",
        )
    )


def count(entries: Sequence[Entry]) -> str:
    """3 passed, 1 failed"""
    outcomes = Counter(entry.outcome for entry in entries)
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items())) or "nothing was run"


def table(rows: Mapping[str, str]) -> str:
    cells = (f"<tr><th>{text(key)}</th><td>{text(value)}</td></tr>" for key, value in rows.items())
    return f"<table>{''.join(cells)}</table>"


def section(entry: Entry) -> str:
    head = (
        f'<span class="{text(entry.outcome)}">{text(entry.outcome)}</span> {text(entry.name)} '
        f'<span class="time">{duration(entry.seconds)}</span>'
    )
    parts = [f"<p>{text(entry.says)}</p>" if entry.says else ""]
    if entry.why:
        parts.append(f"<pre>{text(entry.why)}</pre>")
    if entry.measured:
        parts.append(table(entry.measured))
    parts += map(exchange, entry.exchanges)
    if entry.console:
        parts.append(f"<details><summary>console</summary><pre>{text(entry.console)}</pre></details>")
    opened = " open" if entry.outcome in ("failed", "error") else ""
    return f"<section><details{opened}><summary>{head}</summary>{''.join(parts)}</details></section>"


def exchange(done: Exchange) -> str:
    when = time.strftime("%H:%M:%S", time.localtime(done.when))
    status = "" if done.status in (None, 0) else f" [{done.status}]"
    shown = done.output if len(done.output) <= LONGEST else f"(...)\n{done.output[-LONGEST:]}"
    lines = f"$ {done.command}{status}" + (f"\n{shown}" if shown else "")
    return f'<span class="time">{when}, {done.seconds:.1f} s</span><pre>{text(lines)}</pre>'


def text(raw: str) -> str:
    return html.escape(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", raw))
