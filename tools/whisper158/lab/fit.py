# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Scales and zero points of a matrix, and its codes by them.

Spans are [rows, spans, group]. Scales come out as f32, as they are stored, before any code is found by them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from whisper158.lab.codes import Codes
from whisper158.lab.grid import Grid
from whisper158.model.ternary import project

# The shares of the extremes that `searched` tries, and the power of what is lost whose sum it holds least. They are
# those of GPTQ's code, which QUIK's, QuaRot's and SpinQuant's took over.
SHARES = tuple(1 - i / 100 for i in range(80))
POWER = 2.4


@dataclass(frozen=True)
class Params:
    """scales f32 [rows, spans]; zeros likewise, where the grid is asymmetric."""

    scales: Tensor
    zeros: Tensor | None


# The parameters of spans, by their weights and the grid.
Range = Callable[[Tensor, Grid], Params]


def spans_of(weight: Tensor, grid: Grid) -> Tensor:
    """[rows, channels] as [rows, spans, group]"""
    rows, channels = weight.shape
    group = grid.span(channels)
    if channels % group:
        raise ValueError(f"{channels} channels are no whole number of groups of {group}")
    return weight.reshape(rows, channels // group, group)


def fit_range(spans: Tensor, grid: Grid, top: Tensor | float = 1.0, bottom: Tensor | float = 1.0) -> Params:
    """Of the extremes of every span. Symmetric: s = max|w| / q; where there is a code -q - 1 (grid.py), s = max|w| /
    (q + 1/2), so that it is used and max|w| loses no more than half a step. Asymmetric: s = (max - min) / (levels - 1)
    and z = round(-min / s), where min <= 0 <= max, so that zero is a code. `top` and `bottom` are shares of the
    extremes, for those who clip; a symmetric grid has the first alone."""
    if grid.symmetric:
        return Params((spans.abs().amax(dim=-1) * top * 2 / (grid.highest - grid.lowest)).float(), None)
    high = spans.amax(dim=-1).clamp(min=0) * top
    low = spans.amin(dim=-1).clamp(max=0) * bottom
    scales = ((high - low) / grid.highest).float()
    zeros = torch.round(-low / divisor(scales)).clamp(0, grid.highest).float()
    return Params(scales, zeros)


def fit(weight: Tensor, grid: Grid, importance: Tensor | None = None, of_spans: Range = fit_range) -> Params:
    """By `of_spans`; of ternary grids, the scale of least squared error, in which `importance` [channels] weighs the
    inputs (model/ternary.py)."""
    if not grid.ternary:
        return of_spans(spans_of(weight, grid), grid)
    h = None if importance is None else importance.cpu().numpy()
    scales = project(weight.detach().cpu().numpy(), grid.group, h).scales
    return Params(torch.from_numpy(scales).to(weight.device), None)


def searched(spans: Tensor, grid: Grid) -> Params:
    """As `fit_range`, with the share of the extremes that loses least, of SHARES and by POWER."""
    best = fit_range(spans, grid)
    least = power_lost(spans, grid, best)
    for share in SHARES[1:]:
        params = fit_range(spans, grid, share, share)
        lost = power_lost(spans, grid, params)
        best, least = chosen(lost < least, params, best), torch.minimum(lost, least)
    return best


def power_lost(spans: Tensor, grid: Grid, params: Params) -> Tensor:
    """[rows, spans]"""
    scales = divisor(params.scales)[..., None].to(spans.dtype)
    zeros = 0 if params.zeros is None else params.zeros[..., None].to(spans.dtype)
    steps = torch.round(spans / scales + zeros).clamp(grid.lowest, grid.highest)
    return ((steps - zeros) * scales - spans).abs().pow(POWER).sum(dim=-1)


def chosen(first: Tensor, one: Params, other: Params) -> Params:
    """Of `one` where `first` holds"""
    zeros = torch.where(first, one.zeros, other.zeros) if one.zeros is not None else None
    return Params(torch.where(first, one.scales, other.scales), zeros)


def divisor(scales: Tensor) -> Tensor:
    """A span of zeros has none."""
    return torch.where(scales > 0, scales, torch.ones_like(scales))


def codes(weight: Tensor, grid: Grid, params: Params) -> Tensor:
    """int16 [rows, channels]: clip(round(w / s + z))"""
    spans = spans_of(weight, grid)
    steps = spans / divisor(params.scales)[..., None].to(spans.dtype)
    if params.zeros is not None:
        steps = steps + params.zeros[..., None]
    return torch.round(steps).clamp(grid.lowest, grid.highest).to(torch.int16).view(weight.shape)


def coded(weight: Tensor, grid: Grid, params: Params) -> Codes:
    return with_codes(codes(weight, grid, params), grid, params)


def with_codes(found: Tensor, grid: Grid, params: Params) -> Codes:
    zero_bits = 0 if params.zeros is None else int(grid.code_bits)
    return Codes(grid, found, params.scales, params.zeros, zero_bits=zero_bits)


def nearest(weight: Tensor, grid: Grid) -> Codes:
    """Round to nearest, by the scales of `fit`."""
    return coded(weight, grid, fit(weight, grid))
