# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""QuaRot (Ashkboos et al. 2024, arXiv 2404.00456): rotated, no channel of the residual stream is louder than another.

An RMS norm turns with what it is given, so a model whose norms are those can have its residual stream multiplied by an
orthogonal Q: W <- W Q for what reads it, W <- Q^T W for what writes it. Whisper's LayerNorms are made such first: their
factor and bias go into what reads them, and the mean that they would take off is taken off all that writes to the
stream (SliceGPT, arXiv 2401.15024, section 3). Q is a Hadamard matrix with random signs.

Within a block, an attention's values are turned head by head, and turned back by the weights that follow (exactly, for
what stands between mixes positions, not channels). What follows a GELU or a gate, what comes from another stage, and
heads of a width that no Hadamard matrix is known of here, are turned as they are read. Matrices are then rounded with
GPTQ's feedback, as in the paper.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from whisper158.lab.activations import Input
from whisper158.lab.fit import Params, fit, searched
from whisper158.lab.hadamard import hadamard, known, turned
from whisper158.lab.method import Calibration, Layer, read_through
from whisper158.lab.methods.gptq import Gptq
from whisper158.lab.seen import Seen
from whisper158.lab.stage import Flow, Fold, Model, Norm, Site, Stage, Stream


class QuaRot(Gptq):
    name = "quarot"

    def params(self, weight: Tensor, seen: Seen) -> Params:
        if self.scheme.weights.ternary:
            return super().params(weight, seen)
        return fit(weight, self.scheme.weights, of_spans=searched)

    def prepare(self, model: Model, flows: Sequence[Flow] = ()) -> list[str]:
        for stream in model.streams:
            make_rms(stream)
            turn_stream(stream, turned(stream.width, self.scheme.seed))
        return [f"residual stream of {stream.width} channels, turned" for stream in model.streams]

    def transform(self, stage: Stage, calibration: Calibration) -> list[Fold]:
        for site in stage.sites:
            if turns_by_heads(stage, site):
                turn_heads(stage, site, self.head_turn(stage, site))
        return []

    def head_turn(self, stage: Stage, site: Site) -> Tensor:
        """f64 [channels of a head, the same]"""
        return hadamard(head_width(stage, site))

    def quantise(self, stage: Stage, calibration: Calibration) -> dict[str, Layer]:
        turns = {
            name: turn_input(stage.linear(name))
            for site in stage.sites
            if turns_online(stage, site)
            for name in site.linears
        }
        layers = super().quantise(stage, calibration)
        return {
            name: replace(layer, input=replace(layer.input, rotation=turns.get(name))) for name, layer in layers.items()
        }


@torch.no_grad()
def make_rms(stream: Stream) -> None:
    """Has the stream's norms do nothing but divide: what else they did is done by what reads and what writes it."""
    for norm in stream.norms:
        make_rms_norm(norm)
    # What a LayerNorm would take off, nobody writes any more.
    for writer in stream.writers:
        writer.weight.copy_(centred(writer.weight.double(), 0))
        if writer.bias is not None:
            writer.bias.copy_(centred(writer.bias.double(), 0))
    stream.entry.register_forward_pre_hook(lambda _module, inputs: (centred(inputs[0], -1), *inputs[1:]))


def centred(x: Tensor, channels: int) -> Tensor:
    return x - x.mean(dim=channels, keepdim=True)


def make_rms_norm(norm: Norm) -> None:
    layer: nn.LayerNorm = getattr(norm.owner, norm.name)
    factor = layer.weight.double()
    shift = layer.bias.double() if layer.bias is not None else torch.zeros_like(factor)
    plain = nn.RMSNorm(layer.normalized_shape, eps=layer.eps, elementwise_affine=False)
    for reader in norm.readers:
        weight = reader.weight.double()
        if reader.bias is not None:
            reader.bias.copy_(reader.bias.double() + weight @ shift)
        elif shift.any() and not any(reader is other for other in norm.indifferent):
            raise ValueError(f"what reads {norm.name} has no bias that could take up the norm's")
        reader.weight.copy_(weight * factor)
    setattr(norm.owner, norm.name, plain if norm.readers else Back(plain, factor.diag(), shift))


class Back(nn.Module):
    """A turned norm's output as it would have been"""

    def __init__(self, norm: nn.Module, turn: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.norm = norm
        self.register_buffer("turn", turn.float())
        self.register_buffer("shift", shift.float())

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x) @ self.turn + self.shift


@torch.no_grad()
def turn_stream(stream: Stream, turn: Tensor) -> None:
    """Of one that make_rms has made ready"""
    turn = turn.to(stream.writers[0].weight.device)
    for norm in stream.norms:
        for reader in norm.readers:
            reader.weight.copy_(reader.weight.double() @ turn)
        last = getattr(norm.owner, norm.name)
        if isinstance(last, Back):
            last.turn.copy_(turn.T @ last.turn.double())
    for writer in stream.writers:
        writer.weight.copy_(turn.T @ writer.weight.double())
        if writer.bias is not None:
            writer.bias.copy_(turn.T @ writer.bias.double())
    entering = turn.float()
    stream.entry.register_forward_pre_hook(lambda _module, inputs: (inputs[0] @ entering, *inputs[1:]))


def turns_by_heads(stage: Stage, site: Site) -> bool:
    return bool(site.heads) and known(head_width(stage, site))


def turns_online(stage: Stage, site: Site) -> bool:
    return not site.normed and not turns_by_heads(stage, site)


def head_width(stage: Stage, site: Site) -> int:
    return stage.linear(site.linears[0]).weight.shape[1] // site.heads


@torch.no_grad()
def turn_heads(stage: Stage, site: Site, turn: Tensor) -> None:
    """The source's outputs, head by head, and back in what reads them."""
    assert site.source is not None
    source = stage.linear(site.source)
    whole = torch.block_diag(*[turn] * site.heads).to(source.weight.device)
    source.weight.copy_(whole.T @ source.weight.double())
    if source.bias is not None:
        source.bias.copy_(whole.T @ source.bias.double())
    for name in site.linears:
        reader = stage.linear(name)
        reader.weight.copy_(reader.weight.double() @ whole)


@torch.no_grad()
def turn_input(linear: nn.Linear) -> Tensor:
    """Has it turn what it reads, and its weights with it."""
    turn = hadamard(linear.weight.shape[1]).to(linear.weight.device)
    linear.weight.copy_(linear.weight.double() @ turn)
    read_through(linear, Input(rotation=turn))
    return turn
