# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The network that hears where somebody speaks: Silero VAD 6.2 for 16 kHz, from PyPI, as the blob has it.

The wheel holds the network many times. The ONNX files for 16 kHz and the TorchScript file agree number for number; the
safetensors file beside them is another, older network, and is not what Silero's own package runs.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from whisper158.cache import cache_dir, make_entry
from whisper158.errors import UserError, die
from whisper158.model.fetch import Member, Wheel, unpack
from whisper158.model.onnx import initializers

Array = npt.NDArray[Any]

WHEEL = Wheel(
    project="silero-vad",
    version="6.2.3",
    sha256="7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    size=11_317_527,
    members=(Member("silero_vad/data/silero_vad_16k_op15.onnx", 1_289_603, "vad.onnx"),),
)
SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
LICENCE = "MIT, Copyright (c) 2020-present Silero Team"

# [outputs, inputs, taps] of each convolution.
CONVOLUTIONS = ((128, 129, 3), (64, 128, 3), (64, 64, 3), (128, 64, 3))
STATE = 128
WINDOW = 256  # samples that a transform sees


@dataclass(frozen=True)
class Detector:
    """sections: the arrays of docs/blob-format.md by their names. provenance: lines for the blob."""

    sections: Mapping[str, Array]
    provenance: Mapping[str, str]


def load() -> Detector:
    """The detector, from the cache or, the first time, from PyPI. Raises UserError."""
    path = file()
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        die(f"{path} is not what was downloaded (its sha256 differs)", f"remove {path.parent} and try again")
    try:
        sections = arrange(initializers(path))
    except UserError as error:
        die(f"{path}: {error.message}")
    source = f"Silero VAD, PyPI {WHEEL.project} {WHEEL.version}"
    return Detector(sections, {"vad_source": source, "vad_sha256": SHA256, "vad_licence": LICENCE})


def file() -> Path:
    """The network as ONNX Runtime reads it."""
    return make_entry(cache_dir() / "vad", lambda folder: unpack("silero-vad", (WHEEL,), folder)) / "vad.onnx"


def arrange(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The network's tensors in the blob's order: inputs before outputs, so that a product walks along the outputs."""

    def take(name: str, *shape: int) -> Array:
        tensor = tensors.get(f"model.{name}")
        if tensor is None or tensor.shape != shape:
            die(f"tensor model.{name} is {'missing' if tensor is None else f'of shape {list(tensor.shape)}'}")
        return tensor

    _check_transform(take("stft.forward_basis_buffer", WINDOW + 2, 1, WINDOW)[:, 0])
    sections = {}
    for i, (outputs, inputs, taps) in enumerate(CONVOLUTIONS):
        conv = f"encoder.{i}.reparam_conv"
        sections[f"vad.conv{i + 1}.weight"] = take(f"{conv}.weight", outputs, inputs, taps).transpose(2, 1, 0)
        sections[f"vad.conv{i + 1}.bias"] = take(f"{conv}.bias", outputs)
    for end, side in (("ih", "input"), ("hh", "hidden")):
        sections[f"vad.lstm.{side}.weight"] = take(f"decoder.rnn.weight_{end}", 4 * STATE, STATE).T
    sections["vad.lstm.bias"] = take("decoder.rnn.bias_ih", 4 * STATE) + take("decoder.rnn.bias_hh", 4 * STATE)
    sections["vad.out.weight"] = take("decoder.decoder.2.weight", 1, STATE, 1).reshape(STATE)
    sections["vad.out.bias"] = take("decoder.decoder.2.bias", 1)
    return {name: np.ascontiguousarray(array, "<f4") for name, array in sections.items()}


def _check_transform(basis: Array) -> None:
    """The runtime computes the first layer instead of storing it, so that must be what it is taken for."""
    turns = np.outer(np.arange(WINDOW // 2 + 1), np.arange(WINDOW)) / WINDOW
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    waves = np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)])
    if np.abs(basis - waves * window).max() > 1e-6:
        die("its first layer is not the Fourier transform of a Hann window")
