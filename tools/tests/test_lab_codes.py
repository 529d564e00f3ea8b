# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the laboratory stores is what it computes with, and takes the memory that it says."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from whisper158.errors import UserError
from whisper158.model.ternary import project, quantise_i8

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install torch")

from whisper158.lab import fit  # noqa: E402
from whisper158.lab.activations import Input, rounded  # noqa: E402
from whisper158.lab.codes import Columns, Outliers, Size, Weight  # noqa: E402
from whisper158.lab.grid import Grid, parse  # noqa: E402

WORDS = [f"w{bits}{group}{kind}" for bits in "8432" for group in ("", "g32", "g64", "g128") for kind in ("", "a")] + [
    "wt",
    "wtg32",
    "wtg64",
    "wtg128",
]
words = st.sampled_from(WORDS)
seeds = st.integers(0, 2**32 - 1)


def matrix(seed: int, rows: int = 5, channels: int = 128, size: float = 0.05) -> Any:
    return size * torch.randn(rows, channels, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("word", WORDS)
def test_a_grid_has_a_name_that_is_read_back(word: str) -> None:
    assert parse(word).name == word


@pytest.mark.parametrize("word", ["", "4", "w5", "w4g48", "w4g0", "w4g", "wta", "w4ag32", "w4g64b"])
def test_a_word_that_is_no_grid_is_refused(word: str) -> None:
    with pytest.raises(UserError, match=f"'{word}'"):
        parse(word)


@given(word=words, seed=seeds)
def test_codes_are_within_the_grid_and_weights_within_half_a_step(word: str, seed: int) -> None:
    grid, weight = parse(word), matrix(seed)
    coded = fit.nearest(weight, grid)
    assert grid.lowest <= int(coded.codes.min()) and int(coded.codes.max()) <= grid.highest
    assert len(torch.unique(coded.codes)) <= grid.levels
    step = coded.scales.repeat_interleave(grid.span(128), dim=1)
    off = (coded.weights() - weight).abs()
    if grid.ternary:
        inside = weight.abs() <= 1.5 * step
        assert bool((off[inside] <= 0.5001 * step[inside]).all())
    else:
        # With a zero point that is rounded, the last code may be half a step short of the extreme.
        assert bool((off <= (0.5001 if grid.symmetric else 1.0001) * step).all())


@given(word=words, seed=seeds)
def test_weights_that_are_codes_already_stay_as_they_are(word: str, seed: int) -> None:
    """Found anew with the same parameters, the codes are the same ones."""
    grid = parse(word)
    first = fit.nearest(matrix(seed), grid)
    params = fit.Params(first.scales, first.zeros)
    again = fit.coded(first.weights(), grid, params)
    assert torch.equal(first.codes, again.codes)
    assert torch.equal(first.weights(), again.weights())


@given(word=words)
def test_zeros_stay_zeros(word: str) -> None:
    assert not fit.nearest(torch.zeros(2, 128), parse(word)).weights().any()


@given(word=words, seed=seeds)
def test_zero_is_a_weight_of_every_grid(word: str, seed: int) -> None:
    weight = matrix(seed) + 0.2
    weight[:, ::7] = 0
    assert not fit.nearest(weight, parse(word)).weights()[:, ::7].any()


@given(seed=seeds, group=st.sampled_from([0, 32, 64]), levels=st.sampled_from([16, 8, 4]))
def test_zero_points_of_4_bits_are_exported(seed: int, group: int, levels: int) -> None:
    weight = Weight((fit.nearest(matrix(seed), Grid(levels, False, group)),))
    exported = weight.exported()
    assert exported is not None and exported.zeros is not None
    assert np.array_equal(exported.weights(), weight.weights().numpy())
    assert exported.codes.min() >= 0 and exported.codes.max() < levels and exported.zeros.max() < levels


@given(seed=seeds, group=st.sampled_from([0, 32, 64, 128]), levels=st.sampled_from([256, 16, 3]))
def test_what_is_exported_is_what_was_computed_bit_for_bit(seed: int, group: int, levels: int) -> None:
    weight = Weight((fit.nearest(matrix(seed), Grid(levels, True, group)),))
    exported = weight.exported()
    assert exported is not None
    assert np.array_equal(exported.weights(), weight.weights().numpy())
    assert exported.group == (group or 128)
    assert np.abs(exported.codes).max() <= {256: 127, 16: 7, 3: 1}[levels]


@given(seed=seeds, group=st.sampled_from([0, 32]))
def test_rounding_agrees_with_the_formats_of_the_blob(seed: int, group: int) -> None:
    weight = matrix(seed)
    for ours, theirs in (
        (fit.nearest(weight, Grid(256, True, group)), quantise_i8(weight.numpy(), group)),
        (fit.nearest(weight, Grid(3, True, group)), project(weight.numpy(), group)),
    ):
        assert np.array_equal(ours.scales.numpy(), theirs.scales)
        assert np.array_equal(ours.codes.numpy(), theirs.codes)


def test_what_the_blob_cannot_hold_is_not_exported() -> None:
    plane = fit.nearest(matrix(1), parse("w4g32"))
    index = torch.tensor([3])
    assert Weight((plane,)).exported()
    assert Weight((plane, plane)).exported() is None
    assert Weight((fit.nearest(matrix(1), parse("w8g32a")),)).exported() is None
    asymmetric = fit.nearest(matrix(1), parse("w4g32a"))
    assert asymmetric.zeros is not None
    assert Weight((replace(asymmetric, zeros=asymmetric.zeros + 0.5),)).exported() is None
    assert Weight((replace(asymmetric, zeros=asymmetric.zeros + 16),)).exported() is None
    assert Weight((plane,), columns=Columns(index, matrix(1)[:, :1].half())).exported() is None
    assert Weight((plane,), outliers=Outliers(index, index, torch.ones(1).half(), 5)).exported() is None


@given(seed=seeds, kept=st.sets(st.integers(0, 159), min_size=32, max_size=32))
def test_kept_columns_stand_where_they_belong(seed: int, kept: set[int]) -> None:
    whole, index = matrix(seed, channels=160), torch.tensor(sorted(kept))
    rest = torch.tensor(sorted(set(range(160)) - kept))
    plane = fit.nearest(whole[:, rest], parse("w4"))
    dense = Weight((plane,), columns=Columns(index, whole[:, index].half())).weights()
    assert torch.equal(dense[:, index], whole[:, index].half().float())
    assert torch.equal(dense[:, rest], plane.weights())


def test_outliers_take_the_place_of_codes() -> None:
    plane = fit.nearest(matrix(3), parse("w4"))
    rows, channels = torch.tensor([0, 4]), torch.tensor([127, 5])
    dense = Weight((plane,), outliers=Outliers(rows, channels, torch.tensor([1.5, -2.0]).half(), 5)).weights()
    assert (float(dense[0, 127]), float(dense[4, 5])) == (1.5, -2.0)
    dense[rows, channels] = plane.weights()[rows, channels]
    assert torch.equal(dense, plane.weights())


@pytest.mark.parametrize(
    ("word", "size"),
    [
        # 4 rows of 128 channels, by hand.
        ("w8", Size(codes=4 * 128 * 8, scales=4 * 32)),
        ("w4g32", Size(codes=4 * 128 * 4, scales=4 * 4 * 32)),
        ("w4g64a", Size(codes=4 * 128 * 4, scales=4 * 2 * 32, zeros=4 * 2 * 4)),
        ("w3g32", Size(codes=4 * 128 * 3, scales=4 * 4 * 32)),
        ("w2g128a", Size(codes=4 * 128 * 2, scales=4 * 32, zeros=4 * 2)),
        # Five trits to a byte: 26 bytes hold a span of 128, 7 one of 32.
        ("wt", Size(codes=4 * 26 * 8, scales=4 * 32)),
        ("wtg32", Size(codes=4 * 4 * 7 * 8, scales=4 * 4 * 32)),
    ],
)
def test_sizes_by_hand(word: str, size: Size) -> None:
    weight = Weight((fit.nearest(matrix(1, rows=4), parse(word)),))
    assert weight.size() == size
    assert weight.bits_per_weight == Fraction(size.total, 4 * 128)


def test_sizes_of_what_stays_in_floats_by_hand() -> None:
    plane = fit.nearest(matrix(1, rows=4), parse("w4"))
    columns = Columns(torch.tensor([1, 2, 3]), torch.zeros(4, 3).half())
    outliers = Outliers(torch.zeros(5).long(), torch.arange(5), torch.zeros(5).half(), 4)
    assert Weight((plane,), columns=columns).size() == Size(4 * 128 * 4, 4 * 32, 0, 12 * 16, 3 * 16)
    assert Weight((plane,), outliers=outliers).size() == Size(4 * 128 * 4, 4 * 32, 0, 5 * 16, 5 * 16 + 5 * 32)
    assert Weight((plane, plane)).size() == Size(2 * 4 * 128 * 4, 2 * 4 * 32)


@given(seed=seeds)
def test_activations_are_rounded_token_by_token(seed: int) -> None:
    x = matrix(seed, size=3.0)
    x[1] = 0
    steps = rounded(x, 8) / (x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-9) / 127)
    assert torch.allclose(steps, steps.round(), atol=1e-3)
    assert float((rounded(x, 8) - x).abs().max()) <= 0.5001 * float(x.abs().max()) / 127
    assert torch.equal(rounded(x, 16), x)
    assert not rounded(x, 8)[1].any()


@given(seed=seeds, kept=st.sets(st.integers(0, 127), min_size=1, max_size=8))
def test_kept_channels_of_activations_stay_and_set_no_scale(seed: int, kept: set[int]) -> None:
    x, index = matrix(seed), torch.tensor(sorted(kept))
    rest = torch.tensor(sorted(set(range(128)) - kept))
    x[:, index] *= 1000
    assume(bool(x[:, rest].any()))
    y = Input(8, kept=index).apply(x)
    assert torch.equal(y[:, index], x[:, index])
    assert torch.equal(y[:, rest], rounded(x[:, rest], 8))


def test_a_rotation_comes_before_rounding() -> None:
    x, turn = matrix(1, channels=4), torch.tensor([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert torch.equal(Input(8, rotation=turn).apply(x), rounded(x[:, [1, 0, 2, 3]], 8))
    assert torch.equal(Input(16, rotation=turn).apply(x), x[:, [1, 0, 2, 3]])
