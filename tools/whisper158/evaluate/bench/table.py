# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The results for a terminal."""

import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from whisper158.evaluate.bench.lineup import OURS
from whisper158.evaluate.bench.results import Entry, Results, Spread, models_of, ratio
from whisper158.model.random import PREFIX

# What the tables take: a narrower terminal may break lines, but nothing is left out.
WIDTH = 175


def show(results: Results) -> None:
    screen = Console(file=sys.stdout, highlight=False, width=WIDTH)
    for model in models_of(results.entries):
        screen.print(figures(results, model))
    screen.print(
        "Processor time: the least of all rounds, and how often that of our t158 at the same context goes into it, "
        "median (least-most) of the rounds.\nA MB is 10^6 bytes. Peak: resident set of the whole process; model: the "
        "same without what it held before it opened the model, which is Python and libraries with the peers.\n",
        soft_wrap=True,
    )
    screen.print(reached(results))
    machine = results.machine
    for line in (
        f"{machine['cpu']}, {machine['processors']} processors, {' '.join(machine['features'])}; {machine['system']}",
        *sorted({f"{entry.contestant.engine}: {describe(entry)}" for entry in results.entries}),
        results.noise["sentence"],
    ):
        screen.print(line, markup=False, soft_wrap=True)


def figures(results: Results, model: str) -> Table:
    entries = [entry for entry in results.entries if entry.contestant.model == model]
    made_up = entries[0].contestant.checkpoint.startswith(PREFIX)
    table = plain_table(f"{model}, {'made-up' if made_up else 'real'} weights")
    for heading in ("", "frames", "threads"):
        table.add_column(heading, no_wrap=True)
    for heading in (
        *("mel ms", "encode ms", "prompt ms", "ms/token", "total s", "wall s", "peak MB", "model MB"),
        *("encode", "token", "total"),
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in entries:
        table.add_row(*row(results, entry))
    return table


def plain_table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def row(results: Results, entry: Entry) -> list[str]:
    c = entry.contestant
    own = results.ours(c)
    ratios = ["", "", ""]
    if own is not None and own is not entry:
        ratios = [times(ratio(entry, own, figure)) for figure in ("encode", "token", "total")]
    doubtful = "" if results.noise["quiet"] else "?"
    return [
        f"{c.engine} {c.format}",
        str(c.context),
        str(c.threads),
        *(f"{1e3 * entry.best(figure):.1f}" for figure in ("mel", "encode", "prompt")),
        f"{1e3 * entry.best('token'):.2f}",
        f"{entry.best('total'):.3f}",
        f"{entry.best('total', 'wall'):.3f}{doubtful}",
        f"{entry.peak_rss / 1e6:.1f}",
        f"{(entry.peak_rss - entry.base_rss) / 1e6:.1f}",
        *ratios,
    ]


def times(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.min:.1f}-{spread.max:.1f})"


def reached(results: Results) -> Table:
    table = plain_table("To reach")
    table.add_column("", no_wrap=True)
    for heading in ("at least", "aim", "measured", "least to most"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for target in results.targets:
        sign = "≤ " if target.most else ""
        value = "" if target.value is None else f"{target.value:.2f} {target.unit}"
        spread = f"{target.spread.min:.2f} to {target.spread.max:.2f}" if target.spread else ""
        bars = (f"{sign}{bar:g} {target.unit}" for bar in (target.at_least, target.aim))
        state = f"{target.state}; {target.note}" if target.note and target.value is not None else target.state
        table.add_row(target.name, *bars, value, spread, state)
    table.add_row("aarch64 ternary GEMM, MAC per instruction", "6.5", "9", "", "", "./inv runtime.count counts it")
    return table


def describe(entry: Entry) -> str:
    about = entry.about
    if entry.contestant.engine == OURS:
        return f"{about['version']}, kernels {about['kernels']}"
    return f"{about['package']}; {about['system']}"
