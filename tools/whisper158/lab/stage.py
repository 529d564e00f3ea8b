# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A model as a row of stages: parts that run one after another, each with linear layers to quantise.

A stage's module is called with a tuple of tensors. Its linear layers are grouped into sites: those of a site read the
same input. Where a norm, or another linear layer, writes that input and nobody else reads it, a factor and a shift of
each channel can move from there into the site's weights ("folding"), and the outputs stay as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

Inputs = tuple[Tensor, ...]
Flow = dict[str, Tensor]


@dataclass(frozen=True)
class Site:
    """linears: by name within the stage's module, as is `source`: the norm or linear layer that writes the input, or
    None. indifferent: linears to whose output any vector may be added without a change further on, so that they need
    no bias to take up a shift. An attention's keys are: a vector that is added to all of them adds the same number to
    all scores of a query, of which softmax takes no notice. heads: where the source is an attention's values, how many
    heads they make up. normed: the input is a norm's output. shifts: it can take up a shift, not only a factor. Where
    the source writes more channels than the site reads, the first ones are those."""

    name: str
    linears: tuple[str, ...]
    source: str | None = None
    indifferent: frozenset[str] = frozenset()
    heads: int = 0
    normed: bool = False
    shifts: bool = True


@dataclass(frozen=True)
class Stage:
    """The checkpoint's name of a linear is that in the module after `prefix`. `take`
    picks the module's inputs from what flows through the model, `give` puts its output there."""

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


Moves = Mapping[str, tuple[Tensor, Tensor | None]]


def moved(stage: Stage, moves: Moves) -> dict[str, Tensor]:
    """The stage's parameters, by name, that folding changes, and what they become. moves: factor and shift, each
    [channels], by the site's name; gradients reach them."""
    found: dict[str, Tensor] = {}

    def now(name: str) -> Tensor:
        return found[name] if name in found else stage.module.get_parameter(name)

    def biased(name: str) -> bool:
        return stage.module.get_submodule(name).bias is not None

    for site in stage.sites:
        if site.name not in moves:
            continue
        if site.source is None:
            raise ValueError(f"{stage.name}: nothing can be folded into what writes the input of {site.name}")
        factor, shift = moves[site.name]
        if shift is not None and not (site.shifts and biased(site.source)):
            raise ValueError(f"{stage.name}: no shift can be folded into what writes the input of {site.name}")
        for name in site.linears:
            if shift is not None and biased(name):
                found[f"{name}.bias"] = now(f"{name}.bias") + now(f"{name}.weight") @ shift
            elif shift is not None and name not in site.indifferent:
                raise ValueError(f"{stage.name}: {name} has no bias that could take up a shift")
            found[f"{name}.weight"] = now(f"{name}.weight") * factor
        weight = now(f"{site.source}.weight")
        smaller = torch.cat([factor, factor.new_ones(len(weight) - len(factor))])
        found[f"{site.source}.weight"] = weight / (smaller[:, None] if weight.ndim == 2 else smaller)
        if biased(site.source):
            bias = now(f"{site.source}.bias")
            found[f"{site.source}.bias"] = (bias if shift is None else bias - shift) / smaller
    return found


@torch.no_grad()
def fold(stage: Stage, moves: Moves) -> list[Fold]:
    """Folds in place."""
    for name, tensor in moved(stage, moves).items():
        stage.module.get_parameter(name).copy_(tensor)
    sources = {site.name: site.source for site in stage.sites}
    return [Fold(stage.name, site, sources[site] or "", factor, shift) for site, (factor, shift) in moves.items()]


@dataclass(frozen=True)
class Norm:
    """A LayerNorm, with or without a bias, by the module that holds it and its name there; the linear layers that read
    what it writes, and those of them that are indifferent (Site). Where it has no such readers, whatever reads it needs
    its output as it was."""

    owner: nn.Module
    name: str
    readers: tuple[nn.Linear, ...] = ()
    indifferent: tuple[nn.Linear, ...] = ()


@dataclass(frozen=True)
class Stream:
    """A residual stream: it enters through the first input of `entry`; `norms` read it and `writers` add to it."""

    width: int
    entry: nn.Module
    norms: tuple[Norm, ...]
    writers: tuple[nn.Linear, ...]


class Model(Protocol):
    """What methods see of a model."""

    @property
    def stages(self) -> Sequence[Stage]: ...

    @property
    def streams(self) -> Sequence[Stream]: ...
