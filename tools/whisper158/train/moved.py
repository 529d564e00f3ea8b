# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How many codes a stage of training has changed, by kinds of matrices: where none change, nothing is learnt but
scales, and where many do, rates may be too high to settle."""

from pathlib import Path

from torch import Tensor

from whisper158.errors import die
from whisper158.train import saving
from whisper158.train.quantisers import ternary_codes

HEADER = """| matrices | mean scale | codes that changed | from block to block |
|---|---|---|---|"""
SCALE, WEIGHT = ".scale", ".weight"


def table(before: str, after: str) -> str:
    """Markdown; of two checkpoints of a ternary model. Raises UserError."""
    old, new = (saving.load(Path(path)) for path in (before, after))
    if old.quantisation != new.quantisation or old.origin != new.origin:
        die(f"{after}: is of another model or quantisation than {before}", "name two checkpoints of one run")
    names = [name.removesuffix(SCALE) for name in new.student if ".blocks." in name and name.endswith(SCALE)]
    if not names:
        die(f"{after}: has no ternary matrices, so no codes")
    if absent := [name for name in names for of in (SCALE, WEIGHT) if name + of not in old.student]:
        die(f"{before}: lacks {absent[0]}", "name two checkpoints of one run")
    rows: dict[str, list[tuple[float, float]]] = {}
    for name in names:
        side, _, _, matrix = name.split(".", 3)
        a, b = _codes(old.student, name), _codes(new.student, name)
        moved = float((a != b).float().mean())
        rows.setdefault(f"{side} {matrix}", []).append((float(new.student[name + SCALE].mean()), moved))
    return "\n".join([HEADER, *(_row(kind, found) for kind, found in rows.items())])


def _codes(student: dict[str, Tensor], name: str) -> Tensor:
    return ternary_codes(student[name + WEIGHT], student[name + SCALE])


def _row(kind: str, found: list[tuple[float, float]]) -> str:
    scale, moved = (sum(values) / len(found) for values in zip(*found, strict=True))
    each = [share for _, share in found]
    return f"| {kind} | {scale:.3f} | {moved:.1%} | {min(each):.1%} to {max(each):.1%} |"
