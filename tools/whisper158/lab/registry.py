# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""All methods by their names."""

from collections.abc import Mapping
from types import MappingProxyType

from whisper158.lab.method import Method
from whisper158.lab.methods.awq import Awq
from whisper158.lab.methods.gptq import Gptq
from whisper158.lab.methods.hqq import Hqq
from whisper158.lab.methods.omniquant import OmniQuant
from whisper158.lab.methods.ptqtp import Ptqtp
from whisper158.lab.methods.quarot import QuaRot
from whisper158.lab.methods.quik import Quik
from whisper158.lab.methods.rtn import Rtn
from whisper158.lab.methods.smoothquant import SmoothQuant
from whisper158.lab.methods.spqr import Spqr
from whisper158.lab.methods.tesseraq import TesseraQ

METHODS: Mapping[str, type[Method]] = MappingProxyType(
    {kind.name: kind for kind in (Rtn, SmoothQuant, Awq, Gptq, OmniQuant, TesseraQ, Quik, Spqr, QuaRot, Hqq, Ptqtp)}
)
