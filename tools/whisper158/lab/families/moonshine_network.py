# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Moonshine, version 1 (Jeffries et al. 2024, arXiv 2410.15608), in PyTorch; its parameters have the names of the
checkpoints for transformers.

Samples pass three convolutions, which leave 41.7 frames of a second. Both sides are rows of blocks that norms without a
bias stand before. Positions are told by rotation: neighbouring channels of a head, up to `rotary` of them, are the
coordinates of a point in a plane, which turns as the position grows. Attention to the audio has no positions. The
encoder's MLPs have a GELU; the decoder's multiply one half of what their first layer writes with the SiLU of the other.
The token embedding is the head too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Channels that a convolution reads at once, and how many it goes on.
WINDOWS = ((127, 64), (7, 3), (3, 2))


@dataclass(frozen=True)
class Dims:
    """hidden: channels between an MLP's layers. rotary: channels of a head that turn, the planes of which do so at
    theta ** (-2 i / rotary) radians a position."""

    width: int
    hidden: int
    encoder_layers: int
    decoder_layers: int
    heads: int
    n_vocab: int
    rotary: int
    theta: float = 10000.0


def frames_of(samples: int) -> tuple[int, int, int]:
    """How many vectors each convolution writes; none where the samples do not fill its window."""
    counts = []
    for size, step in WINDOWS:
        samples = max(0, (samples - size) // step + 1)
        counts.append(samples)
    first, second, third = counts
    return first, second, third


@dataclass
class Past:
    """What a block of the decoder remembers of the tokens so far, and of the audio."""

    own: tuple[Tensor, Tensor] | None = None
    heard: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class Rotary:
    channels: int
    theta: float

    def __call__(self, x: Tensor, first: int) -> Tensor:
        """x [1, heads, positions, channels of a head], from position `first` on"""
        planes = torch.arange(0, self.channels, 2, device=x.device, dtype=torch.float32) / self.channels
        positions = torch.arange(first, first + x.shape[2], device=x.device, dtype=torch.float32)
        angles = positions[:, None] * (1.0 / self.theta**planes)
        cos, sin = angles.cos().to(x), angles.sin().to(x)
        a, b = x[..., : self.channels : 2], x[..., 1 : self.channels : 2]
        turned = torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)
        return torch.cat((turned, x[..., self.channels :]), dim=-1)


class Attention(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.heads = dims.heads
        self.q_proj = nn.Linear(dims.width, dims.width, bias=False)
        self.k_proj = nn.Linear(dims.width, dims.width, bias=False)
        self.v_proj = nn.Linear(dims.width, dims.width, bias=False)
        self.o_proj = nn.Linear(dims.width, dims.width, bias=False)

    def split(self, x: Tensor) -> Tensor:
        """[1, positions, channels] to [1, heads, positions, channels of a head]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def mixed(self, q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.o_proj(y.transpose(1, 2).flatten(2))


class OwnAttention(Attention):
    """Of a stream to itself"""

    def __init__(self, dims: Dims, causal: bool) -> None:
        super().__init__(dims)
        self.causal, self.rotary = causal, Rotary(dims.rotary, dims.theta)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        """With a past, x is one token."""
        before = past.own if past else None
        first = before[0].shape[2] if before else 0
        q, k = (self.rotary(self.split(layer(x)), first) for layer in (self.q_proj, self.k_proj))
        v = self.split(self.v_proj(x))
        if before:
            k, v = torch.cat((before[0], k), dim=2), torch.cat((before[1], v), dim=2)
        if past:
            past.own = k, v
        return self.mixed(q, k, v, self.causal and past is None)


class CrossAttention(Attention):
    """Of the decoder to the audio"""

    def forward(self, x: Tensor, audio: Tensor, past: Past | None = None) -> Tensor:
        heard = past.heard if past else None
        if heard is None:
            heard = self.split(self.k_proj(audio)), self.split(self.v_proj(audio))
        if past:
            past.heard = heard
        return self.mixed(self.split(self.q_proj(x)), *heard)


class EncoderMlp(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dims.width, dims.hidden)
        self.fc2 = nn.Linear(dims.hidden, dims.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class DecoderMlp(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dims.width, 2 * dims.hidden)
        self.fc2 = nn.Linear(dims.hidden, dims.width)

    def forward(self, x: Tensor) -> Tensor:
        passing, gate = self.fc1(x).chunk(2, dim=-1)
        return self.fc2(passing * F.silu(gate))


def _norm(dims: Dims) -> nn.LayerNorm:
    return nn.LayerNorm(dims.width, bias=False)


class EncoderBlock(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.self_attn = OwnAttention(dims, causal=False)
        self.mlp = EncoderMlp(dims)
        self.input_layernorm, self.post_attention_layernorm = _norm(dims), _norm(dims)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class DecoderBlock(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.self_attn = OwnAttention(dims, causal=True)
        self.encoder_attn = CrossAttention(dims)
        self.mlp = DecoderMlp(dims)
        self.input_layernorm, self.post_attention_layernorm, self.final_layernorm = (_norm(dims) for _ in range(3))

    def forward(self, x: Tensor, audio: Tensor, past: Past | None = None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), past)
        x = x + self.encoder_attn(self.post_attention_layernorm(x), audio, past)
        return x + self.mlp(self.final_layernorm(x))


class Encoder(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        d = dims.width
        channels = ((1, d), (d, 2 * d), (2 * d, d))
        (self.conv1, self.conv2, self.conv3) = (
            nn.Conv1d(*into, size, step, bias=i > 0)
            for i, (into, (size, step)) in enumerate(zip(channels, WINDOWS, strict=True))
        )
        self.groupnorm = nn.GroupNorm(1, d)
        self.layers = nn.ModuleList(EncoderBlock(dims) for _ in range(dims.encoder_layers))
        self.layer_norm = _norm(dims)

    def stem(self, samples: Tensor) -> Tensor:
        """[samples], 16000 for a second, to [1, frames, channels]"""
        x = self.groupnorm(torch.tanh(self.conv1(samples[None, None])))
        x = F.gelu(self.conv3(F.gelu(self.conv2(x))))
        return x.transpose(1, 2)

    def forward(self, samples: Tensor) -> Tensor:
        x = self.stem(samples)
        for block in self.layers:
            x = block(x)
        return self.layer_norm(x)


class Decoder(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(dims.n_vocab, dims.width)
        self.layers = nn.ModuleList(DecoderBlock(dims) for _ in range(dims.decoder_layers))
        self.norm = _norm(dims)

    def forward(self, tokens: Tensor, audio: Tensor, pasts: list[Past] | None = None) -> Tensor:
        """tokens [1, n], or with what was before, [1, 1]; logits [1, n, n_vocab]"""
        x = self.embed_tokens(tokens)
        for i, block in enumerate(self.layers):
            x = block(x, audio, pasts[i] if pasts else None)
        return self.logits(x)

    def logits(self, x: Tensor) -> Tensor:
        return self.norm(x) @ self.embed_tokens.weight.T


class Moonshine(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(dims), Decoder(dims)


def tensor_shapes(dims: Dims) -> dict[str, tuple[int, ...]]:
    """The name and shape of every parameter."""
    with torch.device("meta"):
        state = Moonshine(dims).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def filled(dims: Dims, tensors: Mapping[str, npt.NDArray[np.float32]]) -> Moonshine:
    """A copy of these weights, which nothing learns in."""
    with torch.device("meta"):
        model = Moonshine(dims)
    state = {name: torch.tensor(np.asarray(a, np.float32)) for name, a in tensors.items()}
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval().requires_grad_(False)
