# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Rounding with feedback: what one channel's rounding gets wrong, the channels after it make good.

GPTQ (Frantar et al. 2023, arXiv 2210.17323), its algorithm 1: with H = X^T X + damping and U the upper Cholesky
factor of H^-1, channel by channel q_j = Q(w_j), e = (w_j - q_j) / U_jj, and of all later channels w_k -= e U_jk. All
of it in f64.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from whisper158.lab.codes import Codes
from whisper158.lab.fit import Params, divisor, with_codes
from whisper158.lab.grid import Grid

BLOCK = 128  # channels that pass their errors on at once; those behind get them in one product. Groups divide it
DAMPING = 0.01  # of the mean of H's diagonal

# The parameters of one span, of its weights as they stand [rows, group] and their first channel: scales and zeros
# [rows].
Fit = Callable[[Tensor, int], Params]


@dataclass(frozen=True)
class Rounded:
    """spared: the weights that stay in floats, with the errors of the channels before them made good; zero
    elsewhere."""

    codes: Codes
    spare: Tensor
    spared: Tensor


def upper_factor(gram: Tensor, damping: float) -> Tensor:
    """U, upper triangular with U^T U = H^-1, of the damped Hessian. Channels that were never active stand alone."""
    hessian = gram.double().clone()
    diagonal = hessian.diagonal()
    diagonal[diagonal == 0] = 1
    diagonal += damping * diagonal.mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    return torch.linalg.cholesky(inverse, upper=True)


def in_order(weight: Tensor, grid: Grid, upper: Tensor, fit_span: Fit, limit: float = math.inf) -> Rounded:
    """Channel by channel as they stand. weight [rows, channels]; upper as of `upper_factor`. Weights whose e^2 is above
    `limit` stay in floats."""
    rows, channels = weight.shape
    group = grid.span(channels)
    work = weight.double().clone()
    codes = torch.zeros(rows, channels, dtype=torch.int16, device=weight.device)
    spared = torch.zeros(rows, channels, dtype=torch.bool, device=weight.device)
    left = torch.zeros_like(work)
    found: list[Params] = []
    for start in range(0, channels, BLOCK):
        stop = min(start + BLOCK, channels)
        errors = torch.zeros(rows, stop - start, dtype=torch.float64, device=weight.device)
        for j in range(start, stop):
            if j % group == 0:
                params = fit_span(work[:, j : j + group], j)
                found.append(params)
            column = work[:, j].clone()
            code = column_codes(column, grid, found[-1])
            value = column_values(code, found[-1])
            spared[:, j] = out = ((column - value) / upper[j, j]).square() > limit
            left[:, j] = torch.where(out, column.half().double(), 0)
            value = torch.where(out, left[:, j], value)
            codes[:, j] = torch.where(out, 0, code)
            error = (column - value) / upper[j, j]
            errors[:, j - start] = error
            work[:, j + 1 : stop] -= error[:, None] * upper[j, j + 1 : stop]
        work[:, stop:] -= errors @ upper[start:stop, stop:]
    zeros = [params.zeros for params in found if params.zeros is not None]
    scales = torch.stack([params.scales for params in found], dim=1)
    params = Params(scales, torch.stack(zeros, dim=1) if zeros else None)
    return Rounded(with_codes(codes, grid, params), spared, left)


def by_loudness(gram: Tensor) -> Tensor:
    """The channels by descending H_jj."""
    return torch.argsort(gram.diagonal(), descending=True, stable=True)


def reordered(weight: Tensor, grid: Grid, params: Params, order: Tensor, upper: Tensor) -> Rounded:
    """In another order, of which `upper` is; spans stay those of neighbours, whose parameters are found beforehand."""
    group = grid.span(weight.shape[1])
    # Every channel is a span of its own here, with the parameters of the one it belongs to.
    single = Grid(grid.levels, grid.symmetric, 1)

    def of(_span: Tensor, position: int) -> Params:
        i = int(order[position]) // group
        return Params(params.scales[:, i], None if params.zeros is None else params.zeros[:, i])

    result = in_order(weight[:, order], single, upper, of)
    back = torch.argsort(order)
    codes = with_codes(result.codes.codes[:, back], grid, params)
    return Rounded(codes, result.spare[:, back], result.spared[:, back])


def column_codes(column: Tensor, grid: Grid, params: Params) -> Tensor:
    steps = column / divisor(params.scales).double()
    if params.zeros is not None:
        steps = steps + params.zeros.double()
    return torch.round(steps).clamp(grid.lowest, grid.highest).to(torch.int16)


def column_values(codes: Tensor, params: Params) -> Tensor:
    """As Codes.weights() has them, in f32."""
    steps = codes.float() if params.zeros is None else codes.float() - params.zeros
    return (steps * params.scales).double()


def output_error(weight: Tensor, other: Tensor, gram: Tensor) -> float:
    """||X W^T - X V^T|| / ||X W^T||, of X^T X; 0 where there is no output"""
    off, weight = (weight - other).double(), weight.double()
    size = float(((weight @ gram) * weight).sum())
    return math.sqrt(max(float(((off @ gram) * off).sum()), 0) / size) if size > 0 else 0.0
