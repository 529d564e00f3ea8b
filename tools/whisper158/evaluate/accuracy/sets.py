# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What models are evaluated on, by name: sets of recordings with their words, and sound without any."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from whisper158.data import audio, manifest
from whisper158.data.manifest import Clip
from whisper158.errors import die
from whisper158.evaluate import sounds
from whisper158.evaluate.accuracy import leaderboard, noises
from whisper158.evaluate.accuracy.noises import Noise
from whisper158.paths import ROOT
from whisper158.units import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

# Recordings that are too large to be part of the checkout lie beside it.
FOLDER = ROOT.parent / "shared" / "speech" / "eval"
MANIFEST = "manifest.jsonl"
ASTERISK = "asterisk"
MADE: dict[str, Callable[[], list[Noise]]] = {"silence": noises.silence, "noise": noises.noise}


@dataclass(frozen=True)
class Utterance:
    """A recording (16 kHz) and what is said in it: "" where nobody speaks."""

    id: str
    text: str
    seconds: float
    load: Callable[[], Samples]


@dataclass(frozen=True)
class Set:
    """`sha256` is of the utterances' ids, words and samples."""

    name: str
    utterances: tuple[Utterance, ...]
    sha256: str

    @property
    def ids(self) -> list[str]:
        return [utterance.id for utterance in self.utterances]

    @property
    def seconds(self) -> float:
        return sum(utterance.seconds for utterance in self.utterances)


def names() -> list[str]:
    """All sets that have a name on this machine."""
    return [*(path.parent.name for path in sorted(FOLDER.glob(f"*/{MANIFEST}"))), ASTERISK, *MADE]


def default() -> list[str]:
    """All of them, but the recordings that any machine can fetch only where there are no others."""
    known = names()
    return [name for name in known if name != ASTERISK or known[0] == ASTERISK]


def find(word: str, most: int = 0) -> Set:
    """The set with this name, or of this manifest or folder with one; its first `most` utterances, where given. A set
    of the leaderboard that does not lie here is fetched; of those, `most` are evenly spaced."""
    if word in MADE:
        return made(word, MADE[word]()[: most or None])
    if word == ASTERISK:
        prompts = sounds.sounds()[: most or None]
        return recorded(word, [Clip(s.id, s.path, s.text, word, s.seconds, s.licence, word) for s in prompts])
    if word in leaderboard.SETS and not named(word).is_file():
        return recorded(word, leaderboard.fetch(word, most))
    path = path_of(word)
    name = path.parent.name if path.name == MANIFEST else path.stem
    return recorded(name, manifest.read(path)[: most or None])


def check(word: str) -> None:
    """Raises UserError where find() has nothing to find; fetches nothing."""
    if word not in (*MADE, ASTERISK, *leaderboard.SETS):
        manifest.read(path_of(word))


def named(word: str) -> Path:
    return FOLDER / word / MANIFEST


def path_of(word: str) -> Path:
    path = named(word) if named(word).is_file() and "/" not in word else Path(word)
    path = path / MANIFEST if path.is_dir() else path
    if not path.is_file():
        known = ", ".join([*names(), *leaderboard.SETS])
        die(f"there is no set {word!r}", f"sets are {known}, or the path of a manifest")
    return path


def recorded(name: str, clips: Sequence[Clip]) -> Set:
    for clip in clips:
        if clip.text is None:
            die(f"{clip.path}: its words are not in the manifest, so nothing can be scored", "Leave that set out.")
    return of(name, [Utterance(c.id, c.text or "", c.seconds, partial(audio.samples, c)) for c in clips])


def made(name: str, clips: Sequence[Noise]) -> Set:
    return of(name, [Utterance(c.id, "", len(c.samples) / SAMPLE_RATE, partial(np.copy, c.samples)) for c in clips])


def of(name: str, utterances: Sequence[Utterance]) -> Set:
    if not utterances:
        die(f"the set {name} is empty")
    digest = hashlib.sha256()
    for utterance in utterances:
        digest.update(f"{utterance.id}\n{utterance.text}\n".encode())
        digest.update(utterance.load().tobytes())
    return Set(name, tuple(utterances), digest.hexdigest())
