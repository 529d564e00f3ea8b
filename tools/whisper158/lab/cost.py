# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a quantised model costs, from its shapes alone: bytes, memory traffic, bit operations. Nothing here is measured.
What is multiplied in a Whisper stands here too; in a Moonshine, in families/moonshine_cost.py.

A linear layer of [rows, channels] that is given n vectors makes

    MACs            n rows channels, of each of its planes, and n for every weight that stays in floats beside them
    bit operations  MACs x bits of a weight x bits of an activation
    memory traffic  its bytes, every time that they are fetched, and what goes in and comes out:
                    n (channels x bits of an activation + rows x 16) / 8

The encoder's weights, and those of the keys and values for cross attention, are fetched once a window; the decoder's,
the head's among them, once for every token, for each must be known before the next is begun. Attention makes two MACs
of 16 by 16 bits for every pair of positions and channel; queries go in and sums come out; keys and values are read
once a window in the encoder, and once for every token in the decoder; scores stay where they are made.

A weight that stays in floats has 16 bits, and so has an activation that is not rounded. Of ternary codes, five of which
take a byte, a multiplier sees 2 bits. In the model's bytes matrices in floats, convolutions and positions have 16
bits, and biases and norms 32, as in the blob (docs/blob-format.md), whose words and alignment are left out. Left out
everywhere: norms, GELU, gates, softmax, rotary positions, the spectrogram, and what rotations cost while the model
runs.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from whisper158.lab.activations import FLOATS
from whisper158.lab.codes import Weight
from whisper158.lab.method import Layer
from whisper158.model.checkpoint import Dims, tensor_shapes

SINGLE = 32
TRIT = 2
HEAD = "decoder.token_embedding.weight"

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Window:
    """What is heard at a time: frames of the encoder, tokens that pass the decoder (the prompt's among them), and how
    many seconds of audio that is."""

    frames: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Linear:
    """weight: the tensor's name. vectors: that pass in a window. fetches: how often its weights are read for them."""

    weight: str
    vectors: int
    channels: int
    rows: int
    fetches: int


@dataclass(frozen=True)
class Attention:
    """pairs: of a query and a key. read: how many keys are read for them, and as many values."""

    queries: int
    pairs: int
    read: int
    width: int

    @property
    def macs(self) -> int:
        return 2 * self.pairs * self.width


@dataclass(frozen=True)
class Work:
    macs: int = 0
    bit_operations: int = 0
    memory_bytes: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.macs + other.macs,
            self.bit_operations + other.bit_operations,
            self.memory_bytes + other.memory_bytes,
        )


@dataclass(frozen=True)
class Cost:
    """work: of one window, in which so many seconds are heard."""

    model_bytes: int
    work: Work
    seconds: float


def cost(dims: Dims, layers: Mapping[str, Layer], head: Weight | None, window: Window) -> Cost:
    """Layers that are not in `layers`, and a head that is None, are in floats."""
    quantised = {**layers, **({HEAD: Layer(head)} if head else {})}
    return total(linears(dims, window), attentions(dims, window), tensor_shapes(dims), quantised, window.seconds)


def total(
    linears: Iterable[Linear],
    attentions: Iterable[Attention],
    shapes: Shapes,
    quantised: Mapping[str, Layer],
    seconds: float,
) -> Cost:
    """shapes: of all tensors. quantised: those that are, by their weights' names."""
    parts = [linear_work(linear, quantised.get(linear.weight)) for linear in linears]
    parts += [attention_work(attention) for attention in attentions]
    return Cost(model_bytes(shapes, quantised), sum(parts, Work()), seconds)


def linears(dims: Dims, window: Window) -> Iterator[Linear]:
    """All products with weights, the convolutions among them."""
    width, frames, tokens = dims.n_audio_state, window.frames, window.tokens
    yield Linear("encoder.conv1.weight", 2 * frames, 3 * dims.n_mels, width, 1)
    yield Linear("encoder.conv2.weight", frames, 3 * width, width, 1)
    for i in range(dims.n_audio_layer):
        yield from _block(f"encoder.blocks.{i}", width, frames, 1)
    for i in range(dims.n_text_layer):
        block = f"decoder.blocks.{i}"
        yield from _block(block, width, tokens, tokens)
        for part in ("key", "value"):
            yield Linear(f"{block}.cross_attn.{part}.weight", frames, width, width, 1)
        for part in ("query", "out"):
            yield Linear(f"{block}.cross_attn.{part}.weight", tokens, width, width, tokens)
    yield Linear(HEAD, tokens, width, dims.n_vocab, tokens)


def _block(name: str, width: int, vectors: int, fetches: int) -> Iterator[Linear]:
    for part in ("query", "key", "value", "out"):
        yield Linear(f"{name}.attn.{part}.weight", vectors, width, width, fetches)
    yield Linear(f"{name}.mlp.0.weight", vectors, width, 4 * width, fetches)
    yield Linear(f"{name}.mlp.2.weight", vectors, 4 * width, width, fetches)


def attentions(dims: Dims, window: Window) -> Iterator[Attention]:
    width, frames, tokens = dims.n_audio_state, window.frames, window.tokens
    past = tokens * (tokens + 1) // 2  # a token attends to itself and to those before it
    for _ in range(dims.n_audio_layer):
        yield Attention(frames, frames * frames, frames, width)
    for _ in range(dims.n_text_layer):
        yield Attention(tokens, past, past, width)
        yield Attention(tokens, tokens * frames, tokens * frames, width)


def linear_work(linear: Linear, layer: Layer | None) -> Work:
    passing = linear.vectors * linear.rows * FLOATS
    if layer is None:
        count = linear.rows * linear.channels
        moved = linear.fetches * count * FLOATS + linear.vectors * linear.channels * FLOATS + passing
        macs = linear.vectors * count
        return Work(macs, macs * FLOATS * FLOATS, _bytes(moved))
    kept = 0 if layer.input.kept is None else len(layer.input.kept)
    entering = (linear.channels - kept) * layer.input.bits + kept * FLOATS
    moved = linear.fetches * layer.weight.size().total + linear.vectors * entering + passing
    macs = bits = 0
    for count, weight_bits, activation_bits in factors(layer):
        macs += linear.vectors * count
        bits += linear.vectors * count * weight_bits * activation_bits
    return Work(macs, bits, _bytes(moved))


def factors(layer: Layer) -> Iterator[tuple[int, int, int]]:
    """How many weights are multiplied with how many bits by how many"""
    weight = layer.weight
    for plane in weight.planes:
        yield plane.codes.numel(), TRIT if plane.grid.ternary else int(plane.grid.code_bits), layer.input.bits
    if weight.columns:
        yield weight.columns.values.numel(), FLOATS, FLOATS
    if weight.outliers:
        yield weight.outliers.values.numel(), FLOATS, layer.input.bits


def attention_work(attention: Attention) -> Work:
    moved = 2 * (attention.queries + attention.read) * attention.width * FLOATS
    return Work(attention.macs, attention.macs * FLOATS * FLOATS, _bytes(moved))


def model_bytes(shapes: Shapes, quantised: Mapping[str, Layer]) -> int:
    """Every tensor by itself, in whole bytes"""
    return sum(
        _bytes(quantised[name].weight.size().total) if name in quantised else _float_bytes(shape)
        for name, shape in shapes.items()
    )


def _float_bytes(shape: tuple[int, ...]) -> int:
    return _bytes(math.prod(shape) * (FLOATS if len(shape) > 1 else SINGLE))


def _bytes(bits: int) -> int:
    return -(-bits // 8)
