# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""GPTQ (Frantar et al. 2023, arXiv 2210.17323): rounding with feedback (feedback.py), from what each layer reads behind
the quantised ones before it.

Per row, channels are taken by descending H_jj ("act-order") and the parameters are those of the float weights. In
groups, channels are taken as they stand, and a group's parameters are found when its turn comes, of weights that
feedback has changed. It is not particular about Q: with ternary codes of least squared error, weighed by H_jj, it
makes good most of what those lose.
"""

from torch import Tensor

from whisper158.lab.codes import Weight
from whisper158.lab.feedback import DAMPING, in_order, reordered, span_fit, upper_factor
from whisper158.lab.grid import Kind
from whisper158.lab.method import Layer, Method
from whisper158.lab.seen import Seen


class Gptq(Method):
    name = "gptq"
    sequential = True
    kinds = frozenset[Kind](("symmetric", "asymmetric", "ternary"))

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        grid = self.scheme.weights
        importance = seen.gram.diagonal() if grid.ternary else None
        if grid.group:
            fit = span_fit(grid, importance)
            result = in_order(weight, grid, upper_factor(seen.gram, DAMPING), fit)
        else:
            result = reordered(weight, grid, seen.gram, DAMPING, importance)
        return Layer(Weight((result.codes,)), self.input)
