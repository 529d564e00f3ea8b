# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Moonshine as a row of stages: the encoder's blocks, "hearing" as in whisper.py, the decoder's blocks. Convolutions
and norms stay in floats, and the token embedding has a grid of its own.

Folds: each norm into the layers that read it, the encoder's last one into all of hearing together; an attention's
values into its out layer; and in the decoder's MLPs the half of the first layer that passes the gate into the second,
for a gate multiplies. Neither norms nor attention have biases, so factors move and shifts do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from whisper158.lab.codes import Weight
from whisper158.lab.families.moonshine_checkpoint import Checkpoint
from whisper158.lab.families.moonshine_network import Dims, Moonshine, filled
from whisper158.lab.fit import nearest
from whisper158.lab.grid import Grid
from whisper158.lab.stage import Flow, Inputs, Norm, Site, Stage, Stream

HEARING = "hearing"
SELF = (
    Site(
        "self_attn",
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "input_layernorm",
        normed=True,
        shifts=False,
    ),
    Site("self_attn.o_proj", ("self_attn.o_proj",), "self_attn.v_proj", shifts=False),
)
ENCODER = (
    *SELF,
    Site("mlp.fc1", ("mlp.fc1",), "post_attention_layernorm", normed=True, shifts=False),
    Site("mlp.fc2", ("mlp.fc2",)),
)
DECODER = (
    *SELF,
    Site("encoder_attn.q_proj", ("encoder_attn.q_proj",), "post_attention_layernorm", normed=True, shifts=False),
    Site("encoder_attn.o_proj", ("encoder_attn.o_proj",)),
    Site("mlp.fc1", ("mlp.fc1",), "final_layernorm", normed=True, shifts=False),
    Site("mlp.fc2", ("mlp.fc2",), "mlp.fc1", shifts=False),
)


@dataclass(frozen=True)
class MoonshineModel:
    dims: Dims
    moonshine: Moonshine
    stages: tuple[Stage, ...]
    streams: tuple[Stream, ...]


def model(checkpoint: Checkpoint) -> MoonshineModel:
    """A copy of the checkpoint that may be changed."""
    dims, moonshine = checkpoint.dims, filled(checkpoint.dims, checkpoint.tensors)
    encoder = [_block(f"encoder.layers.{i}", block, ENCODER, dims) for i, block in enumerate(moonshine.encoder.layers)]
    decoder = [_block(f"decoder.layers.{i}", block, DECODER, dims) for i, block in enumerate(moonshine.decoder.layers)]
    return MoonshineModel(dims, moonshine, (*encoder, _hearing(moonshine), *decoder), _streams(moonshine))


@torch.no_grad()
def flow(model: MoonshineModel, samples: Tensor, tokens: Sequence[int]) -> Flow:
    """A clip as it enters the first stage: its samples, and the tokens that the decoder is given."""
    x = model.moonshine.encoder.stem(samples.to(model.moonshine.encoder.conv1.weight))
    return {"x": x, "tokens": torch.tensor([list(tokens)], device=x.device)}


@torch.no_grad()
def logits(model: MoonshineModel, flow: Flow) -> Tensor:
    """What the model makes of a clip as it enters: [tokens, n_vocab]"""
    for stage in model.stages:
        flow = stage.give(flow, stage.run(stage.take(flow)))
    return model.moonshine.decoder.logits(flow["x"])[0]


@torch.no_grad()
def quantise_head(model: MoonshineModel, grid: Grid) -> Weight:
    """Rounds the token embedding, in place, at both of its ends."""
    embedding = model.moonshine.decoder.embed_tokens
    weight = Weight((nearest(embedding.weight, grid),))
    embedding.weight.copy_(weight.weights())
    return weight


def _block(name: str, block: nn.Module, sites: Sequence[Site], dims: Dims) -> Stage:
    """An encoder's block is given no audio."""
    own = tuple(replace(site, heads=dims.heads) if site.source == "self_attn.v_proj" else site for site in sites)
    return Stage(name, block, own, _inputs, _replace, f"{name}.")


def _inputs(flow: Flow) -> Inputs:
    return (flow["x"], flow["audio"]) if "audio" in flow else (flow["x"],)


def _replace(flow: Flow, out: Tensor) -> Flow:
    return {**flow, "x": out}


class Hearing(nn.Module):
    """The encoder's last norm, and all keys and values that are made of what it writes, side by side. The modules are
    the model's own."""

    def __init__(self, moonshine: Moonshine) -> None:
        super().__init__()
        self.encoder, self.layers = moonshine.encoder, moonshine.decoder.layers

    def forward(self, x: Tensor) -> Tensor:
        audio = self.encoder.layer_norm(x)
        parts = [part for block in self.layers for part in (block.encoder_attn.k_proj, block.encoder_attn.v_proj)]
        return torch.cat([part(audio) for part in parts], dim=-1)


def _hearing(moonshine: Moonshine) -> Stage:
    count = len(moonshine.decoder.layers)
    heard = tuple(f"layers.{i}.encoder_attn.{part}" for part in ("k_proj", "v_proj") for i in range(count))
    site = Site("cross", heard, "encoder.layer_norm", normed=True, shifts=False)

    def give(flow: Flow, _out: Tensor) -> Flow:
        """To the decoder, which makes its keys and values itself."""
        with torch.no_grad():
            audio = moonshine.encoder.layer_norm(flow["x"])
            return {"x": moonshine.decoder.embed_tokens(flow["tokens"]), "audio": audio}

    return Stage(HEARING, Hearing(moonshine), (site,), _inputs, give, "decoder.")


def _streams(moonshine: Moonshine) -> tuple[Stream, Stream]:
    encoder, decoder = moonshine.encoder, moonshine.decoder
    heard = [part for block in decoder.layers for part in (block.encoder_attn.k_proj, block.encoder_attn.v_proj)]
    last = Norm(encoder, "layer_norm", tuple(heard))
    return _of_blocks(encoder.layers, last), _of_blocks(decoder.layers, Norm(decoder, "norm"))


def _of_blocks(blocks: nn.ModuleList, last: Norm) -> Stream:
    norms: list[Norm] = []
    writers: list[nn.Linear] = []
    for block in blocks:
        own, crossing = block.self_attn, hasattr(block, "encoder_attn")
        norms.append(Norm(block, "input_layernorm", (own.q_proj, own.k_proj, own.v_proj)))
        writers.append(own.o_proj)
        if crossing:
            norms.append(Norm(block, "post_attention_layernorm", (block.encoder_attn.q_proj,)))
            writers.append(block.encoder_attn.o_proj)
        norms.append(Norm(block, "final_layernorm" if crossing else "post_attention_layernorm", (block.mlp.fc1,)))
        writers.append(block.mlp.fc2)
    return Stream(writers[0].weight.shape[0], blocks[0], (*norms, last), tuple(writers))
