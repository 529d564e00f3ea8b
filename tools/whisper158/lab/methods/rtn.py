# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Round to nearest: no calibration at all, the floor that every other method stands on.

Symmetric: s = max|w| / q, code = clip(round(w / s), -q, q), and where there is a code -q - 1, s = max|w| / (q + 1/2)
(fit.py). Asymmetric: s = (max - min) / (2^b - 1), z = round(-min / s), code = clip(round(w / s + z), 0, 2^b - 1).
Ternary: the codes and the scale of least squared error (model/ternary.py).
"""

from torch import Tensor

from whisper158.lab.codes import Weight
from whisper158.lab.fit import nearest
from whisper158.lab.grid import Kind
from whisper158.lab.method import Layer, Method
from whisper158.lab.seen import Seen


class Rtn(Method):
    name = "rtn"
    kinds = frozenset[Kind](("symmetric", "asymmetric", "ternary"))

    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        return Layer(Weight((nearest(weight, self.scheme.weights),)), self.input)
