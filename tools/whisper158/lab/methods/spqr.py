# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""SpQR (Dettmers et al. 2023, arXiv 2306.03078): small groups whose scales and zero points are quantised too, and the
few weights that cost most stay in floats, wherever they are.

Channels are taken by descending H_jj, and those that follow one another so are grouped, 16 at a time (or as many as
the grid says); their order is stored. Scales and zero points have 3 bits, and 16 of them, of neighbouring rows, share
a scale and a zero point of their own (section 4.2). Algorithm 1: a weight is an outlier if what its group loses falls
by more than a threshold when the weight is left out of the group and its range; the range is that of the others. The
loss is the sum of ((w_j - Q(w_j)) / U_jj)^2; the threshold, a share of the mean of Var(w_j) / U_jj^2 over the channels.
Which weights are kept is decided when their turn comes, as in the authors' code: those that, rounded in that range,
would lose more than the threshold by themselves.
"""

import torch
from torch import Tensor

from whisper158.lab.codes import Codes, Outliers, Weight
from whisper158.lab.feedback import by_loudness, in_order, upper_factor
from whisper158.lab.fit import Params, codes
from whisper158.lab.grid import Grid, Kind
from whisper158.lab.method import Layer, Method
from whisper158.lab.seen import Seen

GROUP = 16
SECOND = Grid(8, symmetric=False, group=16)
SECOND_BITS = 16  # of a scale or zero point of the second level
THRESHOLD = 0.2
DAMPING = 1.0


class Spqr(Method):
    name = "spqr"
    sequential = True
    kinds = frozenset[Kind](("asymmetric",))
    threshold = THRESHOLD

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        grid = Grid(self.scheme.weights.levels, False, self.scheme.weights.group or GROUP)
        order = by_loudness(seen.gram)
        upper = upper_factor(seen.gram[order][:, order], DAMPING)
        diagonal = upper.diagonal()
        limit = self.threshold * float((weight[:, order].double().var(dim=0) / diagonal.square()).mean())
        spans = _Spans(grid, diagonal, limit)
        result = in_order(weight[:, order], grid, upper, spans.fit, limit)
        back = torch.argsort(order)
        rows, channels = result.spare[:, back].nonzero(as_tuple=True)
        outliers = Outliers(rows, channels, result.spared[:, back][rows, channels].half(), len(weight))
        return Layer(Weight((spans.coded(result.codes.codes),), outliers=outliers, order=order), self.input)


class _Spans:
    """Finds each span's parameters in turn, and remembers the codes of the parameters."""

    def __init__(self, grid: Grid, diagonal: Tensor, limit: float) -> None:
        self._grid, self._diagonal, self._limit = grid, diagonal, limit
        self._scales: list[Codes] = []
        self._zeros: list[Codes] = []

    def fit(self, span: Tensor, first: int) -> Params:
        weigh = self._diagonal[first : first + span.shape[1]].square().reciprocal()
        out = outliers(span, weigh, self._grid, self._limit)
        # Zero is within every range, so it takes no part in finding one.
        scales, zeros = fit_floats(torch.where(out, 0, span), self._grid)
        self._scales.append(second_level(scales))
        self._zeros.append(second_level(zeros))
        return Params(self._scales[-1].weights()[0], self._zeros[-1].weights()[0])

    def coded(self, found: Tensor) -> Codes:
        scales, zeros = stacked(self._scales), stacked(self._zeros)
        return Codes(
            self._grid,
            found,
            scales.weights().T.contiguous(),
            zeros.weights().T.contiguous(),
            scale_codes=scales,
            zero_codes=zeros,
        )


def fit_floats(span: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Scales, and zero points that need not be whole numbers"""
    high, low = span.amax(dim=-1).clamp(min=0), span.amin(dim=-1).clamp(max=0)
    scales = torch.where(high > low, (high - low) / grid.highest, torch.ones_like(high))
    return scales.float(), (-low / scales).float()


def outliers(span: Tensor, weigh: Tensor, grid: Grid, limit: float) -> Tensor:
    """Which weights [rows, group] cost more than `limit`: what all lose, less what the others lose without it."""
    group = span.shape[1]
    whole = losses(span, grid) * weigh
    others = torch.stack([torch.cat([torch.arange(j), torch.arange(j + 1, group)]) for j in range(group)])
    others = others.to(span.device)
    left = span[:, others]  # [rows, group, group - 1]
    without = losses(left, grid) * weigh[others]
    return whole.sum(dim=-1, keepdim=True) - without.sum(dim=-1) > limit


def losses(span: Tensor, grid: Grid) -> Tensor:
    """(w - Q(w))^2 of [.., n] weights that share a range"""
    scales, zeros = (found.double()[..., None] for found in fit_floats(span, grid))
    steps = torch.round(span / scales + zeros).clamp(grid.lowest, grid.highest)
    return ((steps - zeros) * scales - span).square()


def second_level(values: Tensor) -> Codes:
    """[rows] as one row of 3-bit codes, whose range is theirs: a scale is never near zero."""
    groups = values.view(1, -1, SECOND.group)
    high, low = groups.amax(dim=-1), groups.amin(dim=-1)
    even = torch.where(high == 0, torch.ones_like(high), high.abs())
    scales = torch.where(high > low, (high - low) / SECOND.highest, even).half().float()
    scales = torch.where(scales > 0, scales, torch.finfo(torch.float16).tiny)
    zeros = (-low / scales).half().float()
    found = codes(values.view(1, -1), SECOND, Params(scales, zeros))
    return Codes(SECOND, found, scales, zeros, scale_bits=SECOND_BITS, zero_bits=SECOND_BITS)


def stacked(rows: list[Codes]) -> Codes:
    zeros = torch.cat([row.zeros for row in rows if row.zeros is not None])
    return Codes(
        SECOND,
        torch.cat([row.codes for row in rows]),
        torch.cat([row.scales for row in rows]),
        zeros,
        scale_bits=SECOND_BITS,
        zero_bits=SECOND_BITS,
    )
