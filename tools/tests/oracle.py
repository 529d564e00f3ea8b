# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""OpenAI's own Whisper, from its package, as the judge of the runtime: with a checkpoint's weights, or with a blob's.

With a blob's weights it becomes a simulation of the runtime's arithmetic: each linear layer multiplies by the codes and
scales that are in the blob, and quantises what goes in where the blob says so.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

from whisper158.model.blob import Blob, Dtype
from whisper158.model.checkpoint import Checkpoint, Dims
from whisper158.model.ternary import unpack

Floats = npt.NDArray[np.float32]


def original(checkpoint: Checkpoint) -> Whisper:
    """OpenAI's model with the checkpoint's weights, in float32."""
    return _filled(checkpoint.dims, {name: np.asarray(a, np.float32) for name, a in checkpoint.tensors.items()})


def simulation(blob: Blob) -> Whisper:
    """OpenAI's model with a blob's weights and the runtime's arithmetic, as docs/blob-format.md says it is."""
    *dims, _, activation_bits = blob.array("config").tolist()
    tensors = [n for n in blob.sections if n.startswith(("encoder.", "decoder.")) and not n.endswith(".scale")]
    model = _filled(Dims(*dims), {name: _weights(blob, name) for name in tensors})
    for name, module in model.named_modules():
        if activation_bits == 8 and isinstance(module, torch.nn.Linear) and f"{name}.weight.scale" in blob:
            module.forward = _integer_linear(blob, name, module)
    if blob.sections["decoder.token_embedding.weight"].dtype == Dtype.I8:
        model.decoder.ln.register_forward_hook(_in_14_bits)
    return model


def _in_14_bits(_module: torch.nn.Module, _inputs: Any, x: torch.Tensor) -> torch.Tensor:
    step = x.abs().amax(dim=-1, keepdim=True) / 8191
    return torch.where(step > 0, torch.round(x / step) * step, 0)


def _filled(dims: Dims, tensors: dict[str, Floats]) -> Whisper:
    model = Whisper(ModelDimensions(**asdict(dims)))
    model.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in tensors.items()}, strict=True)
    return model.eval()


def _codes(blob: Blob, name: str) -> npt.NDArray[np.int8]:
    section = blob.sections[name]
    return unpack(blob.array(name), section) if section.dtype == Dtype.T158 else np.asarray(blob.array(name), np.int8)


def _weights(blob: Blob, name: str) -> Floats:
    section = blob.sections[name]
    if section.dtype in (Dtype.I8, Dtype.T158):
        scale = np.repeat(blob.array(f"{name}.scale"), section.group, axis=1)
        return np.asarray(_codes(blob, name) * scale, np.float32)
    weights: Floats = blob.array(name).astype(np.float32)
    return weights.transpose(0, 2, 1) if ".conv" in name and weights.ndim == 3 else weights


def _integer_linear(blob: Blob, name: str, module: torch.nn.Linear) -> Any:
    codes = torch.from_numpy(_codes(blob, f"{name}.weight").astype(np.float64))
    scale = torch.from_numpy(np.array(blob.array(f"{name}.weight.scale"), np.float64))
    group = blob.sections[f"{name}.weight"].group

    def forward(x: torch.Tensor) -> torch.Tensor:
        step = x.abs().amax(dim=-1, keepdim=True) / 127
        q = torch.where(step > 0, torch.round(x / step), 0).double()
        y = torch.zeros(*x.shape[:-1], codes.shape[0], dtype=torch.float64)
        for g in range(scale.shape[1]):
            part = slice(g * group, (g + 1) * group)
            y += q[..., part] @ codes[:, part].T * scale[:, g]
        y = y * step
        return (y if module.bias is None else y + module.bias).float()

    return forward


def mel(samples: Floats, seconds: int = 30) -> Floats:
    padded = whisper.pad_or_trim(torch.from_numpy(samples), seconds * 16000)
    return np.asarray(whisper.log_mel_spectrogram(padded))


@torch.no_grad()
def encode(model: Whisper, spectrogram: Floats) -> Floats:
    """[n_mels, 2 x frames] to [frames, n_audio_state]; for fewer frames than n_audio_ctx the positions are cut."""
    encoder = model.encoder
    x = torch.nn.functional.gelu(encoder.conv1(torch.from_numpy(spectrogram)[None]))
    x = torch.nn.functional.gelu(encoder.conv2(x)).permute(0, 2, 1)
    x = x + encoder.positional_embedding[: x.shape[1]]
    for block in encoder.blocks:
        x = block(x)
    return np.asarray(encoder.ln_post(x)[0])


@torch.no_grad()
def decode(model: Whisper, encoded: Floats, tokens: list[int]) -> Floats:
    """Logits [len(tokens), n_vocab]."""
    return np.asarray(model.decoder(torch.tensor([tokens]), torch.from_numpy(encoded)[None])[0])


def transcribe(model: Whisper, samples: Floats, **options: Any) -> dict[str, Any]:
    """whisper.transcribe, greedy at temperature 0, as the runtime does it."""
    settings = {"temperature": 0.0, "condition_on_previous_text": False, "fp16": False, "verbose": None, **options}
    return dict(whisper.transcribe(model, samples, **settings))


def distance(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """|a - b| / |b|"""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
