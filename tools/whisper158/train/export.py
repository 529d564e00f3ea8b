# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From a run's checkpoint to a blob: the codes and scales that were trained, and every float that was trained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from whisper158.console import step
from whisper158.errors import die
from whisper158.model import silero
from whisper158.model.blob import Dtype
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.load import load
from whisper158.model.pack import F16, FORMATS, HEAD, I8, Coding, Format, pack
from whisper158.model.ternary import Quantised
from whisper158.train import saving
from whisper158.train.network import Quantisation
from whisper158.train.quantisers import SMALLEST_SCALE, int4_codes, ternary_codes


def export(run: str, out: str, name: str) -> Path:
    """Writes the checkpoint `run` (a .pt file, or a folder with a latest.pt) to the blob `out`. Raises UserError."""
    path = Path(run)
    saved = saving.load(path / saving.LATEST if path.is_dir() else path)
    parent = load(saved.parent)
    if parent.sha256 != saved.origin:
        die(
            f"{run}: its parent was another {saved.parent} (sha256 {saved.origin[:12]}..., not {parent.sha256[:12]}...)"
        )
    how = Quantisation(**saved.quantisation)
    trained = to_checkpoint(saved, parent, how, name or f"{parent.name}-158")
    target = Path(out or f"{trained.name}.w158")
    detector = silero.load()
    with step(f"Packing {target}"):
        pack(trained, form(how), target, saved.min_frames, provenance(saved), detector)
    return target


def form(how: Quantisation) -> Format:
    """The weight format that holds what `how` trained."""
    head = {
        "float": F16,
        "int8": I8,
        "int4": Coding(Dtype.I4, group=how.head_group),
        "ternary": replace(FORMATS["t158"].token, group=how.head_group),
    }[how.head]
    if how.linear == "float":
        return replace(FORMATS["f16"], head=head)
    base = FORMATS["t158"]
    frames, token = replace(base.frames, group=how.linear_group), replace(base.token, group=how.linear_group)
    return replace(base, name="trained", frames=frames, token=token, head=head)


def provenance(saved: saving.Saved) -> dict[str, str]:
    return {
        "training_steps": str(saved.step),
        "training_hours_heard": f"{saved.heard / 3600:.1f}",
        "training_data": saved.data,
    }


def to_checkpoint(saved: saving.Saved, parent: Checkpoint, how: Quantisation, name: str) -> Checkpoint:
    tensors = {key: np.asarray(value) for key, value in saved.student.items() if not key.endswith(".scale")}
    quantised = {
        key.removesuffix(".scale") + ".weight": _codes(saved.student, key.removesuffix(".scale"), how)
        for key in saved.student
        if key.endswith(".scale")
    }
    for key, value in tensors.items():
        if key not in parent.tensors or value.shape != parent.tensors[key].shape:
            die(f"{name}: tensor {key} does not fit a model like {parent.name}")
    return replace(parent, name=name, tensors=tensors, quantised=quantised)


def _codes(student: dict[str, torch.Tensor], layer: str, how: Quantisation) -> Quantised:
    weight, scale = student[f"{layer}.weight"].float(), student[f"{layer}.scale"].float()
    four_bits = f"{layer}.weight" == HEAD and how.head == "int4"
    codes = int4_codes(weight, scale) if four_bits else ternary_codes(weight, scale)
    return Quantised(_numpy(codes).astype(np.int8), _numpy(scale.clamp(min=SMALLEST_SCALE)))


def _numpy(x: torch.Tensor) -> npt.NDArray[Any]:
    return np.ascontiguousarray(x.detach().numpy())
