# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The table of counts."""

from collections.abc import Mapping, Sequence

from whisper158.count import cost
from whisper158.count.baselines import Baselines, change
from whisper158.count.opinions import Opinion
from whisper158.count.rows import Row

LEGEND = """

/insn, /cycle  multiplications with an addition, or else numbers written, for one instruction and one cycle
A73            estimated Mcycles, never held against a board: if vectors are 128 bits wide, and if they are 64 (cost.py)
loop           of the loop with most instructions: how many it has, and their part of all that were executed"""
OPINIONS = """
mca, OSACA     /cycle if that loop took as long as llvm-mca (A57, two wide) and OSACA (A72, three wide) say;
               - where OSACA does not know the instructions"""


def table(rows: Sequence[Row], kept: Baselines | None, opinions: Sequence[Opinion | None]) -> str:
    """Aligned columns, the legend below. `opinions`, if there are any, has one for each row."""
    counts = ["kernel", "format", "shape", "instructions", "/insn", "change"]
    estimates = ["A73", "(64)", "/cycle", "(64)", "loop", "", *(["mca", "OSACA"] if opinions else [])]
    lines = [[*counts, *estimates]]
    for i, row in enumerate(rows):
        lines.append([*cells(row, kept), *(opinion_cells(row, opinions[i]) if opinions else [])])
    return aligned(lines) + LEGEND + (OPINIONS if opinions else "")


def cells(row: Row, kept: Baselines | None) -> list[str]:
    baseline = kept.instructions.get(row.name) if kept else None
    loop = [str(len(row.loop.lines)), f"{row.loop.instructions / row.instructions:.0%}"] if row.loop else ["-", ""]
    return [
        row.kernel,
        row.format,
        row.shape,
        f"{row.instructions}",
        f"{row.work / row.instructions:#.3g}",
        f"{change(row.instructions, baseline):+.1%}" if baseline else "-",
        *(f"{cycles / 1e6:.3f}" for cycles in (row.cycles.wide, row.cycles.narrow)),
        *(f"{row.work / cycles:#.3g}" for cycles in (row.cycles.wide, row.cycles.narrow)),
        *loop,
    ]


def opinion_cells(row: Row, opinion: Opinion | None) -> list[str]:
    if opinion is None:
        return ["-", "-"]
    return ["-" if cycles is None else f"{rate(row, cycles):#.3g}" for cycles in (opinion.llvm_mca, opinion.osaca)]


def rate(row: Row, cycles_of_loop: float) -> float:
    """Work in a cycle if once round the loop took so many cycles and all else what we estimate."""
    if row.loop is None:
        raise ValueError(f"{row.name} has no loop")
    rest = row.cycles.wide - row.loop.iterations * cost.cycles_of_run(row.loop.lines, narrow=False)
    return row.work / (rest + row.loop.iterations * cycles_of_loop)


def functions(row: Row, counts: Mapping[str, int], most: int) -> str:
    """The functions in which most instructions were executed."""
    lines = [[name, str(n), f"{n / row.instructions:.1%}"] for name, n in list(counts.items())[:most]]
    return f"{row.name}\n{aligned(lines, names=1)}"


def aligned(lines: Sequence[Sequence[str]], names: int = 3) -> str:
    """The first `names` columns begin at the left, the others end at the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{'<' if i < names else '>'}{widths[i]}}" for i, cell in enumerate(line)).rstrip()
        for line in lines
    )
