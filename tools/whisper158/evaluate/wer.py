# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Word error rate, with Whisper's English normaliser on both sides and an interval that says how much to trust it."""

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
from whisper_normalizer.english import EnglishTextNormalizer

RESAMPLES = 1000


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


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> Score:
    """The rate over all utterances together. The interval is a bootstrap over utterances, so it takes more than a few.

    Utterances whose reference is empty after normalisation are left out.
    """
    normalise = EnglishTextNormalizer()
    pairs = [(normalise(r), normalise(h)) for r, h in zip(references, hypotheses, strict=True)]
    pairs = [(r, h) for r, h in pairs if r]
    counts = np.array([_counts(reference, hypothesis) for reference, hypothesis in pairs])
    rng = np.random.default_rng(158)
    chosen = rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))
    totals = counts[chosen].sum(axis=1)
    low, high = np.quantile(totals[:, 1:].sum(axis=1) / totals[:, 0], [0.025, 0.975])
    words, substitutions, deletions, insertions = map(int, counts.sum(axis=0))
    return Score(words, substitutions, deletions, insertions, float(low), float(high))


def _counts(reference: str, hypothesis: str) -> tuple[int, int, int, int]:
    result = jiwer.process_words(reference, hypothesis)
    return len(reference.split()), result.substitutions, result.deletions, result.insertions
