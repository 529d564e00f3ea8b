# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From what somebody typed to a machine that can be started."""

from pathlib import Path

from whisper158.board.machine import EMULATOR, SL1680, Machine
from whisper158.board.options import Options
from whisper158.board.target import Bench, Target
from whisper158.errors import die


def open_target(machine: Machine, options: Options, out: Path) -> Target:
    """The machine, not started yet. Its console is logged in the folder `out`."""
    return Target(machine, bench(machine, options, out))


def bench(machine: Machine, options: Options, out: Path) -> Bench:
    physical = ("serial", "host", "user", "identity", "host_key", "power_command", "audio")
    needless = [name for name in (("image",) if machine is SL1680 else physical) if getattr(options, name)]
    if needless:
        die(f"--{needless[0].replace('_', '-')} is not for {machine.name}")
    # Imported here because each needs other programs and packages.
    if machine is SL1680:
        from whisper158.board.physical import BoardBench

        return BoardBench(machine, options, out)
    from whisper158.board import emulated

    return emulated.debian(machine, options, out) if machine is EMULATOR else emulated.deployed(machine, options, out)
