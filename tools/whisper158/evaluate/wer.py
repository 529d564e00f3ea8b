# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Word error rate, with Whisper's English normaliser on both sides and an interval that says how much to trust it."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from whisper158.errors import die

RESAMPLES = 1000
SEED = 158
CONFIDENCE = (0.025, 0.975)  # 95 %, in the middle

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """Errors in `words` reference words; `low` and `high` bound the rate with 95 % confidence."""

    words: int
    substitutions: int
    deletions: int
    insertions: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        return (self.substitutions + self.deletions + self.insertions) / self.words

    def __str__(self) -> str:
        return (
            f"{self.rate:6.2%} ({self.low:.1%} to {self.high:.1%}; {self.words} words: {self.substitutions} wrong, "
            f"{self.deletions} missing, {self.insertions} too many)"
        )


@dataclass(frozen=True)
class Difference:
    """How much more one rate is than another of the same utterances, and 95 % bounds of that."""

    value: float
    low: float
    high: float


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> Score:
    """The rate over all utterances together. The interval is a bootstrap over utterances, so it takes more than a few.

    Utterances whose reference is empty after normalisation are left out.
    """
    return score(errors(references, hypotheses))


def errors(references: Sequence[str], hypotheses: Sequence[str]) -> Counts:
    """Words, substitutions, deletions and insertions of each utterance that has words: [utterances, 4].

    Where nothing but digits is said in all of them, each digit is a word: the normaliser makes one of "six six zero"
    and three of "6-6-0".
    """
    normalise = normaliser()
    pairs = [(normalise(r), normalise(h)) for r, h in zip(references, hypotheses, strict=True)]
    pairs = [(r, h) for r, h in pairs if r]
    if not pairs:
        die("no reference has a word in it, so there is nothing to score")
    if all(reference.replace(" ", "").isdigit() for reference, _ in pairs):
        pairs = [(spaced(r), spaced(h)) for r, h in pairs]
    return np.array([_count(*pair) for pair in pairs], np.int64)


def spaced(text: str) -> str:
    """With a space between digits."""
    return re.sub(r"(?<=\d)(?=\d)", " ", text)


def score(counts: Counts) -> Score:
    low, high = interval(len(counts), lambda chosen: _rates(counts[chosen]))
    words, substitutions, deletions, insertions = map(int, counts.sum(axis=0))
    return Score(words, substitutions, deletions, insertions, low, high)


def difference(counts: Counts, baseline: Counts) -> Difference:
    """Of two models' errors in the same utterances. Both are resampled together, so that what makes an utterance hard
    for either cancels out."""
    low, high = interval(len(counts), lambda chosen: _rates(counts[chosen]) - _rates(baseline[chosen]))
    return Difference(float(_rates(counts) - _rates(baseline)), low, high)


def interval(n: int, statistic: Callable[[Counts], npt.NDArray[np.float64]]) -> tuple[float, float]:
    """95 % bounds by the bootstrap. `statistic` maps indices [resamples, n] to [resamples] values."""
    chosen = np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))
    low, high = np.quantile(statistic(chosen), CONFIDENCE)
    return float(low), float(high)


@functools.cache
def normaliser() -> Callable[[str], str]:
    """Whisper's, for English."""
    # Of an optional group of packages, as is jiwer.
    from whisper_normalizer.english import EnglishTextNormalizer

    made: Callable[[str], str] = EnglishTextNormalizer()
    return made


def _rates(counts: Counts) -> npt.NDArray[Any]:
    """[..., utterances, 4] to [...]"""
    totals = counts.sum(axis=-2)
    rates: npt.NDArray[Any] = totals[..., 1:].sum(axis=-1) / totals[..., 0]
    return rates


def _count(reference: str, hypothesis: str) -> tuple[int, int, int, int]:
    import jiwer

    result = jiwer.process_words(reference, hypothesis)
    return len(reference.split()), result.substitutions, result.deletions, result.insertions
