# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Which numbers a weight may become: how many there are, whether zero is in their middle, and who shares a scale."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from whisper158.errors import die

Kind = Literal["symmetric", "asymmetric", "ternary"]

TERNARY = 3
LEVELS = {"8": 256, "4": 16, "3": 8, "2": 4, "t": TERNARY}
GROUPS = (0, 32, 64, 128)

# Symmetric ones that use the code -q - 1. The blob's 8- and 4-bit formats have none, and lose little by it.
FULL = (8, 4)

# Packed, ternary codes go five to a byte (docs/blob-format.md, t5).
TRIT_BITS = Fraction(8, 5)


@dataclass(frozen=True)
class Grid:
    """`levels` codes: 256, 16, 8, 4, or 3. Symmetric ones go from -q, or where FULL has them -q - 1, to q = levels /
    2 - 1 (ternary: -1 to 1); the others from 0 to levels - 1, and a zero point is taken off. `group` neighbouring
    channels of a row share a scale; 0 means the whole row."""

    levels: int
    symmetric: bool = True
    group: int = 0

    @property
    def lowest(self) -> int:
        if not self.symmetric:
            return 0
        return -self.highest - (self.levels in FULL)

    @property
    def highest(self) -> int:
        if not self.symmetric:
            return self.levels - 1
        return 1 if self.levels == TERNARY else self.levels // 2 - 1

    @property
    def ternary(self) -> bool:
        return self.levels == TERNARY

    @property
    def kind(self) -> Kind:
        if self.ternary:
            return "ternary"
        return "symmetric" if self.symmetric else "asymmetric"

    @property
    def code_bits(self) -> Fraction:
        """What one code takes in memory."""
        return TRIT_BITS if self.ternary else Fraction(self.levels.bit_length() - 1)

    def span(self, channels: int) -> int:
        """How many of a row's channels share a scale."""
        return self.group or channels

    def span_bits(self, channels: int) -> int:
        """What the codes of one span take: whole bytes."""
        return 8 * math.ceil(self.span(channels) * self.code_bits / 8)

    @property
    def name(self) -> str:
        bits = next(word for word, levels in LEVELS.items() if levels == self.levels)
        return f"w{bits}" + (f"g{self.group}" if self.group else "") + ("" if self.symmetric else "a")


def parse(word: str) -> Grid:
    """The grid called w4, w3g64, w4g128a (asymmetric), wt (ternary) or wtg128."""
    match = re.fullmatch(r"w([2348t])(?:g(\d+))?(a)?", word)
    group = int(match[2] or 0) if match else 0
    if not match or group not in GROUPS or (match[2] and not group):
        die(
            f"{word!r} is no grid of weights",
            "it is w, bits (8, 4, 3, 2, or t for ternary), then g and 32, 64 or 128, then a if asymmetric: w4g64a",
        )
    if match[1] == "t" and match[3]:
        die(f"{word!r}: ternary codes are symmetric", f"write {word[:-1]}")
    return Grid(LEVELS[match[1]], match[3] is None, group)
