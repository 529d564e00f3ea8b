# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What every method is calibrated with: the same clips, chosen in the same way, for all of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from whisper158.errors import die
from whisper158.evaluate.accuracy import sets
from whisper158.evaluate.accuracy.sets import Set, Utterance
from whisper158.train.clips import folder
from whisper158.units import WINDOW_SECONDS


@dataclass(frozen=True)
class Source:
    """source: a set's name, or the path of a manifest with texts, as `model.evaluate --sets` takes them. clips: how
    many of it, which the seed chooses."""

    source: str
    clips: int = 128
    seed: int = 158

    @property
    def name(self) -> str:
        path = Path(self.source)
        return path.parent.name if path.name == sets.MANIFEST else path.stem


def choose(source: Source) -> Set:
    """The set of the clips that were chosen; which they are depends on their ids and the seed alone. Of a clip that is
    longer than a window, the text would say more than is heard."""
    whole = find(source.source)
    spoken = [clip for clip in whole.utterances if clip.text.strip() and clip.seconds <= WINDOW_SECONDS]
    if len(spoken) < source.clips:
        die(
            f"calibration.clips: there are {len(spoken)} clips with words, of {WINDOW_SECONDS} s at most, in "
            f"{source.source}, not {source.clips}"
        )
    chosen = sorted(spoken, key=lambda utterance: _rank(source.seed, utterance))[: source.clips]
    return sets.of(whole.name, chosen)


def find(word: str, most: int = 0) -> Set:
    """A set by its name, or by a path from the project's folder."""
    return sets.find(str(folder(word)) if "/" in word else word, most)


def _rank(seed: int, utterance: Utterance) -> bytes:
    return hashlib.sha256(f"{seed} {utterance.id}".encode()).digest()
