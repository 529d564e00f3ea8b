# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""SmoothQuant (Xiao et al. 2023, arXiv 2211.10438): channels of activations that stand out are made smaller, and their
weights as much larger, before both are rounded.

Equation 4: s_j = max|X_j|^a / max|W_j|^(1 - a), X' = X / s, W' = W s.
"""

from types import MappingProxyType

import torch
from torch import Tensor

from whisper158.lab.method import Calibration, Method, Option
from whisper158.lab.methods.rtn import Rtn
from whisper158.lab.stage import Fold, Site, Stage, fold

ALPHA = 0.5  # the paper's choice for most models; 0.8 where activations have heavier outliers
SMALLEST = 1e-5


class SmoothQuant(Rtn):
    name = "smoothquant"
    kinds = Method.kinds
    alpha = ALPHA
    options = MappingProxyType({"alpha": Option(0, 1)})

    def transform(self, stage: Stage, calibration: Calibration) -> list[Fold]:
        sites = [site for site in stage.sites if site.source]
        if not sites:
            return []
        seen = calibration.observe(stage, sites)
        return fold(stage, {site.name: (self.factor(stage, site, seen[site.name].largest), None) for site in sites})

    def factor(self, stage: Stage, site: Site, largest: Tensor) -> Tensor:
        return smoothing(largest, column_maxima(stage, site), self.alpha)


def smoothing(activations: Tensor, weights: Tensor, alpha: float) -> Tensor:
    """Of the largest magnitudes of each channel. One that is never active, or never used, keeps its own."""
    factor = activations.clamp(min=SMALLEST) ** alpha / weights.clamp(min=SMALLEST) ** (1 - alpha)
    return torch.where((activations > 0) & (weights > 0), factor, torch.ones_like(factor))


def column_maxima(stage: Stage, site: Site) -> Tensor:
    """max|W_j| over all rows of all layers of the site"""
    return torch.stack([stage.linear(name).weight.detach().abs().amax(dim=0) for name in site.linears]).amax(dim=0)
