# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What methods that learn have in common: weights that gradients pass, and a stage that runs on given tensors."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from whisper158.lab.fit import divisor, spans_of
from whisper158.lab.grid import Grid
from whisper158.lab.stage import Inputs, Stage


def straight_round(x: Tensor) -> Tensor:
    """Rounds; the gradient passes as if it had not."""
    return x + (torch.round(x) - x).detach()


def soft_weights(weight: Tensor, grid: Grid, scales: Tensor, zeros: Tensor | None) -> Tensor:
    """What codes of these (differentiable) parameters stand for."""
    steps = spans_of(weight, grid) / divisor(scales)[..., None]
    if zeros is not None:
        steps = steps + zeros[..., None]
    steps = straight_round(steps).clamp(grid.lowest, grid.highest)
    if zeros is not None:
        steps = steps - zeros[..., None]
    return (steps * scales[..., None]).view(weight.shape)


def run_with(stage: Stage, tensors: dict[str, Tensor], inputs: Inputs) -> Tensor:
    """The stage's output, were these its parameters; those that are not named stay."""
    out: Tensor = functional_call(stage.module, tensors, inputs)
    return out


def lost(
    stage: Stage, tensors: Callable[[], dict[str, Tensor]], batches: Sequence[Inputs], targets: Sequence[Tensor]
) -> float:
    """The mean squared error over all batches, each as heavy as any other."""
    with torch.no_grad():
        current = tensors()
        pairs = zip(batches, targets, strict=True)
        return sum(float((run_with(stage, current, x) - y).square().mean()) for x, y in pairs) / len(batches)


def learn(
    stage: Stage,
    tensors: Callable[[], dict[str, Tensor]],
    batches: Sequence[Inputs],
    targets: Sequence[Tensor],
    optimiser: torch.optim.Optimizer,
    steps: int,
    random: torch.Generator,
) -> None:
    """So many steps, each on one batch, in an order that `random` gives, towards the targets' least squared error."""
    order: list[int] = []
    for _ in range(steps):
        order = order or torch.randperm(len(batches), generator=random).tolist()
        i = order.pop()
        loss = (run_with(stage, tensors(), batches[i]) - targets[i]).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
