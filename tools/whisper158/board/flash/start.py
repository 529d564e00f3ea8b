# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Where tasks.py enters: what flashing needs is installed before it is imported."""

from importlib import import_module

from whisper158 import needs
from whisper158.board.flash.job import Job


def start(asked: Job) -> None:
    needs.python("board")
    import_module("whisper158.board.flash.flash").flash(asked)


def install_udev(dry_run: bool) -> None:
    import_module("whisper158.board.flash.udev").install(dry_run=dry_run)
