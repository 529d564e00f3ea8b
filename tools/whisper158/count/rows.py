# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the counted programs of runtime/tests/count print, joined with what was counted of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from whisper158.count import cost
from whisper158.count.loops import Loop, hottest
from whisper158.count.profile import Profile, Region
from whisper158.errors import die

# The region of an empty function: what it takes to call one.
NOTHING = 1


@dataclass(frozen=True)
class Row:
    """A kernel or a stage. `work` counts multiplications with addition or, where there are none, numbers written."""

    kernel: str
    format: str
    shape: str
    work: int
    instructions: int
    cycles: cost.Cycles
    loop: Loop | None

    @property
    def name(self) -> str:
        return " ".join((self.kernel, *(() if self.format == "-" else (self.format,)), self.shape))


def read(output: str, profile: Profile, texts: Mapping[int, str]) -> list[Row]:
    """A row for each line of `output`: REGION KERNEL FORMAT SHAPE WORK."""
    call = profile.regions.get(NOTHING, Region({}))
    rows = []
    for line in output.splitlines():
        number, kernel, form, shape, work = line.split()
        if int(number) == NOTHING:
            continue
        region = profile.regions.get(int(number))
        if region is None:
            die(f"nothing was counted of {kernel} {form} {shape}")
        rows.append(
            Row(
                kernel=kernel,
                format=form,
                shape=shape,
                work=int(work),
                instructions=region.instructions - call.instructions,
                cycles=cost.cycles_of(region, texts) - cost.cycles_of(call, texts),
                loop=hottest(region, texts),
            )
        )
    return rows
