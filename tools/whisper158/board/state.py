# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""An emulated machine that has booted and whose daemon listens, kept for others to start from in seconds."""

import hashlib
import json
from pathlib import Path

from whisper158.board.qemu import Emulator
from whisper158.run import run

# Seconds, on a host with other things to do.
LOGIN = 300.0


def name(board: Emulator) -> str:
    """Of the folder for its state, which fits only the machine that it was saved from, and its QEMU."""
    arguments = [word.replace(str(board.folder), "") for word in board.command(terminal=False, ports={})]
    version = run([board.hardware.qemu, "--version"]).splitlines()[0]
    return f"ready-{hashlib.sha256(json.dumps([version, arguments]).encode()).hexdigest()[:12]}"


def file(folder: Path) -> Path:
    return folder / "state.qcow2"


def save(board: Emulator, folder: Path) -> None:
    """Leaves the machine at its login, as whoever goes on with it wants to find it, and off."""
    board.console.logout()
    board.console.expect(r"\blogin: ", LOGIN)
    board.save(file(folder))
