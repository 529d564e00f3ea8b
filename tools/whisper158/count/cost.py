# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""An estimate of the cycles that a Cortex-A73 takes. It was never held against a board: read it as a ranking.

Arm publishes no optimisation guide for the A73. What is publicly known of it (Arm's announcement of 2016 and the
reports on it, AnandTech's first of all): two instructions are decoded in a cycle; there are two integer pipelines, one
of which multiplies; one for branches; two that load as well as store; two for vectors and floats. What one instruction
takes of a pipe is not known. It stands here as in LLVM's model of the A57, the nearest relative that is documented
(Arm's guide UAN 0015), which a test compares. Three things differ: loads and stores have the A73's two pipes; float
division is as fast as OSACA's measurements have it on an A72, which the A57's is not; integer division takes as long as
small numbers do. The A57 and the A72 have pipes of 64 bits for floats (measured on the A72: 8 float operations in a
cycle, an FMLA of 128 bits) and of 128 bits for most integer operations. Whether the A73's are as wide is not known
either; so there are two estimates:

    wide      as the A57
    narrow    all that touches a 128-bit register takes two turns of a 64-bit pipe, loads and stores too, of which
              each 128-bit register is decoded for itself

A straight run of instructions takes as long as the pipe that has most to do in it; runs follow one another.
Out-of-order execution across them makes it faster than that. Latencies, cache misses and mispredicted branches make it
slower, and none of them is here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from whisper158.count.profile import Region

# Instructions, or turns of a pipe, in a cycle. `multiply` and `shift` are what only one of the vector pipes can do.
PIPES: Mapping[str, int] = MappingProxyType(
    {"decode": 2, "integer": 2, "multi": 1, "branch": 1, "memory": 2, "vector": 2, "multiply": 1, "shift": 1}
)

Uses = Mapping[str, float]


@dataclass(frozen=True)
class Kind:
    """Instructions that cost the same: those whose mnemonic matches `mnemonics`, which are about vectors or not."""

    name: str
    mnemonics: str
    vector: bool
    uses: Uses
    # A 128-bit operand takes two turns even of the wide estimate's pipes.
    halves: bool = False

    def matches(self, mnemonic: str, vector: bool) -> bool:
        return vector == self.vector and re.fullmatch(self.mnemonics, mnemonic) is not None


BRANCH = Kind("branch", r"b|b\..*|bl|blr|br|ret|cbn?z|tbn?z", False, {"branch": 1})

# The first that matches counts.
KINDS = (
    BRANCH,
    Kind("nothing", r"nop|hint|bti|paciasp|autiasp|dmb|dsb|isb|svc", False, {}),
    Kind("load, store", r"(ld|st).*|prfm|prfum", False, {"memory": 1}),
    Kind("divide", r"[su]div", False, {"integer": 1, "multi": 8}),
    Kind("multiply", r"m(ul|add|sub|neg)|[su]m(ull|addl|subl|negl|ulh)", False, {"integer": 1, "multi": 1}),
    Kind("bit field", r"bfi|bfxil|bfc|bfm|extr|ror", False, {"integer": 1, "multi": 1}),
    Kind("integer", r".*", False, {"integer": 1}),
    Kind("replicating or lane load, lane store", r"ld1r|(ld|st)1lane", True, {"memory": 1, "vector": 1}),
    Kind("load, store", r"ld[rpu1n].*|st[rpu1n].*", True, {"memory": 1}),
    Kind("interleaving load, store", r"(ld|st)[234].*", True, {"memory": 1, "vector": 1}),
    Kind("float divide, root", r"fdiv|fsqrt", True, {"vector": 1, "multiply": 4}, halves=True),
    Kind("to or from integer registers", r"[us]mov|transfer", True, {"vector": 1, "memory": 1}),
    Kind("float sign", r"fabs|fneg", True, {"vector": 1}),
    Kind("float of another size", r"fcvtx?[ln]2?", True, {"vector": 3}),
    Kind("float", r"f(?!mov).*|[us]cvtf", True, {"vector": 1}, halves=True),
    Kind("integer multiply", r"mul|ml[as]|pmul|sqr?dmulh", True, {"vector": 1, "multiply": 1}, halves=True),
    Kind("long multiply", r"[su]m(ull|lal|lsl)2?|sqdm(ull|lal|lsl)2?|pmull2?", True, {"vector": 1, "multiply": 1}),
    Kind("sum across lanes", r"[su]?add(lv|v)", True, {"vector": 2, "shift": 1}),
    Kind("extreme across lanes", r"[su](max|min)v", True, {"vector": 1, "shift": 1}, halves=True),
    Kind("accumulate", r"[su]ada(lp|l2?)|[su]r?sra|[su]abal?2?", True, {"vector": 1, "shift": 1}),
    Kind("shift by register", r"[su]r?shl", True, {"vector": 1, "shift": 1}, halves=True),
    Kind(
        "rounding or saturating shift", r"[su]rshr|rshrn2?|[su]q\w*sh\w+|[su]qxtu?n2?", True, {"vector": 1, "shift": 1}
    ),
    Kind("look-up, interleave", r"tb[lx]|zip[12]|uzp[12]", True, {"vector": 1.5}, halves=True),
    Kind("choice by bit", r"bit|bif|bsl", True, {"vector": 1}, halves=True),
    Kind("vector", r".*", True, {"vector": 1}),
)

VECTOR = re.compile(r"\b(v\d+\.|[bhsdq]\d+\b)")
QUAD = re.compile(r"v\d+\.(16b|8h|4s|2d)|\bq\d+\b")
LANE = re.compile(r"\{.*\}\[\d+\]")
GENERAL = re.compile(r"\b([wx]\d+|[wx]zr)\b")
# An operand that is shifted or extended on the way costs the integer unit that multiplies.
SHIFTED = re.compile(r", (lsl|lsr|asr|[su]xt[bhwx]) ?#?\d*$|, [su]xt[bhw]$")
WRITE_BACK = re.compile(r"\]!|\], ?(#|x)")
SCALED_INDEX = re.compile(r"\[[^\]]+, [wx]\d+, (lsl|[su]xt[wx])[^\]]*\]")


def uses(text: str, narrow: bool) -> Uses:
    """What an instruction takes of each pipe."""
    mnemonic, _, operands = text.partition(" ")
    kind = kind_of(mnemonic, operands)
    taken = {"decode": 1.0, **kind.uses}
    if kind.vector and QUAD.search(operands) and (kind.halves or narrow):
        taken = {pipe: 2 * use if pipe != "decode" else use for pipe, use in taken.items()}
    if "memory" in kind.uses:
        transfers = registers(mnemonic, operands)
        taken["memory"] *= transfers
        if narrow:
            taken["decode"] *= transfers
        # The address is computed by an integer pipe.
        if WRITE_BACK.search(operands) or SCALED_INDEX.search(operands):
            taken["integer"] = taken.get("integer", 0) + 1
    elif not kind.vector and SHIFTED.search(operands) and mnemonic not in ("mov", "movk", "movn", "movz"):
        taken["multi"] = max(taken.get("multi", 0), 1)
    return taken


def kind_of(mnemonic: str, operands: str) -> Kind:
    vector = VECTOR.search(operands) is not None
    if LANE.search(operands) and mnemonic[:2] in ("ld", "st"):
        mnemonic = f"{mnemonic}lane"
    # Of fmov, mov, ins and dup, those that read or write an integer register.
    elif vector and mnemonic in ("fmov", "mov", "ins", "dup") and GENERAL.search(operands):
        mnemonic = "transfer"
    return next(kind for kind in KINDS if kind.matches(mnemonic, vector))


def registers(mnemonic: str, operands: str) -> int:
    """Transfers that a load or store takes: of pairs one if they make 128 bits together; of lists one for each."""
    if mnemonic.startswith(("ldp", "stp", "ldnp", "stnp")):
        return 2 if QUAD.search(operands) else 1
    if operands.startswith("{"):
        return max(1, len(VECTOR.findall(operands.partition("}")[0])))
    return 1


@dataclass(frozen=True)
class Cycles:
    wide: float
    narrow: float

    def __sub__(self, other: "Cycles") -> "Cycles":
        return Cycles(self.wide - other.wide, self.narrow - other.narrow)


def cycles_of_run(texts_in_order: tuple[str, ...], narrow: bool) -> float:
    """Cycles of a straight run of instructions: those of the pipe that has most to do."""
    load = dict.fromkeys(PIPES, 0.0)
    for text in texts_in_order:
        for pipe, use in uses(text, narrow).items():
            load[pipe] += use
    return max(load[pipe] / width for pipe, width in PIPES.items())


def cycles_of(region: Region, texts: Mapping[int, str]) -> Cycles:
    """The estimate for all that was executed in a region."""
    runs = list(straight_runs(region, texts))

    def total(narrow: bool) -> float:
        return sum(times * cycles_of_run(lines, narrow) for lines, times in runs)

    return Cycles(total(False), total(True))


def straight_runs(region: Region, texts: Mapping[int, str]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Neighbouring instructions that were executed equally often, up to a branch; and how often.

    The emulator's blocks will not do: they end at the borders of pages too, which move when anything else does.
    """
    lines: list[str] = []
    after, before = 0, 0  # address behind the run so far, and how often it was executed
    for address, (word, times) in region.by_address().items():
        if lines and (address != after or times != before or BRANCH.matches(lines[-1].split()[0], vector=False)):
            yield tuple(lines), before
            lines = []
        lines.append(texts[word])
        after, before = address + 4, times
    if lines:
        yield tuple(lines), before
