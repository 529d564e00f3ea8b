# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Instructions as text, and the names of functions, by way of binutils."""

import re
import struct
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from whisper158.count.profile import FileMapping, Profile, Region
from whisper158.run import run

PREFIX = "aarch64-linux-gnu-"
LINE = re.compile(r"^\s*([0-9a-f]+):\t[0-9a-f]{8} +\t(.*)$", re.MULTILINE)


def texts(words: Iterable[int]) -> Mapping[int, str]:
    """The assembly of each of `words`. Targets of branches are meaningless: a word alone does not know its address."""
    distinct = sorted(set(words))
    with tempfile.NamedTemporaryFile(prefix="whisper158-") as file:
        file.write(struct.pack(f"<{len(distinct)}I", *distinct))
        file.flush()
        listing = run([f"{PREFIX}objdump", "-D", "-z", "-b", "binary", "-m", "aarch64", file.name])
    lines = {int(address, 16): text for address, text in LINE.findall(listing)}
    return {word: plain(lines[4 * i]) for i, word in enumerate(distinct)}


def plain(text: str) -> str:
    """Without what objdump adds for people."""
    return " ".join(text.partition("//")[0].split())


def branch_target(address: int, word: int) -> int | None:
    """Where a branch with its target in the instruction goes, calls left out; None for any other instruction."""
    if word >> 26 == 0b000101:  # b
        return address + 4 * signed(word, 0, 26)
    if word >> 24 == 0b01010100 or (word >> 25) & 0b111111 == 0b011010:  # b.cond, cbz, cbnz
        return address + 4 * signed(word, 5, 19)
    if (word >> 25) & 0b111111 == 0b011011:  # tbz, tbnz
        return address + 4 * signed(word, 5, 14)
    return None


def signed(word: int, low: int, bits: int) -> int:
    value = (word >> low) & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


# ------------------------------------------------------------------------------------------------------------ functions


@dataclass(frozen=True)
class Symbols:
    """The functions of a file, by address in the file's own terms."""

    addresses: tuple[int, ...]
    names: tuple[str, ...]

    def name(self, address: int) -> str | None:
        i = bisect_right(self.addresses, address)
        return self.names[i - 1] if i else None


def by_function(profile: Profile, region: Region) -> dict[str, int]:
    """Instructions executed in each function, the most first."""
    symbols: dict[str, Symbols] = {}
    counts: dict[str, int] = defaultdict(int)
    for block, times in region.times.items():
        counts[function(profile, block.address, symbols)] += len(block.words) * times
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def function(profile: Profile, address: int, symbols: dict[str, Symbols]) -> str:
    """The name of the function at `address`; `symbols` remembers the files that were read."""
    for mapping in profile.mappings:
        if mapping.start <= address < mapping.end:
            if mapping.path not in symbols:
                symbols[mapping.path] = read_symbols(Path(mapping.path))
            inside = file_address(mapping, address)
            return symbols[mapping.path].name(inside) or Path(mapping.path).name
    return "?"


def file_address(mapping: FileMapping, address: int) -> int:
    """An address in memory as the file's symbols give it. Code lies in the first segment, which begins at 0 of both."""
    return address - mapping.start + mapping.offset


def read_symbols(path: Path) -> Symbols:
    """Functions of the symbol table and, for a stripped library, of the dynamic one."""
    found: dict[int, str] = {}
    for table in ("--dynamic", "--no-demangle"):
        listing = run([f"{PREFIX}nm", "--defined-only", table, path])
        for line in listing.splitlines():
            address, kind, name = line.split(maxsplit=2)
            if kind in "tTwWi":
                found[int(address, 16)] = name.partition("@")[0]
    ordered = sorted(found)
    return Symbols(tuple(ordered), tuple(found[address] for address in ordered))
