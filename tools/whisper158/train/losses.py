# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How far the student is from its parent and from the text. Each loss is a mean, so batches of any size compare."""

from typing import Any

import torch
from torch import Tensor

from whisper158.train.batches import UNTOLD
from whisper158.train.network import Trace


def block_losses(student: Trace, parent: Trace, mask: Tensor | None = None) -> list[Tensor]:
    """For each block, mean((student - parent)^2) / mean(update^2), where the parent's block adds `update` to its input:
    1 is what leaving the block out would cost. mask [batch, length] says which positions count."""
    return [
        _error(ours, theirs, mask) / _error(theirs.float(), before, mask)
        for ours, theirs, before in zip(student.stages[1:], parent.stages[1:], parent.stages[:-1], strict=True)
    ]


def _error(a: Tensor, b: Tensor, mask: Tensor | None) -> Tensor:
    return (a - b).square()[_where(mask, a)].mean()


def _where(mask: Tensor | None, x: Tensor) -> Tensor | slice:
    return slice(None) if mask is None else mask


def out_loss(student: Tensor, parent: Tensor) -> Tensor:
    """mean((student - parent)^2) / var(parent), of what the decoder hears"""
    return (student - parent).square().mean() / parent.float().var()


class TokenLosses(torch.autograd.Function):
    """(kl, label) in nats for a token. A vocabulary is wide, so both share one softmax and nothing is copied.

    logits [tokens, vocabulary]: the student's. parent [told, vocabulary]: the parent's, for the first `told` of the
    tokens. labels [tokens]: the text, or UNTOLD. kl is the mean of KL(parent || student) over the told ones (Hinton et
    al. 2015, arXiv 1503.02531, at temperature 1); label, the mean cross-entropy over those with a label. A mean over
    none is 0.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, parent: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        said = torch.log_softmax(logits, dim=-1)
        told = len(parent)
        wanted = torch.softmax(parent, dim=-1)
        # log p(word) = z(word) - c for any word, so sum p log p = sum p z - c; the likeliest shows what c is.
        c = parent.amax(dim=-1) - wanted.amax(dim=-1).log()
        kl = (torch.linalg.vecdot(wanted, parent - said[:told]) - c).sum() / max(1, told)
        known = (labels != UNTOLD).nonzero().squeeze(1)
        label = -said[known, labels[known]].sum() / max(1, len(known))
        ctx.save_for_backward(said, wanted, labels, known)
        return kl, label

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        said, wanted, labels, known = ctx.saved_tensors
        of_kl, of_label = gradients[0] / max(1, len(wanted)), gradients[1] / max(1, len(known))
        of_row = torch.zeros(len(said), 1, device=said.device)
        of_row[: len(wanted)] += of_kl
        of_row[known] += of_label
        g = said.exp().mul_(of_row)
        g[: len(wanted)].addcmul_(wanted, -of_kl)
        g[known, labels[known]] -= of_label
        return g, None, None


@torch.no_grad()
def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of the tokens with a label to which no word is more probable than their label"""
    known = (labels != UNTOLD).nonzero().squeeze(1)
    return (logits[known, labels[known]] >= logits.amax(dim=-1)[known]).float().mean()


def detached(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in losses.items()}


def finite(loss: Tensor) -> bool:
    return bool(torch.isfinite(loss.detach()))
