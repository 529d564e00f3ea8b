# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Runs recipes-tests/board on a machine, and keeps a report of it."""

import dataclasses
import sys
from importlib import import_module
from pathlib import Path

from whisper158 import flags, needs
from whisper158.board import report
from whisper158.board.machine import Machine
from whisper158.board.options import Options
from whisper158.console import say
from whisper158.daemon.soak import SHORT, WEEK
from whisper158.errors import die
from whisper158.paths import ROOT
from whisper158.run import show

SUITE = Path("recipes-tests") / "board"
# A test restarts the service several times, or boots the machine, and emulated machines are slow.
LONGEST_TEST = 3600
# pytest's exit status
NOTHING_SELECTED = 5


def test_on_device(
    machine: Machine,
    options: Options,
    expression: str = "",
    fast: bool = False,
    careful: bool = False,
    soak: str = "",
) -> bool:
    """Returns whether all is well. Without those that are slow if it has to be `fast`; without those that do harm for a
    while, such as filling the disk, if it has to be `careful`; with so many minutes of speech for `soak`."""
    minutes = flags.number("--soak", soak, SHORT, WEEK) if soak else 0.0
    if expression:
        flags.expression("-k", expression)
    needs.python("dev")
    needs.python("board")
    # Once it is there that they need.
    import_module("whisper158.board.open").check(machine, options)
    out = report.new_folder()
    marks = [mark for mark, left_out in (("not slow", fast), ("not destructive", careful)) if left_out]
    command: list[str | Path] = [sys.executable, "-m", "pytest", SUITE, f"--machine={machine.name}", f"--out={out}"]
    command += [f"--junitxml={out / report.JUNIT}", f"--override-ini=timeout={LONGEST_TEST + 60 * minutes:.0f}"]
    command += ["--tb=short", "--verbose", f"--soak={minutes}"]
    command += ["-p", "no:cacheprovider", "-m", " and ".join(marks), "-k", expression]
    given = dataclasses.asdict(options)
    command += [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value]
    status = show(command, cwd=ROOT)
    if (out / report.PAGE).exists():
        say(f"Report: {out / report.PAGE}")
    if status == NOTHING_SELECTED:
        die(f"-k {expression}: no test has such a name", f"their names are those of the functions in {SUITE}")
    return status == 0
