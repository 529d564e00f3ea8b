# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Keeps the scales of ternary rows from vanishing.

Codes that flicker make a smaller scale the better one, and a smaller scale makes them flicker more, for the rate of the
latent weights stays as it is. Once a scale is zero, nothing comes through that row any more, no gradient either: of the
first tiny.en that was trained here, 306 rows had ended so, 56 of the 384 of a single matrix.
"""

import torch
from torch import Tensor

from whisper158.train.network import Whisper, linear_layers

# Of what a scale was to begin with: the best one for the parent's weights.
LEAST = 0.1


class Floors:
    """To be made of a student whose scales are still those of its parent's weights. Floats are left as they are."""

    def __init__(self, student: Whisper) -> None:
        self._least = {name: LEAST * scale.detach() for name, scale in _scales(student).items()}

    @torch.no_grad()
    def revive(self, student: Whisper, parent: Whisper) -> int:
        """Rows (or spans of them) with scales that are below begin again, as the parent has them. Returns how many."""
        layers, originals, scales = linear_layers(student), linear_layers(parent), _scales(student)
        count = 0
        for name, least in self._least.items():
            weight, scale = layers[name].weight, scales[name]
            gone = scale < least
            spans = (*scale.shape, -1)
            weight.view(spans)[gone] = originals[name].weight.to(weight).view(spans)[gone]
            scale[gone] = least[gone] / LEAST
            count += int(gone.sum())
        return count

    @torch.no_grad()
    def hold(self, student: Whisper) -> None:
        """After a step: no scale stays below."""
        for name, scale in _scales(student).items():
            self._least[name] = least = self._least[name].to(scale.device)
            torch.maximum(scale, least, out=scale)


def _scales(model: Whisper) -> dict[str, Tensor]:
    return {name: layer.scale for name, layer in linear_layers(model).items() if layer.scale is not None}
