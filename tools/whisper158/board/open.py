# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From what somebody typed to a machine that can be started."""

from pathlib import Path

from whisper158 import flags
from whisper158.board import packages
from whisper158.board.machine import EMULATOR, SL1680, Machine
from whisper158.board.options import Options
from whisper158.board.target import Bench, Target
from whisper158.errors import die
from whisper158.model import models


def open_target(machine: Machine, options: Options, out: Path) -> Target:
    """The machine, not started yet. Its console is logged in the folder `out`."""
    return Target(machine, bench(machine, options, out))


def check(machine: Machine, options: Options) -> None:
    """Raises UserError for what cannot be meant, before anything is built or booted."""
    physical = ("serial", "host", "user", "identity", "host_key", "power_command", "audio")
    # The emulator's image says how the next one is made.
    foreign = {SL1680.name: ("image",), EMULATOR.name: (*physical, "packages")}.get(machine.name, physical)
    needless = [name for name in foreign if getattr(options, name)]
    if needless:
        die(f"--{needless[0].replace('_', '-')} is not for {machine.name}", "leave it out, or name another --machine")
    if options.packages:
        packages.in_folder(flags.folder("--packages", options.packages))
    if machine is SL1680:
        from whisper158.board import physical as board

        board.check(machine, options)
    elif options.image:
        flags.folder("--image", options.image)
    if options.model:
        models.check(options.model)


def bench(machine: Machine, options: Options, out: Path) -> Bench:
    check(machine, options)
    # Imported here because each needs other programs and packages.
    if machine is SL1680:
        from whisper158.board.physical import BoardBench

        return BoardBench(machine, options, out)
    from whisper158.board import emulated

    return emulated.debian(options, out) if machine is EMULATOR else emulated.deployed(machine, options, out)
