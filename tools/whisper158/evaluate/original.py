# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""OpenAI's Whisper, from its package, with weights of ours and for audio of any length."""

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import torch
from whisper.model import ModelDimensions, Whisper

from whisper158.model.checkpoint import Dims

Floats = npt.NDArray[np.float32]


def filled(dims: Dims, tensors: dict[str, Floats]) -> Whisper:
    """OpenAI's model with these weights, by their names there."""
    model = Whisper(ModelDimensions(**asdict(dims)))
    model.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in tensors.items()}, strict=True)
    return model.eval()


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
