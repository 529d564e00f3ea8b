# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How many instructions each kernel may take: what it took when the file was last written, and three in a hundred more.

Counts depend on the compiler; with another one than the file's they say nothing about the code.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from whisper158 import whole
from whisper158.errors import die
from whisper158.paths import RUNTIME

FILE = RUNTIME / "tests" / "count" / "baselines.json"
TOLERANCE = 3  # in a hundred
UPDATE = "./inv runtime.count --update"


@dataclass(frozen=True)
class Baselines:
    compiler: str
    instructions: Mapping[str, int]


@dataclass(frozen=True)
class Verdict:
    """What is wrong, in sentences; and what is worth a word."""

    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def read(path: Path) -> Baselines:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        die(f"cannot read the baselines {path}: {error}", f"to write them anew: {UPDATE}")
    instructions = found.get("instructions") if isinstance(found, dict) else None
    if not isinstance(instructions, dict) or not isinstance(found.get("compiler"), str):
        die(f"{path} holds no baselines", f"to write them anew: {UPDATE}")
    for name, n in instructions.items():
        if type(n) is not int or n < 1:
            die(f"{path}: {name!r} is {n!r}, no number of instructions", f"to write it anew: {UPDATE}")
    return Baselines(found["compiler"], instructions)


def write(baselines: Baselines, path: Path) -> None:
    whole.write(path, json.dumps(asdict(baselines), indent=2) + "\n")


def change(instructions: int, baseline: int) -> float:
    """By what part of the baseline it is more."""
    return instructions / baseline - 1


def judge(counted: Baselines, kept: Baselines) -> Verdict:
    if counted.compiler != kept.compiler:
        return Verdict(remarks=(other_compiler(counted.compiler, kept.compiler),))
    faults = [
        fault for name, n in counted.instructions.items() if (fault := fault_of(name, n, kept.instructions.get(name)))
    ]
    gone = sorted(kept.instructions.keys() - counted.instructions.keys())
    faults += [f"{name} has a baseline and is counted no more ({UPDATE})" for name in gone]
    better = sum(is_better(n, kept.instructions.get(name, n)) for name, n in counted.instructions.items())
    remarks = [f"{better} need over {TOLERANCE} % less than their baselines ({UPDATE})"] if better else []
    return Verdict(tuple(faults), tuple(remarks))


def fault_of(name: str, instructions: int, baseline: int | None) -> str | None:
    if baseline is None:
        return f"{name} has no baseline ({UPDATE})"
    if 100 * instructions <= (100 + TOLERANCE) * baseline:
        return None
    more = change(instructions, baseline)
    return f"{name} needs {more:.1%} more instructions than its baseline: {instructions} instead of {baseline}"


def is_better(instructions: int, baseline: int) -> bool:
    return 100 * instructions < (100 - TOLERANCE) * baseline


def other_compiler(counted: str, kept: str) -> str:
    return (
        f"not judged: counted with {counted}, the baselines are of {kept}. To judge a change with this compiler, run "
        f"{UPDATE} without the change, then ./inv runtime.count with it"
    )


def compiler_of(version: str) -> str:
    """Name and version from the first line of `gcc --version`: what stands in the file."""
    line = version.partition("\n")[0].strip()
    return re.sub(r"^\S*gcc", "gcc", line)
