# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Which serial ports this computer has. Apart from what opens them (serial.py), which needs packages."""

import os
import stat
from pathlib import Path

from whisper158.errors import Usage

# Names that stay when an adapter is plugged in elsewhere.
BY_ID = Path("/dev/serial/by-id")


def check(flag: str, port: str) -> None:
    """Raises Usage where `port` is nothing that a console could be at, without opening it."""
    try:
        mode = os.stat(port).st_mode
    except OSError as error:
        raise Usage(f"{flag}: there is no serial port {port} ({error.strerror})", known_ports()) from error
    if not stat.S_ISCHR(mode):
        raise Usage(f"{flag}: {port} is not a serial port", known_ports())


def known_ports() -> str:
    found = sorted(map(str, BY_ID.iterdir())) if BY_ID.is_dir() else []
    return f"serial ports here: {', '.join(found)}" if found else "no USB serial adapter is plugged in here"
