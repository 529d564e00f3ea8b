# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Lets everybody at this computer use a board in USB boot mode, and its serial adapters stay with dialout."""

import os
import tempfile
from pathlib import Path

from whisper158 import whole
from whisper158.console import say
from whisper158.run import CommandError, run

RULES = Path("/etc/udev/rules.d/60-whisper158-sl1680.rules")
# The USB boot mode of the SL1620, SL1680 and SL1640, by the numbers that the boot ROM gives.
PRODUCTS = ("00b0", "00b1", "00b2")
CONTENT = "# Made by `./inv flash.udev` of whisper158: Synaptics Astra boards in USB boot mode.\n" + "".join(
    f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="06cb", ATTRS{{idProduct}}=="{product}", MODE="0666", TAG+="uaccess"\n'
    for product in PRODUCTS
)


def install(rules: Path = RULES, dry_run: bool = False) -> None:
    """Writes the rules unless they are there, and has udev read them. Says what it does."""
    if rules.is_file() and rules.read_text() == CONTENT:
        say(f"{rules} is as it should be")
        return
    say(f"{'Would write' if dry_run else 'Writing'} {rules}:")
    for line in CONTENT.splitlines():
        say(f"  {line}")
    if dry_run:
        return
    write(rules)
    for command in (["udevadm", "control", "--reload-rules"], ["udevadm", "trigger", "--subsystem-match=usb"]):
        try:
            run(command)
        except CommandError as error:
            # In a container there is no udev; the file is what matters.
            say(f"{' '.join(command)} did not work ({error.message}); plug the board in anew")


def write(rules: Path) -> None:
    if rules == RULES and os.geteuid() != 0:
        write_as_root(rules)
        return
    rules.parent.mkdir(parents=True, exist_ok=True)
    with whole.replacing(rules) as draft:
        draft.write_text(CONTENT)
        draft.chmod(0o644)


def write_as_root(rules: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".rules") as file:
        file.write(CONTENT)
        file.flush()
        command = ["sudo", "install", "-m", "644", file.name, str(rules)]
        say(" ".join(command))
        run(command)
