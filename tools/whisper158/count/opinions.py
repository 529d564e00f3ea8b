# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What others' models of processors say of a loop: cycles for once round it.

Neither knows the A73. llvm-mca has LLVM's model of the A57 for it, which we narrow to two instructions in a cycle;
OSACA has a model of the A72's ports, which is three wide, and which many vector instructions are missing from.

Both believe that an address which a store counts up is not there before the stored value is; on a processor it is. So
loads and stores that count up are written as two instructions.
"""

import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from whisper158 import needs
from whisper158.errors import die
from whisper158.run import run, tool

ITERATIONS = 1000  # enough for the start of the loop not to matter

# OSACA takes instructions that it does not know for free. With more of them than this part it has no opinion.
MOST_UNKNOWN = 0.1


@dataclass(frozen=True)
class Opinion:
    llvm_mca: float
    osaca: float | None


def available() -> None:
    """Makes sure of both programs."""
    needs.debian("opinions")
    needs.python("opinions")


@cache  # one loop serves a kernel on all its shapes
def ask(lines: tuple[str, ...]) -> Opinion:
    """The opinions on a loop whose instructions are `lines`, the last one its closing branch."""
    with tempfile.TemporaryDirectory(prefix="whisper158-") as work:
        source = Path(work) / "loop.s"
        body = [part for line in lines[:-1] for part in separated(line)]
        source.write_text("\n".join([".L0:", *body, closing(lines[-1])]) + "\n")
        return Opinion(llvm_mca(source), osaca(source, len(body) + 1))


def separated(line: str) -> tuple[str, ...]:
    """A load or store, and the counting of its address where it does that too."""
    if after := re.fullmatch(r"(.*)\[(\w+)\], (#-?\w+|x\d+)", line):
        return f"{after[1]}[{after[2]}]", f"add {after[2]}, {after[2]}, {after[3]}"
    if before := re.fullmatch(r"(.*)\[(\w+), (#-?\w+)\]!", line):
        return f"add {before[2]}, {before[2]}, {before[3]}", f"{before[1]}[{before[2]}]"
    return (line,)


def closing(branch: str) -> str:
    """A branch out of its place, bound to the loop's label."""
    return re.sub(r"(0x)?[0-9a-f]+( <.*>)?$", ".L0", branch)


def llvm_mca(source: Path) -> float:
    flags = ["-mtriple=aarch64-linux-gnu", "-mcpu=cortex-a73", "-dispatch=2", f"-iterations={ITERATIONS}", "-json"]
    report = run(["llvm-mca", *flags, source])
    found = re.search(r'"TotalCycles": (\d+)', report)
    if not found:
        die("llvm-mca's report has no TotalCycles")
    return int(found[1]) / ITERATIONS


def osaca(source: Path, instructions: int) -> float | None:
    """Cycles, or None if it knows too few of the instructions."""
    report = source.with_suffix(".yaml")
    text = run([tool("osaca"), "--arch", "A72", "--ignore-unknown", f"--yaml-out={report}", source])
    if len(re.findall(r"\| X ", text)) > MOST_UNKNOWN * instructions:
        return None
    # Python objects stand in that file, which a reader of plain YAML refuses; the summary has none.
    summary = report.read_text().partition("\nSummary:")[2]
    carried = re.search(r"LCD: ([\d.]+)", summary)
    ports = [float(use) for use in re.findall(r"'\d+': ([\d.]+)", summary)]
    if not carried or not ports:
        die("OSACA's report has no summary")
    return max(float(carried[1]), *ports)
