# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A run that begins where another ended, of which there is no more than the blob: its codes, scales and floats.

Latent weights are not in a blob. They begin in the middle of their codes, so that the model says what the blob says,
and no code is nearer to its neighbour than another.
"""

import numpy as np
import torch

from whisper158.errors import die
from whisper158.model import blob, models
from whisper158.model.pack import HEAD
from whisper158.model.weights import weights_of
from whisper158.train.network import Whisper

QUANTISED_OTHERWISE = "set `quantisation` to what it was trained with, if it was trained"


def begin(student: Whisper, name: str) -> None:
    """Fills the student with the model `name`, or a .w158 file. UserError if that is of another kind."""
    source = blob.read(models.ensure(name))
    filled = {}
    for key, tensor in student.state_dict().items():
        section = f"{key.removesuffix('.scale')}.weight.scale" if key.endswith(".scale") else key
        if section not in source:
            die(f"begin: {name} has no {section}", QUANTISED_OTHERWISE)
        found = source.array(section) if section != key else weights_of(source, key)
        if found.shape != tuple(tensor.shape):
            die(
                f"begin: {section} of {name} is {list(found.shape)}, and here {list(tensor.shape)}",
                "it is a model of another size, or was trained with other groups",
            )
        filled[key] = torch.from_numpy(np.array(found, np.float32))
    if more := sorted(key for key in source.sections if _is_scale(key) and _of_student(key) not in filled):
        die(f"begin: {name} has scales that are not trained here: {more[0]}", QUANTISED_OTHERWISE)
    student.load_state_dict(filled, strict=True)


def _is_scale(section: str) -> bool:
    """Of a layer, that is; the head's may have been made of floats."""
    layers = section.startswith(("encoder.", "decoder.")) and section.endswith(".weight.scale")
    return layers and section != f"{HEAD}.scale"


def _of_student(section: str) -> str:
    return section.removesuffix(".weight.scale") + ".scale"
