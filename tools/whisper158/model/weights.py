# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A blob's weights as numbers again."""

import numpy as np
import numpy.typing as npt

from whisper158.model.blob import QUANTISED, Blob, Dtype
from whisper158.model.ternary import unpack

Floats = npt.NDArray[np.float32]


def codes_of(blob: Blob, name: str) -> npt.NDArray[np.int8]:
    """Of a quantised matrix, [rows, channels], zero points taken off."""
    section = blob.sections[name]
    array = blob.array(name)
    found = np.asarray(array, np.int8) if section.dtype == Dtype.I8 else unpack(array, section)
    if section.dtype == Dtype.U4:
        found = found - np.repeat(blob.array(section.zero.name).astype(np.int8), section.group, axis=1)
    return found


def weights_of(blob: Blob, name: str) -> Floats:
    """Any tensor, in the shape that OpenAI's model has it in."""
    section = blob.sections[name]
    if section.dtype in QUANTISED:
        scale = np.repeat(blob.array(f"{name}.scale"), section.group, axis=1)
        return np.asarray(codes_of(blob, name) * scale, np.float32)
    found: Floats = blob.array(name).astype(np.float32)
    return found.transpose(0, 2, 1) if ".conv" in name and found.ndim == 3 else found
