# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""All methods, each with a grid, for what tests do with whole models; and layers for what they do with one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

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
from whisper158.lab.methods.spinquant import SpinQuant
from whisper158.lab.methods.spqr import Spqr
from whisper158.lab.methods.tesseraq import TesseraQ
from whisper158.lab.seen import Seen, seen_of
from whisper158.lab.stage import Flow, Stage


class BriefOmniQuant(OmniQuant):
    """Of learning less than anyone would use, which is enough to see that it learns."""

    epochs = 8
    rates = (0.1, 5e-3)


class BriefTesseraQ(TesseraQ):
    steps = 15
    shares = (0.5, 0.1, 0.02)
    rate = 2e-2


class BriefSpinQuant(SpinQuant):
    steps = 12


METHODS: list[tuple[type[Method], str]] = [
    (Rtn, "w8"),
    (SmoothQuant, "w8"),
    (Awq, "w4g32a"),
    (Gptq, "w4g32"),
    (Gptq, "wt"),
    (BriefOmniQuant, "w4g32a"),
    (BriefTesseraQ, "w3g32a"),
    (Quik, "w4"),
    (Spqr, "w4a"),
    (QuaRot, "w4"),
    (BriefSpinQuant, "w3g32"),
    (Hqq, "w4g32a"),
    (Ptqtp, "wtg32"),
]
IDS = [f"{kind.name}-{word}" for kind, word in METHODS]


@dataclass(frozen=True)
class Made:
    weight: Any
    seen: Seen


def made(seed: int = 0, rows: int = 96, channels: int = 256, tokens: int = 768, loud: int = 8) -> Made:
    """A layer as they are in speech models: weights with heavy tails, inputs that hang together, some of them loud."""
    random = np.random.default_rng(seed)
    weight = random.standard_t(5, size=(rows, channels)) * 0.03
    mixing = 0.7 * np.eye(channels) + 0.7 * random.normal(size=(channels, channels)) / np.sqrt(channels)
    x = random.normal(size=(tokens, channels)) @ mixing
    x[:, random.choice(channels, loud, replace=False)] *= 10
    return Made(torch.tensor(weight, dtype=torch.float32), seen_of(torch.tensor(x, dtype=torch.float32)))


def close(ours: list[Any], theirs: list[Any], within: float = 2e-5) -> bool:
    return all(float((a - b).norm() / b.norm()) < within for a, b in zip(ours, theirs, strict=True))


def lost(ours: list[Any], theirs: list[Any]) -> float:
    return sum(float((a - b).square().sum() / b.square().sum()) for a, b in zip(ours, theirs, strict=True))


def inputs_of(stage: Stage, clip: Flow) -> dict[str, Any]:
    """What each linear layer reads"""
    read: dict[str, Any] = {}
    hooks = [
        stage.linear(name).register_forward_pre_hook(lambda _m, x, name=name: read.update({name: x[0].clone()}))
        for site in stage.sites
        for name in site.linears
    ]
    stage.run(stage.take(clip))
    for hook in hooks:
        hook.remove()
    return read
