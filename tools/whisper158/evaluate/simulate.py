# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""OpenAI's Whisper, from its package, with a blob's weights: a simulation of the runtime's arithmetic.

Each linear layer multiplies by the codes and scales that are in the blob, and quantises what goes in where the blob
says so; and so does attention to the audio. It needs PyTorch and OpenAI's package (./inv install oracle).
"""

import math
from typing import Any

import numpy as np
import torch
from whisper.model import MultiHeadAttention, Whisper

from whisper158.evaluate.original import filled
from whisper158.model.blob import QUANTISED, Blob
from whisper158.model.checkpoint import Dims
from whisper158.model.weights import codes_of, weights_of


def simulation(blob: Blob) -> Whisper:
    """OpenAI's model with a blob's weights and the runtime's arithmetic, as docs/blob-format.md says it is."""
    *dims, _, activation_bits = blob.array("config").tolist()
    tensors = [
        n for n in blob.sections if n.startswith(("encoder.", "decoder.")) and not n.endswith((".scale", ".zero"))
    ]
    model = filled(Dims(*dims), {name: weights_of(blob, name) for name in tensors})
    for name, module in model.named_modules():
        if activation_bits == 8 and isinstance(module, torch.nn.Linear) and f"{name}.weight.scale" in blob:
            module.forward = _integer_linear(blob, name, module)
        hears = isinstance(module, MultiHeadAttention) and (name.startswith("encoder.") or name.endswith("cross_attn"))
        if activation_bits == 8 and hears:
            module.qkv_attention = _integer_attention(module)
    if blob.sections["decoder.token_embedding.weight"].dtype in QUANTISED:
        model.decoder.ln.register_forward_hook(_in_14_bits)
    return model


def _in_14_bits(_module: torch.nn.Module, _inputs: Any, x: torch.Tensor) -> torch.Tensor:
    step = x.abs().amax(dim=-1, keepdim=True) / 8191
    return torch.where(step > 0, torch.round(x / step) * step, 0)


def _integer_linear(blob: Blob, name: str, module: torch.nn.Linear) -> Any:
    integers = codes_of(blob, f"{name}.weight")
    group = blob.sections[f"{name}.weight"].group
    # Sums of integers are exact in either, and in float32 twice as fast.
    exact = torch.float32 if 127 * int(np.abs(integers).max()) * group < 2**24 else torch.float64
    codes = torch.tensor(integers, dtype=exact)
    scale = torch.from_numpy(np.array(blob.array(f"{name}.weight.scale"), np.float64))

    def forward(x: torch.Tensor) -> torch.Tensor:
        step = x.abs().amax(dim=-1, keepdim=True) / 127
        q = torch.where(step > 0, torch.round(x / step), 0).to(exact)
        y = torch.zeros(*x.shape[:-1], codes.shape[0], dtype=torch.float64)
        for g in range(scale.shape[1]):
            part = slice(g * group, (g + 1) * group)
            y += q[..., part] @ codes[:, part].T * scale[:, g]
        y = y * step
        return (y if module.bias is None else y + module.bias).float()

    return forward


# Of attention in integers: frames that share scales, the largest code, and what a step is.
BLOCK = 64
CODE_MAX = 63
STEPS_PER_E = 32 * math.log2(math.e)


def _weight(steps: int) -> int:
    """Of a frame whose score is so many steps below the best: 32 of them halve it, with rounding."""
    mantissa, octave = round(124 * 2 ** (-(steps % 32) / 32)), steps // 32
    return (mantissa + ((1 << octave) >> 1)) >> octave


WEIGHTS = torch.tensor([_weight(steps) for steps in range(256)], dtype=torch.float64)


def _integer_attention(module: Any) -> Any:
    def split(x: torch.Tensor) -> torch.Tensor:
        """[1, n, channels] to [heads, n, channels of a head]"""
        return x[0].unflatten(-1, (module.n_head, -1)).transpose(0, 1)

    def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None) -> Any:
        assert mask is None
        queries = split(q)
        blocks = zip(split(k).split(BLOCK, dim=1), split(v).split(BLOCK, dim=1), strict=True)
        scores, weights, values = (torch.stack(x) for x in zip(*(_block(queries, *b) for b in blocks), strict=True))
        share = torch.exp(scores - scores.amax(dim=0))
        y = (share * values).sum(dim=0) / (share * weights).sum(dim=0)
        return y.transpose(0, 1).flatten(1)[None].float(), None

    return attention


def _block(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a block gives each query: the score of its best frame, the sums of weights and of weight x value."""
    channels = q.shape[-1]
    high, low = k.amax(dim=1, keepdim=True), k.amin(dim=1, keepdim=True)
    centre = 0.5 * (high + low)
    spread = torch.maximum(high - centre, centre - low).amax(dim=2, keepdim=True)
    largest = q.abs().amax(dim=2, keepdim=True)
    dot = _seven_bits(q, largest) @ _seven_bits(k - centre, spread).mT
    factor = largest / CODE_MAX * (STEPS_PER_E / channels**0.5) * (spread / CODE_MAX)
    steps = torch.round(dot * factor).clamp(-(2**15), 2**15 - 1).int()
    best = steps.amax(dim=2, keepdim=True)
    weights = WEIGHTS[(best - steps).clamp(max=255)]
    loudest = v.abs().amax(dim=1, keepdim=True)
    values = weights @ _seven_bits(v, loudest).double() * (loudest / CODE_MAX)
    score = q.double() @ centre.double().mT / channels**0.5 + best / STEPS_PER_E
    return score, weights.sum(dim=2, keepdim=True), values


def _seven_bits(x: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    return torch.round(x * torch.where(largest >= 2.0**-100, CODE_MAX / largest, 0))
