# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How far the student is from its parent and from the text. Each loss is a mean, so batches of any size compare."""

import torch
from torch import Tensor
from torch.nn import functional as F

from whisper158.train.network import Trace


def block_losses(student: Trace, parent: Trace, mask: Tensor | None = None) -> list[Tensor]:
    """For each block, mean((student - parent)^2) / mean(update^2), where the parent's block adds `update` to its input:
    1 is what leaving the block out would cost. mask [batch, length] says which positions count."""
    return [
        ours.sub(theirs).square()[_where(mask, ours)].mean() / (theirs - before).square()[_where(mask, ours)].mean()
        for ours, theirs, before in zip(student.stages[1:], parent.stages[1:], parent.stages[:-1], strict=True)
    ]


def _where(mask: Tensor | None, x: Tensor) -> Tensor | slice:
    return slice(None) if mask is None else mask


def out_loss(student: Tensor, parent: Tensor) -> Tensor:
    """mean((student - parent)^2) / var(parent), of what the decoder hears"""
    return (student - parent).square().mean() / parent.var()


def kl_loss(student: Tensor, parent: Tensor, temperature: float) -> Tensor:
    """T^2 KL(parent || student) in nats for a token, of logits [tokens, vocabulary] (Hinton et al. 2015, 1503.02531)"""
    ours = F.log_softmax(student / temperature, dim=-1)
    theirs = F.log_softmax(parent / temperature, dim=-1)
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2


def label_loss(student: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy in nats for a token"""
    return F.cross_entropy(student, labels)


def accuracy(student: Tensor, labels: Tensor) -> Tensor:
    """Share of tokens that are the most probable ones"""
    return (student.detach().argmax(dim=-1) == labels).float().mean()


def detached(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in losses.items()}


def finite(loss: Tensor) -> bool:
    return bool(torch.isfinite(loss.detach()))
