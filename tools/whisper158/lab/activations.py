# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What happens to the input of a linear layer before it multiplies: a rotation, or fewer bits."""

from dataclasses import dataclass

import torch
from torch import Tensor

FLOATS = 16  # activations of 16 bits are floats, which nothing here rounds
BITS = (8, FLOATS)


def rounded(x: Tensor, bits: int) -> Tensor:
    """x [..., channels] in symmetric codes of `bits`, with a scale for each token: s = max|x| / q, q = 2^(bits-1) - 1.
    The gradient passes as if nothing had been rounded."""
    if bits >= FLOATS:
        return x
    step = x.detach().abs().amax(dim=-1, keepdim=True) / (2 ** (bits - 1) - 1)
    whole = torch.where(step > 0, torch.round(x.detach() / step) * step, 0)
    return x + (whole - x.detach()) if x.requires_grad else whole


@dataclass(frozen=True)
class Input:
    """bits: 16 (floats) or 8. kept: channels that stay in floats. rotation: what the input is multiplied by first."""

    bits: int = FLOATS
    kept: Tensor | None = None
    rotation: Tensor | None = None

    def apply(self, x: Tensor) -> Tensor:
        if self.rotation is not None:
            x = x @ self.rotation.to(x)
        if self.kept is None or self.bits >= FLOATS:
            return rounded(x, self.bits)
        rest = torch.ones(x.shape[-1], dtype=torch.bool, device=x.device)
        rest[self.kept] = False
        # A kept channel would set the scale of all others, were it not left out of the maximum too.
        return torch.where(rest, rounded(x * rest, self.bits), x)
