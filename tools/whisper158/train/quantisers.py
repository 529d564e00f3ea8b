# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Quantised products that can be trained: forward they compute what the runtime computes, backward they pretend.

A straight-through estimator: rounding has no useful derivative, so the gradient passes it as if it were the identity.
The latent weight w learns which code it is; the scale a is a parameter of its own, whose gradient is sum(code * g).
"""

from typing import Any

import torch
from torch import Tensor

LARGEST_INT8 = 127
LARGEST_INT4 = 7
SMALLEST_SCALE = 1e-5
SMALLEST_STEP = 1e-8


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a @ b with float32 in and out, and between them what run.py chose for the machine: float32, or bfloat16, in which
    int8 codes are exact and sums are still those of float32."""
    if halved(a.device):
        return (a.bfloat16() @ b.bfloat16()).float()
    return a @ b


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


class TernaryProduct(torch.autograd.Function):
    """y = dequantised(quantised(x) @ codes(w).T) + bias.

    x [..., channels] is quantised to int8, one step for each vector (frame or token), as the runtime does. With one
    scale a row, the sums are those of whole numbers and exact, and the scale is applied to them; with groups it is
    applied to the codes beforehand. `share` below 1 mixes the latent weights in: w + share * (a * codes - w).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None, share: float) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        step = flat.abs().amax(dim=-1, keepdim=True).div_(LARGEST_INT8).clamp_(min=SMALLEST_STEP)
        quantised = (flat / step).round_()
        codes = ternary_codes(weight, scale)
        by_row = scale.shape[1] == 1 and share >= 1
        if by_row:
            y = matmul(quantised, codes.T).mul_(step).mul_(scale.clamp(min=SMALLEST_SCALE).T)
        else:
            y = matmul(quantised, _mixed(weight, scale, codes, share).T).mul_(step)
        if bias is not None:
            y += bias
        ctx.save_for_backward(quantised, step, weight, scale)
        ctx.has_bias, ctx.share, ctx.by_row = bias is not None, share, by_row
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        quantised, step, weight, scale = ctx.saved_tensors
        g = gradients[0].reshape(-1, weight.shape[0])
        codes = ternary_codes(weight, scale)
        dx = None
        if ctx.needs_input_grad[0]:
            if ctx.by_row:
                dx = matmul(g * scale.clamp(min=SMALLEST_SCALE).T, codes)
            else:
                dx = matmul(g, _mixed(weight, scale, codes, ctx.share))
            dx = dx.view(*gradients[0].shape[:-1], -1)
        dw = matmul((g * step).T, quantised)
        da = (dw * codes).view(*scale.shape, -1).sum(dim=-1)
        return dx, dw, da, g.sum(dim=0) if ctx.has_bias else None, None


def _mixed(weight: Tensor, scale: Tensor, codes: Tensor, share: float) -> Tensor:
    whole = codes * spread(scale, weight.shape)
    return whole if share >= 1 else weight + share * (whole - weight)


class FloatProduct(torch.autograd.Function):
    """x @ weight.T + bias through `matmul`, backward too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(flat, weight)
        ctx.has_bias = bias is not None
        y = matmul(flat, weight.T)
        if bias is not None:
            y += bias
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        flat, weight = ctx.saved_tensors
        g = gradients[0].reshape(-1, weight.shape[0])
        dx = matmul(g, weight).view(*gradients[0].shape[:-1], -1) if ctx.needs_input_grad[0] else None
        dw = matmul(g.T, flat) if ctx.needs_input_grad[1] else None
        return dx, dw, g.sum(dim=0) if ctx.has_bias else None


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
