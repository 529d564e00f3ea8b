# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Bytes, memory traffic and bit operations, against cases that are worked by hand."""

import math
from dataclasses import replace

import pytest

from whisper158.model.checkpoint import Dims, tensor_shapes
from whisper158.model.random import shape_of

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install torch")

from whisper158.lab import cost, fit  # noqa: E402
from whisper158.lab.activations import Input  # noqa: E402
from whisper158.lab.codes import Columns, Outliers, Weight  # noqa: E402
from whisper158.lab.cost import HEAD, Attention, Linear, Window, Work  # noqa: E402
from whisper158.lab.grid import parse  # noqa: E402
from whisper158.lab.method import Layer  # noqa: E402

SMALL = shape_of("small")
# One block a side, narrow enough for a sheet of paper.
PAPER = Dims(80, 10, 32, 1, 1, 51864, 8, 32, 1, 1)


def at(frames: int, tokens: int) -> Window:
    return Window(frames, tokens, seconds=2.0)


def layer(word: str, rows: int, channels: int, bits: int = 16) -> Layer:
    return Layer(Weight((fit.nearest(torch.zeros(rows, channels), parse(word)),)), Input(bits))


def macs(dims: Dims, frames: int, tokens: int, part: str) -> int:
    found = cost.linears(dims, at(frames, tokens))
    return sum(x.vectors * x.channels * x.rows for x in found if part in x.weight)


def test_multiplications_of_whisper_small() -> None:
    """A full window: 127.4 G in the encoder's linear layers, 41.5 G in its attention, 3.2 G in convolutions, 21.2 G for
    the keys and values of cross attention. A token: 139 M, of which 39.8 M are the head's, and 28 M in attention."""
    assert macs(SMALL, 1500, 0, "encoder.blocks") == pytest.approx(127.4e9, rel=1e-3)
    assert macs(SMALL, 1500, 0, "conv") == pytest.approx(3.2e9, rel=1e-2)
    assert macs(SMALL, 1500, 0, "cross_attn") == pytest.approx(21.2e9, rel=2e-3)
    assert sum(a.macs for a in cost.attentions(SMALL, at(1500, 0))) == pytest.approx(41.5e9, rel=1e-3)
    token = macs(SMALL, 0, 1, "decoder")
    assert token == pytest.approx(139e6, rel=1e-2)
    assert macs(SMALL, 0, 1, HEAD) == 51865 * 768
    one = sum(a.macs for a in cost.attentions(SMALL, at(1500, 1))) - sum(
        a.macs for a in cost.attentions(SMALL, at(1500, 0))
    )
    assert one == pytest.approx(28e6, rel=2e-2)


def test_every_matrix_is_counted_once() -> None:
    names = [linear.weight for linear in cost.linears(SMALL, at(1, 1))]
    shapes = tensor_shapes(SMALL)
    assert len(names) == len(set(names))
    assert set(names) == {n for n, s in shapes.items() if len(s) > 1 and "positional" not in n}
    assert all(
        linear.rows * linear.channels == math.prod(shapes[linear.weight]) for linear in cost.linears(SMALL, at(1, 1))
    )


def test_a_float_layer_by_hand() -> None:
    """3 vectors, [4, 8], fetched twice."""
    work = cost.linear_work(Linear("w", vectors=3, channels=8, rows=4, fetches=2), None)
    assert work == Work(3 * 32, 3 * 32 * 256, 2 * 32 * 2 + 3 * 8 * 2 + 3 * 4 * 2)


@pytest.mark.parametrize(
    ("word", "bits", "bit_operations", "weight_bytes"),
    [
        ("w8", 8, 64, 4 * 64 + 4 * 4),
        ("w8", 16, 128, 4 * 64 + 4 * 4),
        ("w4g32", 8, 32, 4 * 32 + 4 * 2 * 4),
        ("w3g32a", 8, 24, 4 * 24 + 4 * 2 * 4 + 3),
        ("wt", 8, 16, 4 * 13 + 4 * 4),
    ],
)
def test_a_quantised_layer_by_hand(word: str, bits: int, bit_operations: int, weight_bytes: int) -> None:
    """5 vectors, [4, 64], fetched 3 times."""
    work = cost.linear_work(Linear("w", 5, 64, 4, 3), layer(word, 4, 64, bits))
    assert work == Work(5 * 256, 5 * 256 * bit_operations, 3 * weight_bytes + 5 * 64 * bits // 8 + 5 * 4 * 2)


def test_what_stays_in_floats_is_multiplied_as_such() -> None:
    plane = fit.nearest(torch.zeros(4, 32), parse("w4"))
    columns = Columns(torch.tensor([0, 1]), torch.zeros(4, 2).half())
    kept = Layer(Weight((plane,), columns=columns), Input(8, kept=columns.index))
    assert list(cost.factors(kept)) == [(128, 4, 8), (8, 16, 16)]
    bits = 4 * 32 * 4 + 4 * 32 + 8 * 16 + 2 * 16
    assert cost.linear_work(Linear("w", 1, 34, 4, 1), kept).memory_bytes == bits // 8 + (32 + 2 * 2) + 4 * 2
    outliers = Outliers(torch.tensor([1]), torch.tensor([5]), torch.ones(1).half(), 4)
    assert list(cost.factors(Layer(Weight((plane,), outliers=outliers), Input(8)))) == [(128, 4, 8), (1, 16, 8)]
    assert list(cost.factors(Layer(Weight((plane, plane)))))[1:] == [(128, 4, 16)]


def test_attention_by_hand() -> None:
    """Two tokens of 4 channels: the first attends to itself, the second to both; the encoder has 3 frames."""
    dims = replace(PAPER, n_audio_state=4, n_text_state=4)
    encoder, own, cross = cost.attentions(dims, at(3, 2))
    assert encoder == Attention(queries=3, pairs=9, read=3, width=4)
    assert own == Attention(2, 3, 3, 4)
    assert cross == Attention(2, 6, 6, 4)
    # 2 x 9 pairs x 4 channels; 3 queries in, 3 sums out, 3 keys, 3 values, of 4 channels and 2 bytes.
    assert cost.attention_work(encoder) == Work(72, 72 * 256, 12 * 4 * 2)


def test_a_models_bytes_by_hand() -> None:
    d = 32
    matrices = 4 * d * d + 8 * d * d + 8 * d * d + 8 * d * d  # attn, mlp; attn and cross_attn, mlp
    sixteen = matrices + d * 80 * 3 + d * d * 3 + 10 * d + 8 * d + 51864 * d
    shapes = tensor_shapes(PAPER)
    assert sixteen == sum(math.prod(s) for s in shapes.values() if len(s) > 1)
    # Biases of three attentions, two MLPs and two convolutions; factor and bias of seven norms.
    vectors = (9 + 2 * 5 + 2 + 2 * 7) * d
    assert vectors == sum(math.prod(s) for s in shapes.values() if len(s) == 1)
    assert cost.model_bytes(shapes, {}) == 2 * sixteen + 4 * vectors
    name = "encoder.blocks.0.mlp.0.weight"
    smaller = cost.model_bytes(shapes, {name: layer("w4g32", 128, 32)})
    assert smaller == 2 * sixteen + 4 * vectors - 128 * 32 * 2 + 128 * (16 + 4)


def test_a_window_is_the_sum_of_its_parts() -> None:
    head = layer("w8", 51864, 32).weight
    name = "decoder.blocks.0.attn.out.weight"
    layers = {name: layer("wt", 32, 32, 8)}
    whole = cost.cost(PAPER, layers, head, at(10, 4))
    parts = [cost.attention_work(a) for a in cost.attentions(PAPER, at(10, 4))]
    for linear in cost.linears(PAPER, at(10, 4)):
        given = layers.get(linear.weight, Layer(head) if linear.weight == HEAD else None)
        parts.append(cost.linear_work(linear, given))
    assert whole.work == sum(parts, Work())
    assert whole.seconds == 2


def test_a_decoders_weights_are_read_for_every_token() -> None:
    one, many = (cost.cost(SMALL, {}, None, at(1500, tokens)).work.memory_bytes for tokens in (1, 11))
    weights = sum(2 * x.rows * x.channels for x in cost.linears(SMALL, at(1500, 1)) if x.fetches and x.vectors == 1)
    assert many - one > 10 * weights
    assert many - one < 10 * weights * 1.8  # the rest is keys and values
