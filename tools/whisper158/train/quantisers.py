# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Quantised products that can be trained: forward they compute what the runtime computes, backward they pretend.

A straight-through estimator: rounding has no useful derivative, so the gradient passes it as if it were the identity.
The latent weight w learns which code it is; the scale a is a parameter of its own, whose gradient is sum(code * g).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

LARGEST_INT8 = 127
LARGEST_INT4 = 7
SMALLEST_SCALE = 1e-5
SMALLEST_STEP = 1e-8


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a @ b with float32 out, and before that what `narrow` makes of the machine's choice."""
    return (narrow(a) @ narrow(b)).float()


def narrow(x: Tensor) -> Tensor:
    """x as products take it: bfloat16, in which int8 codes are exact and whose sums are those of float32, where run.py
    chose that for the machine; float32 elsewhere."""
    return x.to(product_type(x.device))


def product_type(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if halved(device) else torch.float32


def halved(device: torch.device) -> bool:
    """Whether products are to be made in bfloat16. PyTorch's own setting for either kind of device says so."""
    backend = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    return bool(backend.matmul.fp32_precision == "bf16")


def ternary_codes(weight: Tensor, scale: Tensor) -> Tensor:
    """-1, 0 or 1 for each latent weight [rows, channels]; scale [rows, spans]. As float32, in weight's shape."""
    rows, spans = scale.shape
    codes = weight.view(rows, spans, -1) / scale.clamp(min=SMALLEST_SCALE)[..., None]
    return codes.round_().clamp_(-1, 1).view(weight.shape)


def int4_codes(weight: Tensor, scale: Tensor) -> Tensor:
    """-7 to 7 for each latent weight [rows, channels]; scale [rows, spans]. As float32, in weight's shape."""
    rows, spans = scale.shape
    codes = weight.view(rows, spans, -1) / scale.clamp(min=SMALLEST_SCALE)[..., None]
    return codes.round_().clamp_(-LARGEST_INT4, LARGEST_INT4).view(weight.shape)


def spread(scale: Tensor, shape: torch.Size) -> Tensor:
    """scale [rows, spans] as [rows, channels]"""
    return scale.clamp(min=SMALLEST_SCALE).repeat_interleave(shape[1] // scale.shape[1], dim=1)


def _rounded(x: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """x [vectors, channels] as int8 codes, held as `kind`, and their steps [vectors, 1]"""
    step = (x.abs().amax(dim=-1, keepdim=True).float() / LARGEST_INT8).clamp(min=SMALLEST_STEP)
    return (x / step).round().to(kind), step


def _scaled(sums: Tensor, step: Tensor, rows: Tensor, bias: Tensor) -> Tensor:
    return sums.float() * step * rows + bias


def _parts(g: Tensor, step: Tensor, rows: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of y [vectors, rows] on its way to the input, to the weights, to the bias"""
    return (g * rows).to(kind), (g * step).to(kind), g.sum(dim=0)


@dataclass(frozen=True)
class Between:
    """What stands between the products. Pass by pass over memory it takes longer than they do; fused, it needs a C++
    compiler and a minute at the start."""

    rounded: Callable[[Tensor, torch.dtype], tuple[Tensor, Tensor]]
    scaled: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    parts: Callable[[Tensor, Tensor, Tensor, torch.dtype], tuple[Tensor, Tensor, Tensor]]


PLAIN = Between(_rounded, _scaled, _parts)


@cache
def fused() -> Between:
    return Between(*(torch.compile(step, dynamic=True) for step in (_rounded, _scaled, _parts)))


class TernaryProduct(torch.autograd.Function):
    """y = dequantised(quantised(x) @ codes(w).T) + bias.

    x [..., channels] is quantised to int8, one step for each vector (frame or token), as the runtime does. With one
    scale a row, the sums are those of whole numbers and exact, and the scale is applied to them; with groups it is
    applied to the codes beforehand. `share` below 1 mixes the latent weights in: w + share * (a * codes - w).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        share: float,
        between: Between = PLAIN,
    ) -> Tensor:
        # Detached, or `between` would be compiled for everything that may learn or rest, and give up over it.
        flat, weight, scale = x.detach().reshape(-1, x.shape[-1]), weight.detach(), scale.detach()
        quantised, step = between.rounded(flat, product_type(flat.device))
        codes = ternary_codes(weight, scale)
        by_row = scale.shape[1] == 1 and share >= 1
        matrix = codes if by_row else _mixed(weight, scale, codes, share)
        sums = quantised @ narrow(matrix).T
        added = weight.new_zeros(len(weight)) if bias is None else bias.detach()
        y = between.scaled(sums, step, _of_rows(scale, by_row), added)
        ctx.save_for_backward(quantised, step, weight, scale)
        ctx.shape, ctx.x_dtype, ctx.between = x.shape, x.dtype, between
        ctx.has_bias, ctx.share, ctx.by_row = bias is not None, share, by_row
        return y.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        quantised, step, weight, scale = ctx.saved_tensors
        g = gradients[0].reshape(-1, weight.shape[0])
        codes = ternary_codes(weight, scale)
        of_input, of_weight, of_bias = ctx.between.parts(g, step, _of_rows(scale, ctx.by_row), quantised.dtype)
        dx = None
        if ctx.needs_input_grad[0]:
            matrix = codes if ctx.by_row else _mixed(weight, scale, codes, ctx.share)
            dx = (of_input @ narrow(matrix)).to(ctx.x_dtype).view(ctx.shape)
        dw = matmul(of_weight.T, quantised)
        da = (dw * codes).view(*scale.shape, -1).sum(dim=-1)
        return dx, dw, da, of_bias if ctx.has_bias else None, None, None


def _of_rows(scale: Tensor, by_row: bool) -> Tensor:
    return scale.clamp(min=SMALLEST_SCALE).T if by_row else scale.new_ones(1, len(scale))


def _mixed(weight: Tensor, scale: Tensor, codes: Tensor, share: float) -> Tensor:
    whole = codes * spread(scale, weight.shape)
    return whole if share >= 1 else weight + share * (whole - weight)


class FloatProduct(torch.autograd.Function):
    """x @ weight.T + bias in x's type, of narrow products, backward too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        flat, matrix = narrow(x.reshape(-1, x.shape[-1])), narrow(weight)
        ctx.save_for_backward(flat, matrix)
        ctx.has_bias, ctx.shape, ctx.x_dtype = bias is not None, x.shape, x.dtype
        y = (flat @ matrix.T).to(x.dtype)
        if bias is not None:
            y += bias
        return y.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        flat, matrix = ctx.saved_tensors
        wide = gradients[0].reshape(-1, matrix.shape[0])
        g = narrow(wide)
        dx = (g @ matrix).to(ctx.x_dtype).view(ctx.shape) if ctx.needs_input_grad[0] else None
        dw = matmul(g.T, flat) if ctx.needs_input_grad[1] else None
        return dx, dw, wide.sum(dim=0) if ctx.has_bias else None


class Int4Weight(torch.autograd.Function):
    """scale * codes of a latent matrix [rows, channels]. The scale's gradient is that of learned step sizes
    (Esser et al. 2020, arXiv 1902.08153): code - w / a where the code did not saturate, the code where it did."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(weight, scale)
        return int4_codes(weight, scale) * spread(scale, weight.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        weight, scale = ctx.saved_tensors
        g = gradients[0]
        ratio = weight / spread(scale, weight.shape)
        codes = ratio.round().clamp_(-LARGEST_INT4, LARGEST_INT4)
        inside = ratio.abs() <= LARGEST_INT4 + 0.5
        slope = torch.where(inside, codes - ratio, codes)
        return g * inside, (g * slope).view(*scale.shape, -1).sum(dim=-1)
