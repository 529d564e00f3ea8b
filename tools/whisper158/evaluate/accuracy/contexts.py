# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How much the encoder is given to hear: as whisper158.h has it, and one more, for which a model need not be ready."""

from dataclasses import dataclass

from whisper158.errors import die

FULL_FRAMES = 1500
COLUMNS_PER_FRAME = 2
MARGIN = 25  # frames that AUTO leaves behind what it is to hear
TILE = 16  # it rounds up to these

_AUTO = 0
_FULL = 2**32 - 1


@dataclass(frozen=True)
class AudioContext:
    """A name, and what the runtime is given for it.

    `auto` is the runtime's choice, which is the full context unless the model was validated for less; `fit` is the
    same rule for a model whose shortest context is ignored.
    """

    name: str
    frames: int

    @property
    def any_length(self) -> bool:
        return self.name == "fit"

    def of_window(self, columns: int, shortest: int, full: int) -> int:
        """Frames for a window in which something is heard for so many columns."""
        if self.frames not in (_AUTO, _FULL):
            return self.frames
        shortest = 1 if self.any_length else shortest
        if self.frames == _FULL or shortest == full:
            return full
        fitted = -(-(columns // COLUMNS_PER_FRAME + MARGIN) // TILE) * TILE
        return max(min(fitted, full), shortest)


FULL = AudioContext("full", _FULL)
NAMED = {context.name: context for context in (AudioContext("auto", _AUTO), FULL, AudioContext("fit", _AUTO))}


def parse(word: str, where: str = "--audio-context") -> AudioContext:
    """where: what the user knows the word by"""
    if word in NAMED:
        return NAMED[word]
    if word.isascii() and word.isdigit() and len(word) <= 4 and 1 <= int(word) <= FULL_FRAMES:
        return AudioContext(str(int(word)), int(word))
    die(
        f"{where} {word} is not a context",
        f"contexts are {', '.join(NAMED)}, or a number of frames of 20 ms, 1 to {FULL_FRAMES}",
    )
