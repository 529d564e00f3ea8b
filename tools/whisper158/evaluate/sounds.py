# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Speech that any Debian machine can have: recordings of a person with known words, and synthesised voices.

The recordings are the prompts of the Asterisk telephone exchange: 8 kHz, 16 bit, one speaker, from a single word to a
minute. They are fetched from Debian at first use and kept in the cache.
"""

import functools
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import soundfile

from whisper158 import apt, needs
from whisper158.cache import cache_dir, make_entry
from whisper158.console import step
from whisper158.errors import die
from whisper158.run import run

PACKAGES = ("asterisk-core-sounds-en", "asterisk-core-sounds-en-wav")
LICENCE = "CC-BY-SA-3.0"

Voice = Literal["slt", "rms", "awb"]
VOICES: tuple[Voice, ...] = ("slt", "rms", "awb")


@dataclass(frozen=True)
class Clip:
    """A recording and what is said in it."""

    id: str
    path: Path
    text: str
    seconds: float
    licence: str


@functools.cache
def sounds() -> tuple[Clip, ...]:
    """All recordings with words in them, about 500, in the order of their ids."""
    with step("Fetching recorded speech"):
        tree = make_entry(cache_dir() / "sounds", lambda folder: apt.unpack(PACKAGES, folder))
    folder = tree / "usr" / "share" / "asterisk" / "sounds" / "en_US_f_Allison"
    with gzip.open(tree / "usr" / "share" / "doc" / PACKAGES[0] / "core-sounds-en.txt.gz", "rt") as lines:
        texts = dict(entries(lines))
    paths = {id: folder / f"{id}.wav" for id in sorted(texts)}
    return tuple(
        Clip(id, path, texts[id], soundfile.info(path).duration, LICENCE) for id, path in paths.items() if path.exists()
    )


def sound(id: str) -> Clip:
    return next((clip for clip in sounds() if clip.id == id), None) or die(f"there is no recording {id!r}")


def entries(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Id and words of each line `id: words`. Remarks in brackets are not said, and some sounds have nothing else."""
    for line in lines:
        id, colon, text = line.partition(":")
        text = re.sub(r"\[.*?\]|\(.*?\)", "", text).strip()
        if colon and text and not id.startswith(";"):
            yield id.strip(), text


def synthesise(text: str, voice: Voice, out: Path) -> Path:
    """Has Flite say `text` into the WAV file `out` (16 kHz, 16 bit, mono), and returns that."""
    needs.debian("speech")
    run(["flite", "-voice", voice, "-t", text, "-o", out])
    return out
