# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What each model said of each set, a file for each, so that nothing is heard twice and little is lost."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whisper158 import whole
from whisper158.errors import die

FOLDER = "cells"


@dataclass(frozen=True)
class Key:
    """All that decides what is heard: `program` is the runtime's library, or what stands for PyTorch's side."""

    model: str  # sha256
    set: str  # sha256
    context: str
    through: str
    program: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Said:
    """text: None where the listener could not take the audio. `repetition`: it went in circles, and was cut there."""

    id: str
    text: str | None
    repetition: bool


@dataclass(frozen=True)
class Cell:
    said: tuple[Said, ...]
    cpu_seconds: float

    @property
    def texts(self) -> list[str | None]:
        return [said.text for said in self.said]


class Store:
    """Cells in a folder. What is damaged, or belongs to another key, counts as absent."""

    def __init__(self, out: Path) -> None:
        self._folder = out / FOLDER
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            die(f"--out {out} is not a folder", "Name a folder; it is made where there is none.")

    def get(self, key: Key, ids: Sequence[str]) -> Cell | None:
        try:
            found = json.loads(self._path(key).read_text())
            if found["key"] != asdict(key):
                return None
            cell = Cell(tuple(_said(item) for item in found["said"]), float(found["cpu_seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return cell if [said.id for said in cell.said] == list(ids) else None

    def add(self, key: Key, cell: Cell, about: dict[str, Any]) -> None:
        """`about` is for people who look into the file."""
        content = {"about": about, "key": asdict(key), **asdict(cell)}
        whole.write(self._path(key), json.dumps(content, indent=1) + "\n")

    def _path(self, key: Key) -> Path:
        return self._folder / f"{key.digest}.json"


def _said(item: dict[str, Any]) -> Said:
    id, text, repetition = item["id"], item["text"], item["repetition"]
    if not isinstance(id, str) or not isinstance(text, str | None) or not isinstance(repetition, bool):
        raise TypeError
    return Said(id, text, repetition)
