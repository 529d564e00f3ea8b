# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The loop in which a kernel spends most of its instructions."""

from collections.abc import Mapping
from dataclasses import dataclass

from whisper158.count.assembly import branch_target
from whisper158.count.profile import Region


@dataclass(frozen=True)
class Loop:
    """An innermost loop: what it executes on its usual way round, its closing branch last."""

    lines: tuple[str, ...]
    iterations: int

    @property
    def instructions(self) -> int:
        return len(self.lines) * self.iterations


def hottest(region: Region, texts: Mapping[int, str]) -> Loop | None:
    """Of the innermost loops that a region ran through, the one with most instructions; None if it ran in none."""
    executed = region.by_address()
    loops = [loop_at(executed, target, branch, texts) for target, branch in innermost(executed)]
    return max(loops, key=lambda loop: loop.instructions, default=None)


def innermost(executed: Mapping[int, tuple[int, int]]) -> list[tuple[int, int]]:
    """First instruction and closing branch of each loop that holds no other one."""
    spans = []
    for address, (word, _) in executed.items():
        target = branch_target(address, word)
        if target is not None and target <= address and target in executed:
            spans.append((target, address))
    return [span for span in spans if not any(holds(span, other) for other in spans)]


def holds(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    return outer != inner and outer[0] <= inner[0] and inner[1] <= outer[1]


def loop_at(executed: Mapping[int, tuple[int, int]], first: int, branch: int, texts: Mapping[int, str]) -> Loop:
    body = [executed[address] for address in range(first, branch + 4, 4) if address in executed]
    iterations = executed[branch][1]
    # What is passed over more often than not is not on the usual way.
    return Loop(tuple(texts[word] for word, times in body if 2 * times > iterations), iterations)
