# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Where things are kept that can be fetched or made again, and how they get there whole or not at all."""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from whisper158.errors import die

KEY = re.compile(r"[0-9a-f]{12}$")


def cache_dir() -> Path:
    """$WHISPER158_CACHE, else $XDG_CACHE_HOME/whisper158, else ~/.cache/whisper158; it need not exist."""
    if own := os.environ.get("WHISPER158_CACHE"):
        return Path(own).absolute()
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says to ignore a path that is not absolute.
    return (shared if shared.is_absolute() else _home() / ".cache") / "whisper158"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        die("there is no home directory to keep the cache in", "set $WHISPER158_CACHE to a folder that can be written")


def make_entry(entry: Path, fill: Callable[[Path], None]) -> Path:
    """Return the folder `entry` of the cache; where it is not there yet, `fill` makes its content in an empty folder.

    The folder gets its name only when `fill` has returned, and only one process fills it while others wait.
    """
    if entry.is_dir():
        return entry
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with (entry.parent / f".{entry.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not entry.is_dir():
                _fill(entry, fill)
    except OSError as error:
        die(
            f"cannot write into the cache {entry.parent}: {error.strerror or error}",
            "make room there, or set $WHISPER158_CACHE to a folder that can be written",
        )
    return entry


def keyed_entry(entry: Path, fill: Callable[[Path], None], kept_days: float = 14) -> Path:
    """make_entry() for a name that ends in the first 12 digits of a checksum of all that decides what is in it. Entries
    whose names differ in nothing else were made of what has changed since: those that were not used for so many days
    are removed."""
    make_entry(entry, fill)
    prefix = KEY.sub("", entry.name)
    try:
        entry.touch()
        others = [other for other in entry.parent.iterdir() if _another(other.name, prefix) and other != entry]
        old = [other for other in others if time.time() - other.stat().st_mtime > kept_days * 86400]
    except OSError:
        # Of a cache that cannot be written everything can still be used.
        return entry
    for other in old:
        shutil.rmtree(other, ignore_errors=True)
    return entry


def _another(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and KEY.fullmatch(name.removeprefix(prefix)) is not None


def _fill(entry: Path, fill: Callable[[Path], None]) -> None:
    draft = entry.parent / f".{entry.name}.draft"
    # What a killed process has left; as we hold the lock, nobody is at work on it.
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        fill(draft)
        draft.rename(entry)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
