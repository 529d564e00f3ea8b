# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What an emulated program executed, as the plugin wrote it down (plugin.c says how)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from whisper158.errors import die


@dataclass(frozen=True)
class Block:
    """A straight run of instructions: executed from the first to the last, or not at all."""

    address: int
    words: tuple[int, ...]


@dataclass(frozen=True)
class FileMapping:
    """Where in the program's memory a file lies."""

    start: int
    end: int
    offset: int
    path: str


@dataclass(frozen=True)
class Region:
    """What was executed between two marks of the program: blocks, and how often."""

    times: Mapping[Block, int]

    @property
    def instructions(self) -> int:
        return sum(len(block.words) * times for block, times in self.times.items())

    def by_address(self) -> dict[int, tuple[int, int]]:
        """Instruction and number of times it was executed, by address, in the order of addresses."""
        words: dict[int, int] = {}
        counts: dict[int, int] = defaultdict(int)
        for block, times in self.times.items():
            for i, word in enumerate(block.words):
                words[block.address + 4 * i] = word
                counts[block.address + 4 * i] += times
        return {address: (words[address], counts[address]) for address in sorted(words)}


@dataclass(frozen=True)
class Profile:
    regions: Mapping[int, Region]
    mappings: tuple[FileMapping, ...]

    def words(self) -> set[int]:
        """Every instruction that was executed."""
        return {word for region in self.regions.values() for block in region.times for word in block.words}


def parse(lines: Iterable[str]) -> Profile:
    """Reads what plugin.c wrote. Raises UserError if counts cannot be trusted."""
    blocks: list[Block] = []
    counts: list[tuple[int, int, int]] = []
    mappings: list[FileMapping] = []
    threads = 0
    for line in lines:
        kind, *words = line.split()
        if kind == "block":
            blocks.append(Block(int(words[0], 16), tuple(int(word, 16) for word in words[1:])))
        elif kind == "count":
            region, block, times = map(int, words)
            counts.append((region, block, times))
        elif kind == "map":
            start, end, offset = (int(word, 16) for word in words[:3])
            mappings.append(FileMapping(start, end, offset, line.split(maxsplit=4)[4].rstrip("\n")))
        elif kind == "threads":
            threads = int(words[0])
    if threads != 1:
        die(f"the program had {threads} threads, and instructions can be counted of one only")
    times_of: dict[int, dict[Block, int]] = defaultdict(lambda: defaultdict(int))
    for region, block, times in counts:
        times_of[region][blocks[block]] += times
    return Profile({number: Region(dict(times)) for number, times in times_of.items()}, tuple(mappings))
