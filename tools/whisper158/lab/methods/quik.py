# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""QUIK (Ashkboos et al. 2024, arXiv 2310.09259): weights and activations of few bits, but for the channels whose inputs
are the largest: those stay in floats, on both sides.

Their weights are left alone and come last in the feedback of GPTQ, so that they make good what all others lose; those
come by descending H_jj, where the authors' code has them by ascending max|X_j|. The ranges of codes are searched for
(fit.searched), as in all runs that the authors publish. The paper keeps 256 channels of 4096 to 28672; here it is a
sixteenth, for Whisper's layers have no more than a few times 256.
"""

import torch
from torch import Tensor

from whisper158.lab.activations import Input
from whisper158.lab.codes import Columns, Weight
from whisper158.lab.feedback import DAMPING, by_loudness, reordered, upper_factor
from whisper158.lab.fit import fit, searched
from whisper158.lab.method import Layer, Method
from whisper158.lab.seen import Seen

SHARE = 16
LEAST = 32  # and a whole number of these, as a loop over channels wants them


class Quik(Method):
    name = "quik"
    sequential = True

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        grid = self.scheme.weights
        count = kept_count(weight.shape[1], grid.group)
        kept = seen.largest.topk(count).indices.sort().values
        rest = torch.ones(weight.shape[1], dtype=torch.bool, device=weight.device)
        rest[kept] = False
        others = rest.nonzero()[:, 0]
        order = by_loudness(seen.gram[others][:, others])
        last = torch.cat([others[order], kept])
        n = len(others)
        upper = upper_factor(seen.gram[last][:, last], DAMPING)
        params = fit(weight[:, others], grid, of_spans=searched)
        result = reordered(weight[:, others], grid, params, order, upper[:n, :n])
        values = made_good(weight[:, last].double(), result.codes.weights()[:, order].double(), upper)
        weights = Weight((result.codes,), columns=Columns(kept, values.half()))
        return Layer(weights, Input(self.scheme.activation_bits, kept=kept))


def kept_count(channels: int, group: int) -> int:
    """A sixteenth or a little more, such that whole groups are left."""
    unit = max(group, LEAST)
    return min(unit * -(-channels // SHARE // unit), channels - unit) if channels > unit else 0


def made_good(weight: Tensor, rounded: Tensor, upper: Tensor) -> Tensor:
    """The last channels, where those before them became `rounded`: the least squares of all that is left of the output.

    With U^T U = H^-1, the channels K behind the rounded ones R take up W_K -= (W_R - Q_R) U_RR^-1 U_RK, which is what
    feedback takes from them in all.
    """
    n = rounded.shape[1]
    errors = torch.linalg.solve_triangular(upper[:n, :n], weight[:, :n] - rounded, upper=True, left=False)
    return weight[:, n:] - errors @ upper[:n, n:]
