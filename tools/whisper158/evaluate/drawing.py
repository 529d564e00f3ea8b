# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Pictures of results, as files."""

from pathlib import Path
from typing import Any

from whisper158 import whole

DPI = 110


def save(figure: Any, stem: Path) -> list[Path]:
    """STEM.svg and STEM.png, each whole or not at all"""
    paths = [stem.with_suffix(suffix) for suffix in (".svg", ".png")]
    for path in paths:
        with whole.replacing(path) as draft:
            figure.savefig(draft, format=path.suffix[1:], dpi=DPI)
    return paths
