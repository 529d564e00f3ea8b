# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""OpenAI's Whisper, from its package, as a row of stages.

The encoder's blocks; then "hearing", the keys and values that all the decoder's blocks make of the encoder's output,
which are computed once for each window; then the decoder's blocks. Convolutions, positions and norms stay in floats,
and the token embedding has a grid of its own.

Folds: each norm into the layers that read it (ln_post into all of hearing together), and an attention's values into
its out layer, for softmax's weights sum to one. Not through the GELU between the MLP's layers. The cross attention's
values belong to hearing, which is quantised before its out layer is looked at, so nothing is folded there. Keys have
no bias, and need none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from whisper.model import Whisper

from whisper158.evaluate.original import filled
from whisper158.lab.codes import Weight
from whisper158.lab.fit import nearest
from whisper158.lab.grid import Grid
from whisper158.lab.stage import Flow, Inputs, Norm, Site, Stage, Stream
from whisper158.model.checkpoint import Checkpoint, Dims

HEARING = "hearing"
HEAD = "decoder.token_embedding.weight"
SELF = (
    Site("attn", ("attn.query", "attn.key", "attn.value"), "attn_ln", frozenset(("attn.key",)), normed=True),
    Site("attn.out", ("attn.out",), "attn.value"),
)
CROSS = (
    Site("cross_attn.query", ("cross_attn.query",), "cross_attn_ln", normed=True),
    Site("cross_attn.out", ("cross_attn.out",)),
)
MLP = (Site("mlp.0", ("mlp.0",), "mlp_ln", normed=True), Site("mlp.2", ("mlp.2",)))


@dataclass(frozen=True)
class WhisperModel:
    dims: Dims
    whisper: Whisper
    stages: tuple[Stage, ...]
    streams: tuple[Stream, ...]


def model(checkpoint: Checkpoint) -> WhisperModel:
    """A copy of the checkpoint that may be changed."""
    dims = checkpoint.dims
    whisper = filled(dims, {name: np.asarray(a, np.float32) for name, a in checkpoint.tensors.items()})
    whisper.requires_grad_(False)
    encoder = [_encoder_stage(i, block, dims) for i, block in enumerate(whisper.encoder.blocks)]
    decoder = [_decoder_stage(i, block, dims) for i, block in enumerate(whisper.decoder.blocks)]
    return WhisperModel(dims, whisper, (*encoder, _hearing(whisper), *decoder), _streams(whisper))


def flow(model: WhisperModel, mel: Tensor, tokens: Sequence[int]) -> Flow:
    """A clip as it enters the first stage: mel [n_mels, 2 x frames], and the tokens that the decoder is given."""
    encoder = model.whisper.encoder
    with torch.no_grad():
        x = F.gelu(encoder.conv1(mel[None].to(encoder.conv1.weight)))
        x = F.gelu(encoder.conv2(x)).transpose(1, 2)
        x = x + encoder.positional_embedding[: x.shape[1]]
    return {"x": x, "tokens": torch.tensor([list(tokens)], device=x.device)}


def logits(model: WhisperModel, flow: Flow) -> Tensor:
    """What the model makes of a clip as it enters: [tokens, n_vocab]"""
    for stage in model.stages:
        flow = stage.give(flow, stage.run(stage.take(flow)))
    decoder = model.whisper.decoder
    with torch.no_grad():
        return (decoder.ln(flow["x"]) @ decoder.token_embedding.weight.T)[0]


def quantise_head(model: WhisperModel, grid: Grid) -> Weight:
    """Rounds the token embedding, in place, at both of its ends."""
    embedding = model.whisper.decoder.token_embedding
    weight = Weight((nearest(embedding.weight.detach(), grid),))
    with torch.no_grad():
        embedding.weight.copy_(weight.weights())
    return weight


def _encoder_stage(i: int, block: nn.Module, dims: Dims) -> Stage:
    name = f"encoder.blocks.{i}"
    sites = (*_with_heads(SELF, dims.n_audio_head), *MLP)
    return Stage(name, block, sites, _stream, _replace, f"{name}.")


def _decoder_stage(i: int, block: nn.Module, dims: Dims) -> Stage:
    name = f"decoder.blocks.{i}"
    sites = (*_with_heads(SELF, dims.n_text_head), *CROSS, *MLP)
    return Stage(name, block, sites, lambda flow: (flow["x"], flow["audio"], flow["mask"]), _replace, f"{name}.")


def _with_heads(sites: tuple[Site, ...], heads: int) -> tuple[Site, ...]:
    return tuple(replace(site, heads=heads) if site.source == "attn.value" else site for site in sites)


def _replace(flow: Flow, out: Tensor) -> Flow:
    return {**flow, "x": out}


class Hearing(nn.Module):
    """The encoder's last norm, and all keys and values that are made of what it writes, side by side. The modules are
    the model's own."""

    def __init__(self, whisper: Whisper) -> None:
        super().__init__()
        self.encoder, self.blocks = whisper.encoder, whisper.decoder.blocks

    def forward(self, x: Tensor) -> Tensor:
        audio = self.encoder.ln_post(x)
        made = [layer(audio) for block in self.blocks for layer in (block.cross_attn.key, block.cross_attn.value)]
        return torch.cat(made, dim=-1)


def _hearing(whisper: Whisper) -> Stage:
    keys = [f"blocks.{i}.cross_attn.key" for i in range(len(whisper.decoder.blocks))]
    values = [f"blocks.{i}.cross_attn.value" for i in range(len(whisper.decoder.blocks))]
    site = Site("cross", (*keys, *values), "encoder.ln_post", frozenset(keys), normed=True)

    def give(flow: Flow, _out: Tensor) -> Flow:
        """To the decoder, which makes its keys and values itself."""
        decoder, tokens = whisper.decoder, flow["tokens"]
        with torch.no_grad():
            audio = whisper.encoder.ln_post(flow["x"])
            x = decoder.token_embedding(tokens) + decoder.positional_embedding[: tokens.shape[1]]
        return {"x": x, "audio": audio, "mask": decoder.mask}

    return Stage(HEARING, Hearing(whisper), (site,), _stream, give, "decoder.")


def _stream(flow: Flow) -> Inputs:
    return (flow["x"],)


def _streams(whisper: Whisper) -> tuple[Stream, Stream]:
    encoder, decoder = whisper.encoder, whisper.decoder
    hearing = [block.cross_attn for block in decoder.blocks]
    heard = tuple(layer for attention in hearing for layer in (attention.key, attention.value))
    last = Norm(encoder, "ln_post", heard, tuple(attention.key for attention in hearing))
    return (
        _of_blocks(encoder.blocks, last, encoder.ln_post.weight.numel()),
        _of_blocks(decoder.blocks, Norm(decoder, "ln"), decoder.ln.weight.numel()),
    )


def _of_blocks(blocks: nn.ModuleList, last: Norm, width: int) -> Stream:
    norms: list[Norm] = []
    writers: list[nn.Linear] = []
    for block in blocks:
        own = block.attn
        norms.append(Norm(block, "attn_ln", (own.query, own.key, own.value), (own.key,)))
        writers.append(own.out)
        if block.cross_attn:
            norms.append(Norm(block, "cross_attn_ln", (block.cross_attn.query,)))
            writers.append(block.cross_attn.out)
        norms.append(Norm(block, "mlp_ln", (block.mlp[0],)))
        writers.append(block.mlp[2])
    return Stream(width, blocks[0], (*norms, last), tuple(writers))
