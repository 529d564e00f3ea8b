# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""OmniQuant (Shao et al. 2024, arXiv 2308.13137): what AWQ and SmoothQuant search for, learned block by block.

Learnable weight clipping, equation 2: s = (sig(g) max W - sig(b) min W) / (2^b - 1) in every span, where g and b begin
at 4. Learnable equivalent transformation, equation 3: X' = (X - d) / s, W' = s W, B' = B + W d, where s begins as
SmoothQuant's and d at the middle of each channel's range (as in Outlier Suppression+, which the authors start from).
Both learn together, with AdamW, towards the float block's output on the float model's activations.
"""

from types import MappingProxyType

import torch
from torch import Tensor

from whisper158.lab.codes import Weight
from whisper158.lab.fit import Params, coded, fit_range, spans_of
from whisper158.lab.grid import Grid
from whisper158.lab.method import Calibration, Layer, Method, Option, Scheme, put, reading
from whisper158.lab.methods.smoothquant import column_maxima, smoothing
from whisper158.lab.seen import Seen
from whisper158.lab.soft import learn, lost, soft_weights
from whisper158.lab.stage import Fold, Moves, Site, Stage, fold, moved

CLIPPING_RATE = 1e-2
TRANSFORM_RATE = 5e-3
EPOCHS = 20
START = 4.0
ALPHA = 0.5

Clip = tuple[Tensor, Tensor]


class OmniQuant(Method):
    name = "omniquant"
    wants_targets = True
    epochs = EPOCHS
    options = MappingProxyType({"epochs": Option(1, 100, whole=True)})
    rates = (CLIPPING_RATE, TRANSFORM_RATE)

    def __init__(self, scheme: Scheme) -> None:
        super().__init__(scheme)
        self._clips: dict[str, Clip] = {}

    def transform(self, stage: Stage, calibration: Calibration) -> list[Fold]:
        """All is learned here, for the factors are folded now; the clipping waits for `quantise`."""
        learned = Learned(stage, calibration, self.scheme.weights)
        with torch.enable_grad(), reading(stage, self.input):
            learned.learn(calibration, self.epochs, self.rates, self.scheme.seed)
        self._clips = {name: (top.detach(), bottom.detach()) for name, (top, bottom) in learned.clips.items()}
        return fold(stage, learned.folds())

    def quantise(self, stage: Stage, calibration: Calibration) -> dict[str, Layer]:
        layers = {name: self._layer(stage.linear(name).weight.detach(), clip) for name, clip in self._clips.items()}
        put(stage, layers)
        return layers

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        """As it is before anything has been learned."""
        return self._layer(weight, unlearned(weight, self.scheme.weights))

    def _layer(self, weight: Tensor, clip: Clip) -> Layer:
        grid = self.scheme.weights
        return Layer(Weight((coded(weight, grid, clipped_range(weight, grid, clip)),)), self.input)


class Learned:
    """moves: the logarithms of the factors, and the shifts where there may be any, by site. clips: g and b of every
    span, by linear layer."""

    def __init__(self, stage: Stage, calibration: Calibration, grid: Grid) -> None:
        self._stage, self._grid = stage, grid
        sites = [site for site in stage.sites if site.source]
        seen = calibration.observe(stage, sites) if sites else {}
        self.moves = {site.name: first_move(stage, site, seen[site.name]) for site in sites}
        names = [name for site in stage.sites for name in site.linears]
        self.clips = {name: unlearned(stage.linear(name).weight.detach(), grid) for name in names}

    def folds(self) -> Moves:
        """What was learned"""
        return {
            name: (log.detach().exp(), None if shift is None else shift.detach())
            for name, (log, shift) in self.moves.items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """The stage's parameters as they would be quantised, which gradients pass."""
        tensors = moved(self._stage, {name: (log.exp(), shift) for name, (log, shift) in self.moves.items()})
        for name, clip in self.clips.items():
            key = f"{name}.weight"
            weight = tensors.get(key, self._stage.linear(name).weight)
            params = clipped_range(weight, self._grid, clip)
            tensors[key] = soft_weights(weight, self._grid, params.scales, params.zeros)
        return tensors

    def learn(self, calibration: Calibration, epochs: int, rates: tuple[float, float], seed: int) -> None:
        """What is best after some epoch, or at the start, stays."""
        batches, targets = calibration.batches, calibration.targets
        random = torch.Generator().manual_seed(seed)
        moving = [t for move in self.moves.values() for t in move if t is not None]
        parts = ([t for clip in self.clips.values() for t in clip], moving)
        learning = [tensor.requires_grad_() for part in parts for tensor in part]
        groups = [{"params": part, "lr": rate} for part, rate in zip(parts, rates, strict=True) if part]
        optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
        best = [tensor.detach().clone() for tensor in learning]
        least = lost(self._stage, self.tensors, batches, targets)
        for _ in range(epochs):
            learn(self._stage, self.tensors, batches, targets, optimiser, len(batches), random)
            loss = lost(self._stage, self.tensors, batches, targets)
            if loss < least:
                best, least = [tensor.detach().clone() for tensor in learning], loss
        for tensor, value in zip(learning, best, strict=True):
            tensor.data.copy_(value)


def first_move(stage: Stage, site: Site, seen: Seen) -> tuple[Tensor, Tensor | None]:
    shift = (seen.high + seen.low) / 2 if site.shifts else None
    largest = seen.largest if shift is None else (seen.high - shift).abs()
    return smoothing(largest, column_maxima(stage, site), ALPHA).log(), shift


def unlearned(weight: Tensor, grid: Grid) -> Clip:
    start = torch.full(spans_of(weight, grid).shape[:2], START, device=weight.device)
    return start, start.clone()


def clipped_range(weight: Tensor, grid: Grid, clip: Clip) -> Params:
    top, bottom = (torch.sigmoid(share) for share in clip)
    return fit_range(spans_of(weight, grid), grid, top, bottom)
