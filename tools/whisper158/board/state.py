# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""An emulated machine that has booted and whose daemon listens, kept for others to start from in seconds."""

import hashlib
import json
from pathlib import Path

from whisper158.board import hear
from whisper158.board.qemu import Emulator, Hardware
from whisper158.cache import make_entry
from whisper158.console import step
from whisper158.run import run


def ready(image: Path, hardware: Hardware | None = None) -> Path:
    """The state (Emulator.power_on) of a machine that waits at its login and listens; made at first use."""
    hardware = hardware or Hardware()

    def fill(folder: Path) -> None:
        with step("Starting the emulator for the first time"), Emulator(image, hardware=hardware) as board:
            board.boot()
            hear.make_ready(board.console)
            board.console.logout()
            board.console.expect(r"\blogin: ", hear.LOGIN)
            board.save(folder / "state.qcow2")

    # It belongs to the image and goes with it.
    return make_entry(image / f"ready-{key(image, hardware)}", fill) / "state.qcow2"


def key(image: Path, hardware: Hardware) -> str:
    """A state fits only the machine that it was saved from, and its QEMU."""
    with Emulator(image, hardware=hardware) as board:
        arguments = [word.replace(str(board.folder), "") for word in board.command(terminal=False, ports={})]
    version = run([hardware.qemu, "--version"]).splitlines()[0]
    return hashlib.sha256(json.dumps([version, arguments]).encode()).hexdigest()[:12]
