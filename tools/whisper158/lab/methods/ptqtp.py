# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""PTQTP, trit planes (arXiv 2509.16989): a matrix as the sum of two ternary ones. No calibration, and the kernel that
multiplies ternary matrices runs it, twice.

w = a1 t1 + a2 t2 in every span, found in turns: (a1, a2) by ridge regression, (S + l I)^-1 r with S_ij = t_i . t_j and
r_i = t_i . w, where l is raised while S is near singular; then of each weight the best of the nine pairs (t1, t2). It
begins with t1 = sign(w) and t2 = sign(w - mean|w| t1), and ends when nothing changes.
"""

import torch
from torch import Tensor

from whisper158.lab.codes import Codes, Weight
from whisper158.lab.fit import spans_of
from whisper158.lab.grid import Grid, Kind
from whisper158.lab.method import Layer, Method
from whisper158.lab.seen import Seen

ROUNDS = 50
RIDGE = 1e-8
SINGULAR = 1e-6
ROWS = 256  # at a time: nine candidates of each weight are looked at

TRITS = torch.tensor([(a, b) for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0)], dtype=torch.float64)


class Ptqtp(Method):
    name = "ptqtp"
    kinds = frozenset[Kind](("ternary",))

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        return Layer(Weight(planes(weight, self.scheme.weights)), self.input)


def planes(weight: Tensor, grid: Grid) -> tuple[Codes, Codes]:
    parts = [decomposed(spans_of(rows, grid).double()) for rows in weight.split(ROWS)]
    trits = torch.cat([part[0] for part in parts])  # [rows, spans, group, 2]
    scales = torch.cat([part[1] for part in parts])  # [rows, spans, 2]
    # A scale has no sign; its codes take it.
    trits, scales = trits * torch.where(scales < 0, -1.0, 1.0)[..., None, :], scales.abs()
    one, two = (
        Codes(grid, trits[..., i].reshape(weight.shape).to(torch.int16), scales[..., i].float()) for i in (0, 1)
    )
    return one, two


def decomposed(w: Tensor) -> tuple[Tensor, Tensor]:
    """Trits [rows, spans, group, 2] and scales [rows, spans, 2] of w [rows, spans, group]."""
    first = torch.sign(w)
    second = torch.sign(w - w.abs().mean(dim=-1, keepdim=True) * first)
    trits = torch.stack([first, second], dim=-1)
    scales = regressed(w, trits)
    for _ in range(ROUNDS):
        changed = best_pairs(w, scales)
        if torch.equal(changed, trits):
            break
        trits, scales = changed, regressed(w, changed)
    return trits, scales


def regressed(w: Tensor, trits: Tensor) -> Tensor:
    gram = trits.mT @ trits
    right = (trits.mT @ w[..., None])[..., 0]
    size = gram.diagonal(dim1=-2, dim2=-1).sum(dim=-1).clamp(min=1)
    ridge = torch.full_like(size, RIDGE)
    while True:
        damped = gram + ridge[..., None, None] * torch.eye(2, dtype=gram.dtype, device=gram.device)
        poor = torch.linalg.det(damped) < SINGULAR * size
        if not poor.any() or float(ridge.max()) > 1:
            return torch.linalg.solve(damped, right)
        ridge = torch.where(poor, ridge * 10, ridge)


def best_pairs(w: Tensor, scales: Tensor) -> Tensor:
    pairs = TRITS.to(w)
    values = scales @ pairs.T  # [rows, spans, 9]
    nearest = (w[..., None] - values[..., None, :]).abs().argmin(dim=-1)
    return pairs[nearest]
