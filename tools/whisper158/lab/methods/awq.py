# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""AWQ, activation-aware weight quantisation (Lin et al. 2024, arXiv 2306.00978): the weights that matter most are those
of the loudest channels, and a factor before rounding protects them.

Equations 4 and 5: s = s_X^r, where s_X is the mean of |X_j|, and r in {0, 1/20 .. 19/20} is that of least
||Q(W s) (X / s) - W X||^2. Factors are scaled so that the largest and the smallest multiply to one. Then every span's
range is shrunk, down to half, to what gives the least error of its own part of the output.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from whisper158.lab.activations import rounded
from whisper158.lab.codes import Weight
from whisper158.lab.fit import Params, chosen, coded, fit_range, nearest, spans_of, with_codes
from whisper158.lab.fit import codes as codes_of
from whisper158.lab.grid import Grid
from whisper158.lab.method import Calibration, Layer, Method, Option
from whisper158.lab.seen import Seen
from whisper158.lab.stage import Fold, Site, Stage, fold

RATIOS = tuple(i / 20 for i in range(20))
SHRINKS = tuple(1 - i / 40 for i in range(21))
SMALLEST = 1e-4
ROWS = 256  # at a time


class Awq(Method):
    name = "awq"
    ratio: float | None = None
    options = MappingProxyType({"ratio": Option(0, 1)})

    def transform(self, stage: Stage, calibration: Calibration) -> list[Fold]:
        sites = [site for site in stage.sites if site.source]
        if not sites:
            return []
        seen = calibration.observe(stage, sites)
        return fold(stage, {site.name: (self.factor(stage, site, seen[site.name]), None) for site in sites})

    def factor(self, stage: Stage, site: Site, seen: Seen) -> Tensor:
        weight = torch.cat([stage.linear(name).weight.detach() for name in site.linears])
        ratios = RATIOS if self.ratio is None else (self.ratio,)
        return best_factor(weight, seen, self.scheme.weights, self.scheme.activation_bits, ratios)

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        grid = self.scheme.weights
        return Layer(Weight((coded(weight, grid, clipped(weight, seen.sample, grid)),)), self.input)


def best_factor(
    weight: Tensor, seen: Seen, grid: Grid, activation_bits: int, ratios: Sequence[float] = RATIOS
) -> Tensor:
    x = seen.sample.to(weight)
    goal = x @ weight.T
    best, least = torch.ones_like(seen.mean), float("inf")
    for ratio in ratios:
        factor = centred(seen.mean.clamp(min=SMALLEST) ** ratio)
        y = rounded(x / factor, activation_bits) @ nearest(weight * factor, grid).weights().to(weight).T
        error = float((y - goal).square().sum())
        if error < least:
            best, least = factor, error
    return best


def centred(factor: Tensor) -> Tensor:
    return (factor / torch.sqrt(factor.max() * factor.min())).clamp(min=SMALLEST)


def clipped(weight: Tensor, x: Tensor, grid: Grid) -> Params:
    """Every span's parameters, with the range of least ||x_g (Q(w_g) - w_g)||^2"""
    parts = [_clipped_rows(part, x.to(part), grid) for part in weight.split(ROWS)]
    zeros = [part.zeros for part in parts if part.zeros is not None]
    return Params(torch.cat([part.scales for part in parts]), torch.cat(zeros) if zeros else None)


@dataclass
class _Best:
    error: Tensor
    params: Params


def _clipped_rows(weight: Tensor, x: Tensor, grid: Grid) -> Params:
    spans = spans_of(weight, grid)
    # Of each span's inputs all that matters is their products with one another.
    parts = x.view(len(x), spans.shape[1], -1)
    gram = torch.einsum("tsi,tsj->sij", parts, parts)
    best: _Best | None = None
    for shrink in SHRINKS:
        params = fit_range(spans, grid, shrink, shrink)
        found = with_codes(codes_of(weight, grid, params), grid, params).weights().to(weight)
        off = spans_of(found, grid) - spans
        error = torch.einsum("rsi,sij,rsj->rs", off, gram, off)
        if best is None:
            best = _Best(error, params)
            continue
        better = error < best.error
        best = _Best(torch.where(better, error, best.error), chosen(better, params, best.params))
    assert best is not None
    return best.params
