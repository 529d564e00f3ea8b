# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What others' models of processors say of a loop: cycles for once round it.

Neither knows the A73. llvm-mca has LLVM's model of the A57 for it, which we narrow to two instructions in a cycle;
OSACA has a model of the A72's ports, which is three wide.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from whisper158 import needs
from whisper158.errors import die
from whisper158.run import run, tool

ITERATIONS = 1000  # enough for the start of the loop not to matter


@dataclass(frozen=True)
class Opinion:
    llvm_mca: float
    osaca: float
    # Instructions that OSACA does not know and takes for free.
    unknown: int


def available() -> None:
    """Makes sure of both programs."""
    needs.debian("opinions")
    needs.python("opinions")


def ask(lines: tuple[str, ...]) -> Opinion:
    """The opinions on a loop whose instructions are `lines`, the last one its closing branch."""
    with tempfile.TemporaryDirectory(prefix="whisper158-") as work:
        source = Path(work) / "loop.s"
        source.write_text("\n".join([".L0:", *lines[:-1], closing(lines[-1])]) + "\n")
        cycles, unknown = osaca(source)
        return Opinion(llvm_mca(source), cycles, unknown)


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


def osaca(source: Path) -> tuple[float, int]:
    """Cycles, and how many instructions it does not know."""
    report = source.with_suffix(".yaml")
    text = run([tool("osaca"), "--arch", "A72", "--ignore-unknown", f"--yaml-out={report}", source])
    # Python objects stand in that file, which a reader of plain YAML refuses; the summary has none.
    summary = report.read_text().partition("\nSummary:")[2]
    carried = re.search(r"LCD: ([\d.]+)", summary)
    ports = [float(use) for use in re.findall(r"'\d+': ([\d.]+)", summary)]
    if not carried or not ports:
        die("OSACA's report has no summary")
    return max(float(carried[1]), *ports), len(re.findall(r"\| X ", text))
