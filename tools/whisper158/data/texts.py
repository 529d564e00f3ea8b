# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What voices read aloud: files with one sentence a line, none of which we are later examined with."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from whisper158.data.manifest import Clip
from whisper158.errors import die

# Two texts with as many words in a row in common are taken for the same.
RUN = 6

# How fast people read, roughly.
LETTERS_PER_SECOND = 14.0

LONGEST = 25.0

_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u00a0": " "})


def read(files: Sequence[Path]) -> Iterator[str]:
    """All lines of `files`."""
    for file in files:
        try:
            content = file.read_text()
        except OSError as error:
            die(f"cannot read the text {file}: {error.strerror}")
        except UnicodeDecodeError:
            die(f"{file} is not a text in UTF-8")
        yield from content.splitlines()


def tidy(sentence: str) -> str:
    """`sentence` with straight quotes and single blanks, also around dashes. Quotes and brackets of which there are not
    as many as there should be have their other halves in another sentence, and are left out."""
    sentence = sentence.translate(_STRAIGHT)
    if sentence.count('"') % 2:
        sentence = sentence.replace('"', " ")
    if sentence.count("(") != sentence.count(")"):
        sentence = re.sub("[()]", " ", sentence)
    return " ".join(sentence.replace("--", " -- ").split())


def suitable(sentences: Iterable[str], examined: "Overlap") -> tuple[str, ...]:
    """The different ones of `sentences` that can be read out in a breath and are not in an evaluation set."""
    tidied = map(tidy, sentences)
    chosen = {normal(s): s for s in tidied if _readable(s) and s not in examined}
    return tuple(chosen.values())


def _readable(sentence: str) -> bool:
    words = sentence.split()
    return (
        sentence.isascii()
        and len(words) >= 2
        and seconds(sentence) <= LONGEST
        and sum(map(str.isalpha, sentence)) > 0.6 * len(sentence)
    )


def seconds(text: str) -> float:
    """About how long it takes to say `text`."""
    return len(text) / LETTERS_PER_SECOND


def normal(text: str) -> str:
    """`text` without what cannot be heard: case and punctuation."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def clauses(sentence: str) -> Iterator[str]:
    """The short pieces of `sentence`, of 2 to 5 words, that punctuation cuts it into."""
    for piece in re.split(r"[,;:.!?]\s|\s--?\s|[\"()]", sentence):
        piece = piece.strip(" '\"-,;:.!?")
        if 2 <= len(piece.split()) <= 5 and any(map(str.isalpha, piece)):
            yield piece[0].upper() + piece[1:]


class Overlap:
    """The texts of evaluation sets: `text in overlap` says that training on `text` would be cheating.

    It would be if both are equal or have a run of words in common: sets are cut from books otherwise than we cut them.
    """

    def __init__(self, clips: Iterable[Clip]) -> None:
        texts = [normal(clip.text).split() for clip in clips if clip.text]
        self._whole = {tuple(words) for words in texts}
        self._runs = {run for words in texts for run in _runs(words)}

    def __contains__(self, text: str) -> bool:
        words = normal(text).split()
        return tuple(words) in self._whole or any(run in self._runs for run in _runs(words))


def _runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + RUN]) for start in range(len(words) - RUN + 1))
