# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""HQQ, half-quadratic quantisation (Badri and Shaji 2023, mobiusml.github.io/hqq_blog): no calibration; the zero
points are moved so that most weights are met well, whatever becomes of a few.

The l_p norm (p < 1) of W - W' is split by an auxiliary error E: E = shrink(W - W', b) with shrink(x, b) = sign(x)
max(0, |x| - |x|^(p - 1) / b), then z = mean(Q(W) - (W - E) / s) over each span, where W' = s (Q(W) - z); b grows from
round to round. It ends when the mean error no longer falls.
"""

import torch
from torch import Tensor

from whisper158.lab.codes import Codes, Weight
from whisper158.lab.fit import Params, codes, divisor, spans_of
from whisper158.lab.grid import Grid, Kind
from whisper158.lab.method import Layer, Method
from whisper158.lab.seen import Seen

NORM = 0.7
SOFTNESS = 10.0
GROWTH = 1.01
ROUNDS = 20
ZERO_BITS = 16


class Hqq(Method):
    name = "hqq"
    kinds = frozenset[Kind](("asymmetric",))

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        grid = self.scheme.weights
        params = half_quadratic(weight, grid)
        found = codes(weight, grid, params)
        return Layer(Weight((Codes(grid, found, params.scales, params.zeros, zero_bits=ZERO_BITS),)), self.input)


def start(weight: Tensor, grid: Grid) -> Params:
    """Of the extremes, be zero among them or not"""
    spans = spans_of(weight, grid)
    high, low = spans.amax(dim=-1), spans.amin(dim=-1)
    scales = ((high - low) / grid.highest).float()
    return Params(scales, halved(-low / divisor(scales)))


def half_quadratic(weight: Tensor, grid: Grid) -> Params:
    spans = spans_of(weight, grid)
    best = params = start(weight, grid)
    scales = divisor(params.scales)[..., None]
    softness, least = SOFTNESS, float("inf")
    for _ in range(ROUNDS):
        steps = spans_of(codes(weight, grid, params), grid).to(weight)
        assert params.zeros is not None
        off = spans - (steps - params.zeros[..., None]) * scales
        error = float(off.abs().mean())
        if error >= least:
            break
        best, least = params, error
        zeros = (steps - (spans - shrunk(off, softness)) / scales).mean(dim=-1)
        params = Params(params.scales, halved(zeros))
        softness *= GROWTH
    return best


def shrunk(x: Tensor, softness: float) -> Tensor:
    magnitude = x.abs()
    lost = torch.where(magnitude > 0, magnitude, 1) ** (NORM - 1) / softness
    return torch.sign(x) * (magnitude - lost).clamp(min=0)


def halved(zeros: Tensor) -> Tensor:
    """As they are stored"""
    return zeros.half().float()
