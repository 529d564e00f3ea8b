# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The machine that is measured on: what it is, and whether it is quiet enough for times on the wall."""

import os
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

# Those of a processor's features that decide which code the contestants run.
FEATURES = (
    *("sse4_1", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2"),
)

SPIN = 300_000  # additions: some hundredths of a second

# Beyond these a time on the wall says more about the neighbours than about the program.
MAX_OTHERS = 0.15  # processors' worth
MAX_STEAL = 0.01
MAX_STRETCH = 1.05


def describe() -> dict[str, Any]:
    info = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", info, re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    name = re.search(r"^(?:model name|CPU part)\s*:\s*(.*)$", info, re.MULTILINE)
    return {
        "cpu": name[1] if name else platform.processor() or "unknown",
        "processors": os.cpu_count(),
        "features": [feature for feature in FEATURES if feature in flags],
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


@dataclass(frozen=True)
class Noise:
    """`others`: processors that other programs kept busy. `steal`: part of a processor that the host took away.

    `stretch`: how much longer than its processor time a known piece of work took; 0 where it was not tried.
    """

    others: float
    steal: float
    load: float
    stretch: float = 0.0


@dataclass(frozen=True)
class Reading:
    """Seconds since the machine started, of all processors together, and of us and the children we waited for."""

    busy: float
    steal: float
    ours: float
    wall: float

    @classmethod
    def now(cls) -> "Reading":
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(
            int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        )
        tick = os.sysconf("SC_CLK_TCK")
        own = os.times()
        ours = own.user + own.system + own.children_user + own.children_system
        return cls((user + nice + system + irq + softirq) / tick, steal / tick, ours, time.monotonic())

    def noise(self, stretch: float = 0.0) -> Noise:
        """Between then and now."""
        end = Reading.now()
        wall = max(end.wall - self.wall, 1e-3)
        others = (end.busy - self.busy) - (end.ours - self.ours)
        return Noise(max(0.0, others / wall), (end.steal - self.steal) / wall, os.getloadavg()[0], stretch)


def listen(seconds: float = 1.0) -> Noise:
    """How quiet it is while nothing of ours runs but a little known work, again and again."""
    began = Reading.now()
    stretches = []
    while time.monotonic() - began.wall < seconds:
        stretches.append(spin())
    return began.noise(max(stretches))


def spin() -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    total = 0
    for i in range(SPIN):
        total += i
    return (time.perf_counter() - wall) / max(time.process_time() - cpu, 1e-6)


def verdict(noises: Sequence[Noise]) -> dict[str, Any]:
    """What the machine was like while these were taken, and what follows, in a sentence."""
    others = median(noise.others for noise in noises)
    steal = median(noise.steal for noise in noises)
    stretch = max(noise.stretch for noise in noises)
    quiet = others <= MAX_OTHERS and steal <= MAX_STEAL and stretch <= MAX_STRETCH
    facts = (
        f"other programs kept {others:.2f} of {os.cpu_count()} processors busy, the host took {steal:.1%}, "
        f"known work took up to {stretch:.2f} times its processor time"
    )
    consequence = (
        "times on the wall count."
        if quiet
        else "times on the wall are useless. Ratios of processor time remain, less exact than on a quiet machine, "
        "since caches and memory are shared."
    )
    return {
        "quiet": quiet,
        "others": others,
        "steal": steal,
        "stretch": stretch,
        "sentence": f"The machine was {'quiet' if quiet else 'NOT QUIET'}: {facts}; {consequence}",
        "readings": [asdict(noise) for noise in noises],
    }
