# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From what was said to figures: errors in what people say, words where nobody speaks, and signs of trouble."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whisper158.evaluate import wer
from whisper158.evaluate.accuracy import signs
from whisper158.evaluate.accuracy.cells import Cell, Said
from whisper158.evaluate.accuracy.sets import Set, Utterance
from whisper158.evaluate.wer import Counts, Difference, Score

MINUTE = 60.0


@dataclass(frozen=True)
class Style:
    """Of the texts that have words: shares that end as sentences do and begin with a capital, and punctuation marks
    to 100 words. `texts` counts them."""

    texts: int
    end: float
    capital: float
    marks: float


@dataclass(frozen=True)
class MadeUp:
    """Words where nobody speaks: in a minute, with 95 % bounds; and how many of the clips have any."""

    clips: int
    with_words: int
    words: int
    per_minute: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """`clips` were heard, `left_out` could not be. Looped: a phrase again and again, where the reference has none such.
    Runaway: more words than anybody says in that time. Empty: no word of those that were said."""

    clips: int
    left_out: int
    audio_seconds: float
    cpu_seconds: float
    score: Score | None
    looped: int
    empty: int
    runaway: int
    style: Style | None
    made_up: MadeUp | None


def figures(of: Set, cell: Cell) -> Figures:
    heard = [(u, s.text, s) for u, s in zip(of.utterances, cell.said, strict=True) if s.text is not None]
    spoken = [(u, text) for u, text, _ in heard if has_words(u)]
    others = [(u, text) for u, text, _ in heard if not has_words(u)]
    return Figures(
        clips=len(heard),
        left_out=len(cell.said) - len(heard),
        audio_seconds=sum(u.seconds for u, _, _ in heard),
        cpu_seconds=cell.cpu_seconds,
        score=wer.word_error_rate([u.text for u, _ in spoken], [text for _, text in spoken]) if spoken else None,
        looped=sum(loops(u, text, s) for u, text, s in heard),
        empty=sum(signs.is_empty(text) for _, text in spoken),
        runaway=sum(signs.runs_away(text, u.seconds) for u, text, _ in heard),
        style=style([text for _, text in spoken]),
        made_up=made_up([u.seconds for u, _ in others], [text for _, text in others]) if others else None,
    )


def has_words(utterance: Utterance) -> bool:
    return bool(wer.normaliser()(utterance.text))


def loops(utterance: Utterance, text: str, said: Said) -> bool:
    return (said.repetition or signs.loops(text)) and not signs.loops(utterance.text)


def style(texts: Sequence[str]) -> Style | None:
    texts = [text for text in texts if not signs.is_empty(text)]
    if not texts:
        return None
    words = sum(len(signs.words(text)) for text in texts)
    return Style(
        texts=len(texts),
        end=sum(map(signs.ends, texts)) / len(texts),
        capital=sum(map(signs.begins, texts)) / len(texts),
        marks=100 * sum(map(signs.marks, texts)) / words,
    )


def made_up(seconds: Sequence[float], texts: Sequence[str]) -> MadeUp:
    words = np.array([len(signs.words(text)) for text in texts])
    minutes = np.array(seconds) / MINUTE
    low, high = wer.interval(len(words), lambda chosen: words[chosen].sum(axis=1) / minutes[chosen].sum(axis=1))
    return MadeUp(
        clips=len(texts),
        with_words=int((words > 0).sum()),
        words=int(words.sum()),
        per_minute=float(words.sum() / minutes.sum()),
        low=low,
        high=high,
    )


def compare(of: Set, cell: Cell, baseline: Cell) -> Difference | None:
    """Of error rates, over the utterances that both heard; None where those have no words."""
    both = [
        (u.text, mine.text, other.text)
        for u, mine, other in zip(of.utterances, cell.said, baseline.said, strict=True)
        if mine.text is not None and other.text is not None and has_words(u)
    ]
    if not both:
        return None
    references, mine, others = zip(*both, strict=True)
    counts: Counts = wer.errors(references, mine)
    return wer.difference(counts, wer.errors(references, others))


@dataclass(frozen=True)
class Agreement:
    """How many of the clips that both listeners heard got the same text, letter by letter."""

    clips: int
    same: int
    different: tuple[str, ...]  # ids

    @property
    def share(self) -> float:
        return self.same / self.clips


def agreement(one: Cell, other: Cell) -> Agreement | None:
    both = [(a, b) for a, b in zip(one.said, other.said, strict=True) if a.text is not None and b.text is not None]
    if not both:
        return None
    different = tuple(a.id for a, b in both if a.text != b.text)
    return Agreement(len(both), len(both) - len(different), different)
