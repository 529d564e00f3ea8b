# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What is wrong, or right, with a text, as can be seen without knowing what was said."""

import re

# A phrase that is said so often in a row, over at least so many words, is a decoder going in circles.
LOOP_TIMES = 4
LOOP_WORDS = 8

# People who speak fast stay below this; what is above is made up.
WORDS_PER_SECOND = 4.5
WORDS_AT_LEAST = 5

MARKS = ".,?!;:"
ENDS = (".", "?", "!", "…")
CLOSING = "\"')]”\u2019"


def words(text: str) -> list[str]:
    """What is between spaces and has a letter or a digit."""
    return [word for word in text.split() if re.search(r"\w", word)]


def loops(text: str) -> bool:
    said = [re.sub(r"[^\w]", "", word).lower() for word in words(text)]
    return any(_repeats(said, period) for period in range(1, len(said) // LOOP_TIMES + 1))


def _repeats(said: list[str], period: int) -> bool:
    """Whether, somewhere, enough words in a row are those that stood `period` words before."""
    need = max(LOOP_TIMES * period, LOOP_WORDS)
    run = period
    for before, word in zip(said, said[period:], strict=False):
        run = run + 1 if word == before else period
        if run >= need:
            return True
    return False


def runs_away(text: str, seconds: float) -> bool:
    return len(words(text)) > WORDS_PER_SECOND * seconds + WORDS_AT_LEAST


def is_empty(text: str) -> bool:
    return not words(text)


def ends(text: str) -> bool:
    """Whether the text ends as a sentence does."""
    return text.rstrip().rstrip(CLOSING).endswith(ENDS)


def begins(text: str) -> bool:
    """Whether the first letter is a capital; a text that begins with a digit does as well."""
    first = re.search(r"[^\W_]", text)
    return first is not None and not first[0].islower()


def marks(text: str) -> int:
    """Punctuation that stands behind a word; the points and commas within numbers do not count."""
    return sum(word[-1] in MARKS for word in (w.rstrip(CLOSING) for w in text.split()) if word)
