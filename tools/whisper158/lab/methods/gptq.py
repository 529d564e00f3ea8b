# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""GPTQ (Frantar et al. 2023, arXiv 2210.17323): rounding with feedback (feedback.py), from what each layer reads behind
the quantised ones before it.

Channels are taken by descending H_jj ("act-order"), and all parameters are those of the float weights ("static
groups"), so that groups stay neighbours. The paper takes groups as they stand and finds a group's parameters when its
turn comes; its authors' code has both, and where a few channels are loud this loses far less. It is not particular
about Q: with ternary codes of least squared error, weighed by H_jj, it makes good most of what those lose.
"""

from torch import Tensor

from whisper158.lab.codes import Weight
from whisper158.lab.feedback import DAMPING, by_loudness, reordered, upper_factor
from whisper158.lab.fit import Params, fit
from whisper158.lab.grid import Kind
from whisper158.lab.method import Layer, Method
from whisper158.lab.seen import Seen


class Gptq(Method):
    name = "gptq"
    sequential = True
    kinds = frozenset[Kind](("symmetric", "asymmetric", "ternary"))

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        order = by_loudness(seen.gram)
        upper = upper_factor(seen.gram[order][:, order], DAMPING)
        result = reordered(weight, self.scheme.weights, self.params(weight, seen), order, upper)
        return Layer(Weight((result.codes,)), self.input)

    def params(self, weight: Tensor, seen: Seen) -> Params:
        grid = self.scheme.weights
        return fit(weight, grid, seen.gram.diagonal() if grid.ternary else None)
