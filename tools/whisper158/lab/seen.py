# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the linear layers of a stage read while calibration runs through it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from whisper158.lab.stage import Inputs, Site, Stage

SAMPLE = 512  # tokens that are kept as they are


@dataclass(frozen=True)
class Seen:
    """Of the input x of a site, over all tokens: gram is the sum of x^T x (f64 [channels, channels], empty where nobody
    wants it; the products of one batch are summed up in f32); largest and mean are of |x|, high and low of x (each
    [channels]). sample: some of the tokens [at most SAMPLE, channels]."""

    tokens: int
    gram: Tensor
    largest: Tensor
    mean: Tensor
    high: Tensor
    low: Tensor
    sample: Tensor


def seen_of(x: Tensor, seed: int = 0, limit: int = SAMPLE) -> Seen:
    """Of inputs that are at hand: [tokens, channels]"""
    watcher = _Watcher(limit, torch.Generator().manual_seed(seed), gram=True)
    watcher.add(x)
    return watcher.seen()


def observe(
    stage: Stage, sites: Sequence[Site], batches: Sequence[Inputs], seed: int, limit: int = SAMPLE, gram: bool = True
) -> dict[str, Seen]:
    """Runs the stage on all batches. By the sites' names."""
    each = -(-limit // len(batches))
    watchers = {site.name: _Watcher(each, torch.Generator().manual_seed(seed), gram) for site in sites}
    with _watched(stage, sites, {name: watcher.add for name, watcher in watchers.items()}):
        for inputs in batches:
            stage.run(inputs)
    return {name: watcher.seen() for name, watcher in watchers.items()}


class _Watcher:
    def __init__(self, each: int, random: torch.Generator, gram: bool) -> None:
        self._each, self._random = each, random
        self._tokens = 0
        self._samples: list[Tensor] = []
        self._gram: Tensor = torch.empty(0, dtype=torch.float64)
        self._wants_gram = gram
        self._sum: Any = 0.0
        self._high: Tensor | None = None
        self._low: Tensor | None = None

    def add(self, x: Tensor) -> None:
        x = x.detach().reshape(-1, x.shape[-1])
        self._tokens += len(x)
        if self._wants_gram:
            own = (x.T @ x).double()
            self._gram = self._gram + own if self._gram.numel() else own
        self._sum = self._sum + x.abs().sum(dim=0, dtype=torch.float64)
        high, low = x.amax(dim=0), x.amin(dim=0)
        self._high = high if self._high is None else torch.maximum(self._high, high)
        self._low = low if self._low is None else torch.minimum(self._low, low)
        chosen = torch.randperm(len(x), generator=self._random)[: self._each].sort().values
        self._samples.append(x[chosen.to(x.device)])

    def seen(self) -> Seen:
        if self._high is None or self._low is None:
            raise ValueError("nothing was seen")
        return Seen(
            tokens=self._tokens,
            gram=self._gram,
            largest=torch.maximum(self._high.abs(), self._low.abs()),
            mean=(self._sum / self._tokens).to(self._high.dtype),
            high=self._high,
            low=self._low,
            sample=torch.cat(self._samples),
        )


@contextmanager
def _watched(stage: Stage, sites: Sequence[Site], watch: dict[str, Callable[[Tensor], None]]) -> Iterator[None]:
    """Has `watch` see what the first linear of each site reads, when a rotation that may stand before it is done."""
    hooks = []
    for site in sites:
        see = watch[site.name]
        hooks.append(
            stage.linear(site.linears[0]).register_forward_pre_hook(lambda _module, inputs, see=see: see(inputs[0]))
        )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
