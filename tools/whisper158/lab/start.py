# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Where tasks.py enters: what the laboratory needs is installed before it is imported."""

import importlib
from pathlib import Path

from whisper158 import needs

GROUPS = ("train", "oracle", "evaluate")


def run(config: Path, processes: str) -> None:
    for group in GROUPS:
        needs.python(group)
    importlib.import_module("whisper158.lab.run").run(config, processes)


def report(config: Path) -> None:
    for group in GROUPS:
        needs.python(group)
    importlib.import_module("whisper158.lab.report").report(config)


def pack(config: Path, cell: str, out: str) -> None:
    for group in GROUPS:
        needs.python(group)
    importlib.import_module("whisper158.lab.packing").pack(config, cell, out)
