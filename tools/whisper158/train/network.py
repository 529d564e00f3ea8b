# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Whisper for training: any number of frames, and every block's output on the way.

Parameters have OpenAI's names, so a checkpoint's tensors fit; a quantised matrix has a `scale` beside its `weight`. The
formulas are those of OpenAI's whisper/model.py. Frames are [batch, time, channels] throughout.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint as recomputed

from whisper158.model.checkpoint import Checkpoint, Dims
from whisper158.model.ternary import project, quantise_i4
from whisper158.train.quantisers import (
    PLAIN,
    FloatProduct,
    Int4Weight,
    TernaryProduct,
    fused,
    narrow,
    spread,
    ternary_codes,
)

EMBEDDING = "decoder.token_embedding"

KeysAndValues = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Quantisation:
    """linear: "ternary" or "float", for all linear layers of the blocks. head: "int4", "int8", "ternary" or "float",
    for the token embedding, which is also the output head; "int8" trains as floats, of which rounding takes nothing.
    The groups count the channels that share a scale; 0 means all of a row."""

    linear: str = "ternary"
    linear_group: int = 0
    head: str = "int4"
    head_group: int = 128


class Linear(nn.Module):
    """y = x W^T + b, in floats or, once it has scales, with ternary weights and int8 activations."""

    def __init__(self, channels: int, rows: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, channels))
        self.bias = nn.Parameter(torch.zeros(rows)) if bias else None
        self.scale: nn.Parameter | None = None
        self.share = 1.0
        self.between = PLAIN

    def forward(self, x: Tensor) -> Tensor:
        return product([self], x)


def product(layers: list[Linear], x: Tensor) -> Tensor:
    """What several layers make of the same x, side by side: one product is faster than three."""
    weight = torch.cat([layer.weight for layer in layers]) if len(layers) > 1 else layers[0].weight
    biases = [layer.bias if layer.bias is not None else layer.weight.new_zeros(len(layer.weight)) for layer in layers]
    bias = torch.cat(biases) if len(layers) > 1 else biases[0]
    if layers[0].scale is None:
        return FloatProduct.apply(x, weight, bias)
    scale = torch.cat([layer.scale for layer in layers if layer.scale is not None])
    return TernaryProduct.apply(x, weight, scale, bias, layers[0].share, layers[0].between)


class Convolution(nn.Module):
    """Three taps, as a product over the three neighbours of each frame. x [batch, time, channels]."""

    def __init__(self, channels: int, rows: int, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, channels, 3))
        self.bias = nn.Parameter(torch.zeros(rows))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        windows = F.pad(x, (0, 0, 1, 1)).unfold(1, 3, self.stride)  # [batch, time, channels, 3]
        return FloatProduct.apply(windows.flatten(2), self.weight.flatten(1), self.bias)


class Attention(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(channels, channels)
        self.key = Linear(channels, channels, bias=False)
        self.value = Linear(channels, channels)
        self.out = Linear(channels, channels)

    def forward(self, x: Tensor, heard: KeysAndValues | None = None, causal: bool = False) -> Tensor:
        """To itself, or to what `hear` made of the audio: of each sound in turn, for as many rows of x as there are to
        a sound."""
        if heard is None:
            q, k, v = product([self.query, self.key, self.value], x).chunk(3, dim=-1)
        else:
            q, (k, v) = self.query(x), heard
            q = q.unflatten(0, (len(k), -1)).flatten(1, 2)
        y = attend(self._split(q), self._split(k), self._split(v), causal)
        return self.out(y.transpose(1, 2).reshape(x.shape))

    def hear(self, audio: Tensor) -> KeysAndValues:
        """Keys and values of the encoder's output"""
        k, v = product([self.key, self.value], audio).chunk(2, dim=-1)
        return k, v

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """[batch, heads, length, channels of a head]. Where gradients are wanted on a CPU, plain products are faster than
    the fused kernel, by half, whose backward pass is slow there."""
    q, k, v = narrow(q), narrow(k), narrow(v)
    if q.is_cuda or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(future, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


class Block(nn.Module):
    def __init__(self, channels: int, heads: int, hears: bool) -> None:
        super().__init__()
        self.attn = Attention(channels, heads)
        self.attn_ln = nn.LayerNorm(channels)
        self.cross_attn = Attention(channels, heads) if hears else None
        self.cross_attn_ln = nn.LayerNorm(channels) if hears else None
        self.mlp = nn.Sequential(Linear(channels, 4 * channels), nn.GELU(), Linear(4 * channels, channels))
        self.mlp_ln = nn.LayerNorm(channels)

    def forward(self, x: Tensor, heard: KeysAndValues | None = None) -> Tensor:
        x = x + self.attn(self.attn_ln(x), causal=heard is not None)
        if self.cross_attn is not None and self.cross_attn_ln is not None:
            x = x + self.cross_attn(self.cross_attn_ln(x), heard)
        return x + self.mlp(self.mlp_ln(x))


@dataclass(frozen=True)
class Trace:
    """What one side computed: `stages` are the input of its first block and the output of each; `out`, the last of
    them after the final norm."""

    stages: list[Tensor]
    out: Tensor


class Side(nn.Module):
    """The blocks of the encoder or decoder. With `apart`, no gradient passes from a block to the one before. With
    `recompute`, what happens within a block is computed again for the gradients instead of being kept for them."""

    blocks: nn.ModuleList
    recompute = False

    def run(self, x: Tensor, heard: Sequence[KeysAndValues | None], apart: bool) -> list[Tensor]:
        stages = [x]
        for block, keys_and_values in zip(self.blocks, heard, strict=True):
            entering = stages[-1].detach() if apart else stages[-1]
            if self.recompute and torch.is_grad_enabled():
                stages.append(recomputed(block, entering, keys_and_values, use_reentrant=False))
            else:
                stages.append(block(entering, keys_and_values))
        return stages


class Encoder(Side):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        width = dims.n_audio_state
        self.conv1 = Convolution(dims.n_mels, width, stride=1)
        self.conv2 = Convolution(width, width, stride=2)
        self.register_buffer("positional_embedding", torch.zeros(dims.n_audio_ctx, width))
        self.blocks = nn.ModuleList(Block(width, dims.n_audio_head, hears=False) for _ in range(dims.n_audio_layer))
        self.ln_post = nn.LayerNorm(width)

    def forward(self, mel: Tensor, apart: bool = False) -> Trace:
        """mel [batch, n_mels, 2 * frames]"""
        mel = mel.to(self.conv1.weight.dtype)
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel.transpose(1, 2)))))
        x = x + self.positional_embedding[: x.shape[1]]
        stages = self.run(x, [None] * len(self.blocks), apart)
        return Trace(stages, self.ln_post(stages[-1]))


class Decoder(Side):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        width = dims.n_text_state
        self.token_embedding = Embedding(dims.n_vocab, width)
        self.positional_embedding = nn.Parameter(torch.zeros(dims.n_text_ctx, width))
        self.blocks = nn.ModuleList(Block(width, dims.n_text_head, hears=True) for _ in range(dims.n_text_layer))
        self.ln = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, audio: Tensor, apart: bool = False) -> Trace:
        """tokens [batch, length]; audio, the encoder's output [batch, frames, channels]"""
        return self.say(tokens, self.hear(audio.detach() if apart else audio), apart)

    def hear(self, audio: Tensor) -> list[KeysAndValues]:
        """What every block needs to know of the audio, however many tokens follow."""
        return [block.cross_attn.hear(audio) for block in self.blocks]

    def say(self, tokens: Tensor, heard: Sequence[KeysAndValues], apart: bool = False) -> Trace:
        """tokens [texts, length]: of each sound that was heard as many, one sound after the other"""
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        stages = self.run(x, heard, apart)
        return Trace(stages, self.ln(stages[-1]))


class Embedding(nn.Module):
    """Token to vector, and at the other end vector to logits."""

    def __init__(self, n_vocab: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_vocab, width))
        self.scale: nn.Parameter | None = None
        self.kind = "float"
        self._frozen: tuple[int, Tensor] | None = None

    def matrix(self, rows: Tensor | None = None) -> Tensor:
        """All rows, or those named, as the runtime has them. All of them are made once where they do not learn."""
        if rows is not None or self.weight.requires_grad or self.scale is None:
            return self._made(rows)
        if self._frozen is None or self._frozen[0] != self.weight._version:
            self._frozen = (self.weight._version, self._made(None).detach())
        return self._frozen[1]

    def _made(self, rows: Tensor | None) -> Tensor:
        weight = self.weight if rows is None else self.weight[rows]
        if self.scale is None:
            return weight
        scale: Tensor = self.scale if rows is None else self.scale[rows]
        if self.kind == "int4":
            return Int4Weight.apply(weight, scale)
        whole = ternary_codes(weight.detach(), scale.detach()) * spread(scale, weight.shape)
        return whole + weight - weight.detach()

    def forward(self, tokens: Tensor) -> Tensor:
        return self.matrix(tokens.flatten()).view(*tokens.shape, -1)

    def logits(self, x: Tensor) -> Tensor:
        return FloatProduct.apply(x, self.matrix(), None)


class Whisper(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.dims = dims
        self.encoder = Encoder(dims)
        self.decoder = Decoder(dims)


def pair(hearing: Whisper, speaking: Whisper) -> Whisper:
    """The encoder of one before the decoder of the other; both are shared, not copied."""
    both = copy.copy(hearing)
    both._modules = {**hearing._modules, "decoder": speaking.decoder}
    return both


def original(checkpoint: Checkpoint) -> Whisper:
    """The checkpoint as it is."""
    model = Whisper(checkpoint.dims)
    tensors = {name: torch.from_numpy(np.array(a, np.float32)) for name, a in checkpoint.tensors.items()}
    model.load_state_dict(tensors, strict=True)
    return model


def quantise(model: Whisper, how: Quantisation) -> None:
    """Gives the matrices of `model` scales: those of the best codes for the weights as they are."""
    for layer in linear_layers(model).values():
        if how.linear == "ternary":
            scales = project(layer.weight.detach().numpy(), how.linear_group).scales
            layer.scale = nn.Parameter(torch.from_numpy(scales))
    embedding = model.decoder.token_embedding
    embedding.kind = how.head
    if how.head != "float":
        centre(model.decoder)
    weights = embedding.weight.detach().numpy()
    if how.head == "int4":
        embedding.scale = nn.Parameter(torch.from_numpy(quantise_i4(weights, how.head_group).scales))
    elif how.head == "ternary":
        embedding.scale = nn.Parameter(torch.from_numpy(project(weights, how.head_group).scales))


@torch.no_grad()
def centre(decoder: Decoder) -> None:
    """Takes the mean of each channel off the token embedding. To all logits alike it adds the same, which no softmax
    sees; what it adds to the decoder's input, the positions can. Few bits hold the rest better: of tiny.en with one
    scale in 64, the squared error of 4 bits falls by 38 %, for one channel's mean is 25 times what others deviate."""
    mean = decoder.token_embedding.weight.mean(dim=0)
    decoder.token_embedding.weight -= mean
    decoder.positional_embedding += mean


def linear_layers(model: nn.Module) -> dict[str, Linear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Linear)}


def set_share(model: nn.Module, share: float) -> None:
    """How much of the way from latent weights to codes the ternary layers go: a ramp for those who start without the
    block-by-block stage."""
    for layer in linear_layers(model).values():
        layer.share = share


def fuse(model: nn.Module) -> None:
    """Has the ternary layers run what stands between their products in one go."""
    for layer in linear_layers(model).values():
        layer.between = fused()
