# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The English test sets of the Open ASR leaderboard, by name, where there is a network to fetch them through.

They are kept as FLAC in the cache, and read from there afterwards. What is fetched stays when fetching is interrupted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from whisper158.cache import cache_dir
from whisper158.console import track
from whisper158.data import hub, manifest
from whisper158.data.manifest import Clip
from whisper158.errors import die

REPOSITORY = "hf-audio/esb-datasets-test-only-sorted"
MANIFEST = "manifest.jsonl"
# The leaderboard leaves out what has this instead of words.
UNSCORED = "ignore time segment in scoring"


@dataclass(frozen=True)
class Source:
    """What a set is called in the repository, and by which licence its makers let it be used."""

    configuration: str
    licence: str
    split: str = "test"


SETS = {
    "ami": Source("ami", "CC-BY-4.0"),
    "earnings22": Source("earnings22", "CC-BY-SA-4.0"),
    "gigaspeech": Source("gigaspeech", "Apache-2.0, after its owners' terms"),
    "librispeech_clean": Source("librispeech", "CC-BY-4.0", "test.clean"),
    "librispeech_other": Source("librispeech", "CC-BY-4.0", "test.other"),
    "spgispeech": Source("spgispeech", "its owners' terms, not for profit"),
    "tedlium": Source("tedlium", "CC-BY-NC-ND-3.0"),
    "voxpopuli": Source("voxpopuli", "CC0-1.0"),
}


def fetch(name: str, most: int = 0) -> tuple[Clip, ...]:
    """All clips of a set, or `most` of them, evenly spaced: the repository has the longest first."""
    folder = cache_dir() / "leaderboard" / (f"{name}-{most}" if most else name)
    whole = folder / MANIFEST
    if not whole.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write(whole, list(_clips(name, most, folder)))
    return manifest.read(whole)


def _clips(name: str, most: int, folder: Path) -> Iterator[Clip]:
    source = SETS[name]
    rows = hub.rows(REPOSITORY, source.configuration, source.split)
    count = _count(rows, source.split)
    wanted = range(count) if not most or most >= count else [i * count // most for i in range(most)]
    coming = enumerate(rows)
    for number in track(wanted, f"Fetching {name} from Hugging Face"):
        row = next((row for at, row in coming if at == number), None)
        if row is None:
            die(f"the dataset {REPOSITORY} ended before its clip {number} of {count} of {name}", "Try again.")
        text = " ".join(str(row.get("text") or "").split())
        # As the leaderboard does.
        if not text or text.lower().replace("_", " ") == UNSCORED:
            continue
        file = folder / f"{number:06}.flac"
        seconds = soundfile.info(file).duration if file.exists() else hub.keep(row, file, REPOSITORY)
        yield Clip(f"{name}-{number:06}", file, text, name, seconds, source.licence, f"Hugging Face {REPOSITORY}")


def _count(rows: Any, split: str) -> int:
    try:
        return int(rows.info.splits[split].num_examples)
    except (AttributeError, KeyError, TypeError):
        die(f"the dataset {REPOSITORY} does not say how many clips its split {split} has", "Is it another one now?")
