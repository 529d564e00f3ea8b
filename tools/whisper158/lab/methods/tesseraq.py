# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""TesseraQ (Li and Panda 2024, arXiv 2410.19103): which way each weight is rounded is learned, block by block.

It begins with AWQ's factors and ranges. w' = s' (clip(floor(w / s) + h(v) + z) - z), where h(v) = clip(1.2 sig(v) -
0.1, 0, 1) begins at the fraction of w / s, and s' = 2 sig(t) s with t = 0 at first. Round by round, those v whose h
is nearest to 0 or 1 are made so for good, until a given share is left; the rest learns on, and the scales with it.
What is left at the end is rounded.
"""

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from whisper158.lab.codes import Codes, Weight
from whisper158.lab.fit import Params, coded, divisor, spans_of, with_codes
from whisper158.lab.grid import Grid
from whisper158.lab.method import Calibration, Layer, Option, put, reading
from whisper158.lab.methods.awq import Awq, clipped
from whisper158.lab.seen import Seen
from whisper158.lab.soft import learn, lost
from whisper158.lab.stage import Stage

SHARES = (0.75, 0.5, 0.375, 0.25, 0.125, 0.09, 0.06, 0.04, 0.02, 0.005)
STEPS = 250
RATE = 5e-4
SURE = 20.0  # sig of it is 1


class TesseraQ(Awq):
    name = "tesseraq"
    wants_targets = True
    shares: tuple[float, ...] = SHARES
    steps = STEPS
    rate = RATE
    options = MappingProxyType({**Awq.options, "steps": Option(1, 10000, whole=True)})

    def quantise(self, stage: Stage, calibration: Calibration) -> dict[str, Layer]:
        seen = calibration.before(stage)
        grid = self.scheme.weights
        soft = {
            name: begun(stage.linear(name).weight.detach(), grid, seen[site.name])
            for site in stage.sites
            for name in site.linears
        }
        with torch.enable_grad(), reading(stage, self.input):
            found = self._learned(stage, calibration, soft)
        layers = {name: Layer(Weight((codes,)), self.input) for name, codes in found.items()}
        put(stage, layers)
        return layers

    def _learned(self, stage: Stage, calibration: Calibration, soft: dict[str, "Soft"]) -> dict[str, Codes]:
        """If nothing is gained, what AWQ would have had."""
        batches, targets = calibration.batches, calibration.targets
        random = torch.Generator().manual_seed(self.scheme.seed)

        def tensors() -> dict[str, Tensor]:
            return {f"{name}.weight": each.weights() for name, each in soft.items()}

        for share in self.shares:
            for each in soft.values():
                each.harden(share)
            parameters = [t for each in soft.values() for t in (each.v, each.t)]
            optimiser = torch.optim.Adam(parameters, lr=self.rate)
            learn(stage, tensors, batches, targets, optimiser, self.steps, random)
        candidates = (
            {name: each.nearest for name, each in soft.items()},
            {name: each.codes() for name, each in soft.items()},
        )
        losses = [lost(stage, partial(_dense, c), batches, targets) for c in candidates]
        return candidates[losses.index(min(losses))]


def _dense(codes: dict[str, Codes]) -> dict[str, Tensor]:
    return {f"{name}.weight": each.weights() for name, each in codes.items()}


@dataclass
class Soft:
    """A matrix whose rounding is undecided. floor: of w / s, [rows, spans, group], as is v; t [rows, spans]. fixed:
    which of v are settled."""

    grid: Grid
    params: Params
    nearest: Codes
    floor: Tensor
    v: Tensor
    t: Tensor
    fixed: Tensor

    def up(self) -> Tensor:
        """h(v), of which what is fixed does not learn"""
        h = rectified(self.v)
        return torch.where(self.fixed, h.detach(), h)

    def weights(self) -> Tensor:
        zeros = 0 if self.params.zeros is None else self.params.zeros[..., None]
        steps = (self.floor + self.up() + zeros).clamp(self.grid.lowest, self.grid.highest) - zeros
        return (steps * self.scales()[..., None]).flatten(1)

    def scales(self) -> Tensor:
        return self.params.scales * 2 * torch.sigmoid(self.t)

    @torch.no_grad()
    def harden(self, share: float) -> None:
        """Settles the surest, so that this share stays open."""
        doubt = torch.where(self.fixed, 1.0, (rectified(self.v) - 0.5).abs()).flatten()
        keep = int(share * doubt.numel())
        order = torch.argsort(doubt, stable=True)
        fixed = torch.ones_like(doubt, dtype=torch.bool)
        fixed[order[:keep]] = False
        self.fixed |= fixed.view_as(self.fixed)
        self.v.copy_(torch.where(self.fixed, torch.where(self.v > 0, SURE, -SURE), self.v))

    @torch.no_grad()
    def codes(self) -> Codes:
        zeros = 0 if self.params.zeros is None else self.params.zeros[..., None]
        steps = (self.floor + (self.v > 0) + zeros).clamp(self.grid.lowest, self.grid.highest)
        return with_codes(
            steps.flatten(1).to(torch.int16), self.grid, Params(self.scales().detach(), self.params.zeros)
        )


def begun(weight: Tensor, grid: Grid, seen: Seen) -> Soft:
    params = clipped(weight, seen.sample, grid)
    ratio = spans_of(weight, grid) / divisor(params.scales)[..., None]
    floor = ratio.floor()
    v = torch.logit((ratio - floor + 0.1) / 1.2)
    return Soft(
        grid=grid,
        params=params,
        nearest=coded(weight, grid, params),
        floor=floor,
        v=v.requires_grad_(),
        t=torch.zeros_like(params.scales).requires_grad_(),
        fixed=torch.zeros_like(floor, dtype=torch.bool),
    )


def rectified(v: Tensor) -> Tensor:
    return (1.2 * torch.sigmoid(v) - 0.1).clamp(0, 1)
