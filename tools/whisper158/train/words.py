# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""When each word of a clip is said, in a file beside the manifest that has the clip: so that clips can be cut between
words. MANIFEST.words.jsonl has a line for each clip,

    {"id": "1998-0", "text": "Good morning.", "words": [[0.12, 0.5], [0.5, 1.1]]}

with begin and end, in seconds, of each word of the text, that is of what stands between spaces. `words` is empty where
the text cannot be what is said. A line whose text is no longer the manifest's counts for nothing.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from whisper158.data.manifest import Clip
from whisper158.errors import die

Words = tuple[tuple[float, float], ...]

SUFFIX = ".words.jsonl"
ROUNDING = 0.01  # manifests and this file round differently


def beside(manifest: Path) -> Path:
    return manifest.with_suffix(SUFFIX)


def spelled(clip: Clip) -> list[str]:
    """The words of its text"""
    return (clip.text or "").split()


def line_of(clip: Clip, words: Words) -> dict[str, object]:
    return {"id": clip.id, "text": clip.text, "words": words}


def words_of(manifest: Path, listed: Sequence[Clip]) -> Mapping[str, Words]:
    """By id, the words of those of the manifest's clips, which are `listed`, that have a line beside it."""
    path = beside(manifest)
    clips = {clip.id: clip for clip in listed} if path.exists() else {}
    found: dict[str, Words] = {}
    # What follows the last line's end is a line that nobody finished.
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1] if clips else (), 1):
        try:
            entry = json.loads(line)
            name, text = str(entry["id"]), str(entry["text"])
            words = tuple((float(begin), float(end)) for begin, end in entry["words"])
        except (ValueError, KeyError, TypeError, RecursionError):
            die(f"{path}:{number}: not a line of words", "remove the file; ./inv model.data.align writes it anew")
        if name in clips and clips[name].text == text:
            if words and not _fit(words, clips[name]):
                die(f"{path}:{number}: words: these are not times of its text", "remove the file; align it anew")
            found[name] = words
    return found


def _fit(words: Words, clip: Clip) -> bool:
    borders = [0.0, *(border for word in words for border in word), clip.seconds + ROUNDING]
    in_order = all(a <= b for a, b in pairwise(borders))
    return in_order and len(words) == len(spelled(clip))
