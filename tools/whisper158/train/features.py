# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Samples to the log-mel spectrogram, for a window of any number of frames (openai/whisper, whisper/audio.py)."""

import functools

import numpy as np
import numpy.typing as npt
import torch

from whisper158.model.melbank import mel_filters
from whisper158.units import SAMPLE_RATE

Floats = npt.NDArray[np.float32]

HOP = 160
TRANSFORM = 400
FRAME = 320  # samples of one frame of the encoder, whose second convolution halves the columns
FRAMES_PER_SECOND = SAMPLE_RATE // FRAME


@functools.cache
def _constants(n_mels: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(mel_filters(n_mels)), torch.hann_window(TRANSFORM)


def log_mel(samples: Floats, frames: int, n_mels: int = 80) -> torch.Tensor:
    """[n_mels, 2 * frames] of samples at 16 kHz, which are cut or padded with zeros to that length."""
    filters, window = _constants(n_mels)
    padded = np.zeros(frames * FRAME, np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    spectrum = torch.stft(torch.from_numpy(padded), TRANSFORM, HOP, window=window, return_complex=True)
    power = spectrum[:, :-1].abs() ** 2
    logs = torch.log10((filters @ power).clamp(min=1e-10))
    logs = torch.maximum(logs, logs.max() - 8)
    return (logs + 4) / 4
