# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Manifests: JSON lines that say what is in a folder of recordings, one clip a line.

    {"id": "1998-0", "file": "1998-0.flac", "text": "Good morning.", "speaker": "1998", "seconds": 1.5,
     "licence": "CC-BY-4.0", "source": "LibriSpeech"}

`file` is relative to the manifest; `text` is null where nobody wrote down what is said. Other keys are ignored.
"""

import fcntl
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from whisper158 import whole
from whisper158.errors import die


@dataclass(frozen=True)
class Clip:
    """A recording: who speaks in it, what is said where that is known, and by whose leave we may use it."""

    id: str
    path: Path
    text: str | None
    speaker: str
    seconds: float
    licence: str
    source: str


def read(manifest: Path) -> tuple[Clip, ...]:
    """All clips of `manifest`, in its order. That their files exist is seen when they are opened."""
    clips: dict[str, Clip] = {}
    for where, line in _lines(manifest):
        clip = _clip(line, where, manifest.parent)
        if clip.id in clips:
            die(f"{where}: id: {clip.id!r} is there twice", "every clip of a manifest needs an id of its own")
        clips[clip.id] = clip
    return tuple(clips.values())


def write(manifest: Path, clips: Iterable[Clip]) -> None:
    """Makes `clips` the content of `manifest`, all of them or, on failure, none."""
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        die(f"{manifest.parent}: cannot be made: {error.strerror}")
    with whole.replacing(manifest) as draft, draft.open("wb") as file:
        file.writelines(_line(_entry(clip, manifest.parent)) for clip in clips)


class Appender:
    """Adds clips to a manifest (or other entries to a file of JSON lines) while others may read it.

    A line appears whole, and stays when the writer is killed. alone: nobody else may add to the file meanwhile.
    """

    def __init__(self, manifest: Path, alone: bool = False) -> None:
        self._path, self._folder = manifest, manifest.parent
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(manifest, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            fcntl.flock(self._file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            _cut_torn_line(manifest)
        except BlockingIOError:
            os.close(self._file)
            die(f"{manifest} is being written by another process", "wait for it, or name another file")
        except OSError as error:
            die(f"cannot write {manifest}: {error.strerror}")

    def add(self, clip: Clip) -> None:
        self.add_line(_entry(clip, self._folder))

    def add_line(self, entry: dict[str, Any]) -> None:
        line = _line(entry)
        # One call, so that a reader never sees half of it; a short count means that the disk is full.
        if os.write(self._file, line) != len(line):
            die(f"cannot write {self._path}: no space left on device")

    def __enter__(self) -> "Appender":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def _cut_torn_line(manifest: Path) -> None:
    content = manifest.read_bytes()
    if whole := content.rfind(b"\n") + 1:
        os.truncate(manifest, whole)
    elif content:
        os.truncate(manifest, 0)


def _lines(manifest: Path) -> Iterator[tuple[str, bytes]]:
    try:
        lines = manifest.read_bytes().split(b"\n")
    except OSError as error:
        die(f"cannot read the manifest {manifest}: {error.strerror}")
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield f"{manifest}:{number}", line


def _clip(line: bytes, where: str, folder: Path) -> Clip:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        die(f"{where}: not a line of JSON")
    if not isinstance(entry, dict):
        die(f"{where}: not a JSON object")
    strings = {key: _string(entry, key, where) for key in ("id", "file", "speaker", "licence", "source")}
    return Clip(
        id=strings["id"],
        path=folder / strings["file"],
        text=None if entry.get("text") is None else _string(entry, "text", where),
        speaker=strings["speaker"],
        seconds=_seconds(entry, where),
        licence=strings["licence"],
        source=strings["source"],
    )


def _string(entry: dict[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        die(f"{where}: {key}: {value!r} is not a text" if key in entry else f"{where}: {key} is missing")
    if not value.isprintable():
        die(f"{where}: {key}: {value!r} has control characters or line ends in it")
    return value


def _seconds(entry: dict[str, Any], where: str) -> float:
    value = entry.get("seconds")
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0 < number < math.inf:
        die(f"{where}: seconds: {value!r} is not a positive number")
    return number


def _entry(clip: Clip, folder: Path) -> dict[str, Any]:
    return {
        "id": clip.id,
        "file": _relative(clip.path, folder),
        "text": clip.text,
        "speaker": clip.speaker,
        "seconds": round(clip.seconds, 3),
        "licence": clip.licence,
        "source": clip.source,
    }


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def _relative(path: Path, folder: Path) -> str:
    """What lies below the manifest's folder moves with it; anything else is named by its absolute path."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path.absolute())
