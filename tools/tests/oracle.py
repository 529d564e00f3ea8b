# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""OpenAI's own Whisper, from its package, as the judge of the runtime."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import whisper
from whisper.model import Whisper

from whisper158.evaluate.original import filled
from whisper158.model.checkpoint import Checkpoint

Floats = npt.NDArray[np.float32]


def original(checkpoint: Checkpoint) -> Whisper:
    """OpenAI's model with the checkpoint's weights, in float32."""
    return filled(checkpoint.dims, {name: np.asarray(a, np.float32) for name, a in checkpoint.tensors.items()})


def mel(samples: Floats, seconds: int = 30) -> Floats:
    padded = whisper.pad_or_trim(torch.from_numpy(samples), seconds * 16000)
    return np.asarray(whisper.log_mel_spectrogram(padded))


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
