# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Runs a program for the board in the emulator and counts its instructions."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whisper158 import needs
from whisper158.build import sysroot
from whisper158.count.profile import Profile, parse
from whisper158.errors import UserError, die
from whisper158.paths import RUNTIME
from whisper158.run import CommandError, run

PLUGIN = Path(__file__).with_name("plugin.c")
# The header that it shares with the programs.
REGIONS = RUNTIME / "tests" / "count"


@dataclass(frozen=True)
class Execution:
    output: str
    profile: Profile


def execute(program: Path, *arguments: str | Path) -> Execution:
    """Runs `program`; returns what it printed and what it executed."""
    needs.debian("native", "cross")
    with tempfile.TemporaryDirectory(prefix="whisper158-") as work:
        counts = Path(work) / "counts"
        command = [*emulator(build_plugin(Path(work)), counts), program, *arguments]
        try:
            output = run(command)
        except CommandError as error:
            raise explained(error) from None
        if not counts.is_file():
            die(f"the emulator counted nothing of {program.name}")
        with counts.open() as lines:
            return Execution(output, parse(lines))


def emulator(plugin: Path, counts: Path) -> Sequence[str]:
    return [
        *("qemu-aarch64", "-cpu", sysroot.EMULATED_CPU, "-L", str(sysroot.sysroot())),
        # What the loader does goes before what is counted.
        *("-E", "LD_BIND_NOW=1"),
        *("-plugin", f"{plugin},out={counts}"),
    ]


def build_plugin(folder: Path) -> Path:
    """Compiles the plugin for this machine. It is small enough to be done every time."""
    plugin = folder / "plugin.so"
    flags = ["-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", f"-I{REGIONS}"]
    run(["gcc", *flags, "-o", plugin, PLUGIN])
    return plugin


def explained(error: CommandError) -> UserError:
    """Later QEMUs have another interface for plugins; their refusal speaks of numbers only."""
    if "plugin" in (error.hint or "") and "version" in (error.hint or ""):
        return UserError("QEMU does not take our plugin, which is made for QEMU 7.2 (Debian 12)", error.hint)
    return error
