# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""AdamW with a learning rate for each kind of parameter, and how the rates run over a stage."""

from dataclasses import asdict
from typing import Any

import torch

from whisper158.train.config import Config, Stage
from whisper158.train.network import EMBEDDING, Whisper

KINDS = ("latent", "scale", "embedding", "other")


def kind(name: str, parameter: torch.nn.Parameter) -> str:
    """Which of Rates a parameter has. A stock model's linear layers are trained at the rate of latent weights too, so
    a float control is treated alike."""
    if name.endswith(".scale"):
        return "scale"
    if name == f"{EMBEDDING}.weight":
        return "embedding"
    return "latent" if ".blocks." in name and parameter.dim() == 2 else "other"


def part(name: str) -> str:
    """Which of Stage.frozen a parameter belongs to."""
    if name.startswith("encoder.conv"):
        return "stem"
    if name.startswith(EMBEDDING):
        return "embedding"
    return name.split(".", 1)[0]


def optimiser(student: Whisper, config: Config) -> torch.optim.Optimizer:
    """A group for each kind of parameter, and one for each matrix of latent weights."""
    named = {of: [(name, p) for name, p in student.named_parameters() if kind(name, p) == of] for of in KINDS}
    groups = [{"params": [p], "kind": "latent", "name": name} for name, p in named.pop("latent")]
    groups += [{"params": [p for _, p in some], "kind": of} for of, some in named.items() if some]
    betas = (config.betas[0], config.betas[1])
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=1e-8, weight_decay=config.weight_decay, fused=True)


def restore(optimiser: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Takes the moments alone: groups and their rates are the configuration's."""
    optimiser.load_state_dict({**saved, "param_groups": optimiser.state_dict()["param_groups"]})


def freeze(student: Whisper, stage: Stage) -> None:
    for name, parameter in student.named_parameters():
        parameter.requires_grad_(part(name) not in stage.frozen)
        if not parameter.requires_grad:
            parameter.grad = None


def set_rates(optimiser: torch.optim.Optimizer, student: Whisper, stage: Stage, step: int, share: float) -> float:
    """For step `step` of the stage, `share` of what it says. Returns the factor that applies to all rates."""
    factor = share * schedule(stage, step)
    rates = asdict(stage.rates)
    for group in optimiser.param_groups:
        group["lr"] = rates[group["kind"]] * factor
        if rates["share"] > 0 and group["kind"] == "latent":
            group["lr"] += rates["share"] * unit(student, group["name"]) * factor
    return factor


def unit(student: Whisper, name: str) -> float:
    """How far it is between two codes of the matrix of this name, on average; in floats, its mean absolute weight."""
    layer = student.get_submodule(name.removesuffix(".weight"))
    scale = getattr(layer, "scale", None)
    return float((student.get_parameter(name).abs() if scale is None else scale).detach().mean())


def schedule(stage: Stage, step: int) -> float:
    """Up over `warmup`, level, down to nothing over `decay`: a level stretch can be prolonged, a cosine cannot."""
    up = (step + 1) / (stage.warmup + 1)
    down = (stage.steps - step) / (stage.decay + 1)
    return min(1.0, up, down)
