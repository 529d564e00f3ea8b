# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A model as a row of stages: parts that run one after another, each with linear layers to quantise.

A stage's module is called with a tuple of tensors. Its linear layers are grouped into sites: those of a site read the
same input. Where a norm, or another linear layer, writes that input and nobody else reads it, a factor and a shift of
each channel can move from there into the site's weights ("folding"), and the outputs stay as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Inputs = tuple[Tensor, ...]
Flow = dict[str, Tensor]


@dataclass(frozen=True)
class Site:
    """linears: by name within the stage's module, as is `source`: the norm or linear layer that writes the input, or
    None. indifferent: linears to whose output any vector may be added without a change further on, so that they need
    no bias to take up a shift. An attention's keys are: a vector that is added to all of them adds the same number to
    all scores of a query, of which softmax takes no notice."""

    name: str
    linears: tuple[str, ...]
    source: str | None = None
    indifferent: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Stage:
    """prefix: stands before a linear's name where the checkpoint's is meant; `names` has those that differ by more.
    `take` picks the module's inputs from what flows through the model, `give` puts its output there."""

    name: str
    module: nn.Module
    sites: tuple[Site, ...]
    take: Callable[[Flow], Inputs]
    give: Callable[[Flow, Tensor], Flow]
    prefix: str = ""

    def linear(self, name: str) -> nn.Linear:
        return self.module.get_submodule(name)

    def tensor(self, linear: str) -> str:
        """What the checkpoint calls a linear's weight."""
        return f"{self.prefix}{linear}.weight"

    def run(self, inputs: Inputs) -> Tensor:
        with torch.no_grad():
            return self.module(*inputs)


@dataclass(frozen=True)
class Fold:
    """What moved from a site's source into its linears: x' = (x - shift) / factor and W' = W factor."""

    stage: str
    site: str
    source: str
    factor: Tensor
    shift: Tensor | None = None


@torch.no_grad()
def fold(stage: Stage, site: Site, factor: Tensor, shift: Tensor | None = None) -> Fold:
    """Folds in place. factor, shift: [channels] of the site's input."""
    if site.source is None:
        raise ValueError(f"{stage.name}: nothing can be folded into what writes the input of {site.name}")
    source = stage.module.get_submodule(site.source)
    factor = factor.to(source.weight)
    shift = None if shift is None else shift.to(source.weight)
    if shift is not None:
        for name in site.linears:
            absorb(stage.linear(name), shift, name in site.indifferent)
        source.bias -= shift
    source.weight /= factor[:, None] if source.weight.ndim == 2 else factor
    source.bias /= factor
    for name in site.linears:
        stage.linear(name).weight *= factor
    return Fold(stage.name, site.name, site.source, factor, shift)


def absorb(linear: nn.Linear, shift: Tensor, indifferent: bool) -> None:
    """The bias takes up W shift."""
    if linear.bias is not None:
        linear.bias += linear.weight @ shift
    elif not indifferent:
        raise ValueError("a linear layer without a bias cannot take up a shift")
