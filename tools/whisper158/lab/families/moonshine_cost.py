# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What is multiplied in a Moonshine, for the formulas of lab/cost.py. It hears no more than there is, so its frames
follow from the seconds of a window; those that are given are Whisper's."""

from collections.abc import Iterator, Mapping

from whisper158.lab.codes import Weight
from whisper158.lab.cost import Attention, Cost, Linear, Window, total
from whisper158.lab.families.moonshine_network import WINDOWS, Dims, frames_of, tensor_shapes
from whisper158.lab.method import Layer

HEAD = "decoder.embed_tokens.weight"
SAMPLES_PER_SECOND = 16000


def cost(dims: Dims, layers: Mapping[str, Layer], head: Weight | None, window: Window) -> Cost:
    """Layers that are not in `layers`, and a head that is None, are in floats."""
    quantised = {**layers, **({HEAD: Layer(head)} if head else {})}
    return total(linears(dims, window), attentions(dims, window), tensor_shapes(dims), quantised, window.seconds)


def linears(dims: Dims, window: Window) -> Iterator[Linear]:
    d, tokens = dims.width, window.tokens
    vectors = frames_of(int(window.seconds * SAMPLES_PER_SECOND))
    channels, rows = (1, d, 2 * d), (d, 2 * d, d)
    for i, (size, _) in enumerate(WINDOWS):
        yield Linear(f"encoder.conv{i + 1}.weight", vectors[i], size * channels[i], rows[i], 1)
    frames = vectors[-1]
    for i in range(dims.encoder_layers):
        yield from _block(f"encoder.layers.{i}", dims, frames, 1, dims.hidden)
    for i in range(dims.decoder_layers):
        block = f"decoder.layers.{i}"
        yield from _block(block, dims, tokens, tokens, 2 * dims.hidden)
        for part in ("k_proj", "v_proj"):
            yield Linear(f"{block}.encoder_attn.{part}.weight", frames, d, d, 1)
        for part in ("q_proj", "o_proj"):
            yield Linear(f"{block}.encoder_attn.{part}.weight", tokens, d, d, tokens)
    yield Linear(HEAD, tokens, d, dims.n_vocab, tokens)


def _block(name: str, dims: Dims, vectors: int, fetches: int, written: int) -> Iterator[Linear]:
    """written: by the first layer of the MLP, with the gate if there is one"""
    for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
        yield Linear(f"{name}.self_attn.{part}.weight", vectors, dims.width, dims.width, fetches)
    yield Linear(f"{name}.mlp.fc1.weight", vectors, dims.width, written, fetches)
    yield Linear(f"{name}.mlp.fc2.weight", vectors, dims.hidden, dims.width, fetches)


def attentions(dims: Dims, window: Window) -> Iterator[Attention]:
    frames, tokens = frames_of(int(window.seconds * SAMPLES_PER_SECOND))[-1], window.tokens
    past = tokens * (tokens + 1) // 2  # a token attends to itself and to those before it
    for _ in range(dims.encoder_layers):
        yield Attention(frames, frames * frames, frames, dims.width)
    for _ in range(dims.decoder_layers):
        yield Attention(tokens, past, past, dims.width)
        yield Attention(tokens, tokens * frames, tokens * frames, dims.width)
