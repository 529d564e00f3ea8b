# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""QuaRot (Ashkboos et al. 2024, arXiv 2404.00456): rotated, no channel of the residual stream is louder than another.

An RMS norm turns with what it is given, so a model whose norms are those can have its residual stream multiplied by an
orthogonal Q: W <- W Q for what reads it, W <- Q^T W for what writes it. Whisper's LayerNorms are made such first: their
factor and bias go into what reads them, and the mean that they would take off is taken off all that writes to the
stream (SliceGPT, arXiv 2401.15024, section 3). Q is a Hadamard matrix with random signs.

Within a block, an attention's values are turned head by head, and turned back by the weights that follow (exactly, for
what stands between mixes positions, not channels). What follows a GELU, or comes from another stage, is turned as it is
read. Matrices are then rounded with GPTQ's feedback, as in the paper.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from whisper158.lab.activations import Input
from whisper158.lab.hadamard import hadamard, turned
from whisper158.lab.method import Calibration, Layer, read_through
from whisper158.lab.methods.gptq import Gptq
from whisper158.lab.stage import Fold, Model, Norm, Site, Stage, Stream


class QuaRot(Gptq):
    name = "quarot"

    def prepare(self, model: Model) -> list[str]:
        for stream in model.streams:
            turn_stream(stream, turned(stream.width, self.scheme.seed))
        return [f"residual stream of {stream.width} channels, turned" for stream in model.streams]

    def transform(self, stage: Stage, calibration: Calibration) -> list[Fold]:
        for site in stage.sites:
            if site.heads:
                turn_heads(stage, site)
        return []

    def quantise(self, stage: Stage, calibration: Calibration) -> dict[str, Layer]:
        turns = {
            name: turn_input(stage.linear(name))
            for site in stage.sites
            if not site.normed and not site.source
            for name in site.linears
        }
        layers = super().quantise(stage, calibration)
        return {
            name: replace(layer, input=replace(layer.input, rotation=turns.get(name))) for name, layer in layers.items()
        }


@torch.no_grad()
def turn_stream(stream: Stream, turn: Tensor) -> None:
    device = stream.writers[0].weight.device
    turn = turn.to(device)
    for norm in stream.norms:
        turn_norm(norm, turn)
    # What a LayerNorm would take off, nobody writes any more.
    centred = turn - turn.mean(dim=0)
    for writer in stream.writers:
        writer.weight.copy_(centred.T @ writer.weight.double())
        if writer.bias is not None:
            writer.bias.copy_(centred.T @ writer.bias.double())
    entering = centred.float()
    stream.entry.register_forward_pre_hook(lambda _module, inputs: (inputs[0] @ entering, *inputs[1:]))


def turn_norm(norm: Norm, turn: Tensor) -> None:
    layer: nn.LayerNorm = getattr(norm.owner, norm.name)
    factor, shift = layer.weight.double(), layer.bias.double()
    plain = nn.RMSNorm(layer.normalized_shape, eps=layer.eps, elementwise_affine=False)
    for reader in norm.readers:
        weight = reader.weight.double()
        if reader.bias is not None:
            reader.bias.copy_(reader.bias.double() + weight @ shift)
        elif not any(reader is other for other in norm.indifferent):
            raise ValueError(f"what reads {norm.name} has no bias that could take up the norm's")
        reader.weight.copy_(weight * factor @ turn)
    setattr(norm.owner, norm.name, plain if norm.readers else Back(plain, turn.T * factor, shift))


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
def turn_heads(stage: Stage, site: Site) -> None:
    """The source's outputs, head by head, and back in what reads them."""
    assert site.source is not None
    source = stage.linear(site.source)
    width = source.weight.shape[0] // site.heads
    whole = torch.block_diag(*[hadamard(width)] * site.heads).to(source.weight.device)
    source.weight.copy_(whole.T @ source.weight.double())
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
