# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whisper158.model.blob import Dtype, Packing, Section
from whisper158.model.ternary import Quantised, pack, project, quantise_i4, quantise_i8, unpack

Floats = npt.NDArray[np.float64]

weights_of_one_group = arrays(np.float64, st.integers(1, 6), elements=st.floats(-8, 8, width=16))
matrices = arrays(np.float32, st.tuples(st.integers(1, 4), st.just(64)), elements=st.floats(-4, 4, width=32))
groups = st.sampled_from([0, 32, 64])


def error_of(w: Floats, h: Floats, quantised: Quantised) -> float:
    return float((h * (w - quantised.weights()[0]) ** 2).sum())


def least_error(w: Floats, h: Floats) -> float:
    """By trying all codes, each with its best scale."""
    best = float((h * w**2).sum())
    for codes in product((-1, 0, 1), repeat=w.size):
        t = np.array(codes)
        weight = float((h * t * t).sum())
        if weight > 0:
            scale = max(float((h * t * w).sum()) / weight, 0)
            best = min(best, float((h * (w - scale * t) ** 2).sum()))
    return best


@given(w=weights_of_one_group, data=st.data())
def test_no_other_ternary_vector_is_nearer(w: Floats, data: st.DataObject) -> None:
    h = data.draw(arrays(np.float64, w.size, elements=st.floats(0.125, 8, width=16)))
    tolerance = 1e-6 * (1 + float((h * w * w).sum()))
    plain = project(w[None, :])
    assert error_of(w, np.ones_like(w), plain) <= least_error(w, np.ones_like(w)) + tolerance
    weighted = project(w[None, :], importance=h)
    assert error_of(w, h, weighted) <= least_error(w, h) + tolerance


@given(w=matrices, group=groups)
def test_each_group_is_projected_by_itself(w: npt.NDArray[np.float32], group: int) -> None:
    width = group or w.shape[1]
    whole = project(w, group)
    assert whole.group == width and whole.codes.dtype == np.int8 and whole.scales.dtype == np.float32
    for i in range(w.shape[1] // width):
        part = project(w[:, i * width : (i + 1) * width])
        assert np.array_equal(part.codes, whole.codes[:, i * width : (i + 1) * width])
        assert np.array_equal(part.scales, whole.scales[:, i : i + 1])


def test_the_support_is_what_rounding_to_the_scale_gives() -> None:
    w = np.random.default_rng(1).standard_t(4, (8, 256))
    quantised = project(w, 64)
    rounded = np.clip(np.rint(w / np.repeat(quantised.scales, 64, axis=1)), -1, 1)
    assert np.array_equal(quantised.codes, rounded)


def test_importance_decides_which_weights_are_kept() -> None:
    w = np.array([[1.0, 0.9, 0.1, 0.1]])
    assert project(w).codes.tolist() == [[1, 1, 0, 0]]
    assert project(w, importance=np.array([0.01, 0.01, 1, 1])).codes.tolist() == [[1, 1, 1, 1]]


def test_inputs_that_are_never_active_count_alike() -> None:
    w = np.array([[3.0, -2.9, 0.1, 0.2]])
    silent = project(w, importance=np.zeros(4))
    plain = project(w)
    assert np.array_equal(silent.codes, plain.codes) and np.array_equal(silent.scales, plain.scales)


@pytest.mark.parametrize("quantise", [project, quantise_i4, quantise_i8])
def test_zeros_stay_zero(quantise: Any) -> None:
    w = np.array([[0.0, -0.0] * 32, [1.0] + [0.0] * 63], dtype=np.float32)
    quantised = quantise(w, 32)
    assert np.array_equal(quantised.weights(), w)
    assert not np.signbit(quantised.scales).any()


@pytest.mark.parametrize("quantise", [project, quantise_i4, quantise_i8])
def test_a_group_that_does_not_divide_the_channels(quantise: Any) -> None:
    with pytest.raises(ValueError, match="64 channels are no whole number of groups of 48"):
        quantise(np.zeros((4, 64)), 48)


@given(w=matrices, group=groups)
def test_i8_is_off_by_half_a_step_at_most(w: npt.NDArray[np.float32], group: int) -> None:
    quantised = quantise_i8(w, group)
    assert quantised.codes.dtype == np.int8 and quantised.codes.min() >= -127
    step = np.repeat(quantised.scales, quantised.group, axis=1)
    # Scales below the least normal number have few bits; no weight that matters is so small.
    slack = 1e-5 * np.abs(w) + 127 * np.finfo(np.float32).tiny
    assert (np.abs(quantised.weights() - w) <= 0.5 * step + slack).all()


def test_i8_reaches_both_ends() -> None:
    quantised = quantise_i8(np.array([[-1.0, 1.0, 0.5, -0.25]]))
    assert quantised.codes.tolist() == [[-127, 127, 64, -32]]  # 63.5 goes to the even neighbour


@given(w=matrices, group=groups)
def test_i4_is_no_worse_than_rounding_to_the_largest(w: npt.NDArray[np.float32], group: int) -> None:
    quantised = quantise_i4(w, group)
    assert quantised.codes.dtype == np.int8 and np.abs(quantised.codes).max() <= 7
    step = np.repeat(np.abs(w.reshape(*quantised.scales.shape, -1)).max(axis=-1) / 7, quantised.group, axis=1)
    step = np.where(step > 0, step, 1).astype(np.float64)
    plain = np.rint(w / step) * step
    slack = 1e-5 * (w.astype(np.float64) ** 2).sum() + np.finfo(np.float32).tiny
    assert ((quantised.weights().astype(np.float64) - w) ** 2).sum() <= ((plain - w) ** 2).sum() + slack


def test_i4_finds_what_4_bits_can_hold() -> None:
    codes = np.random.default_rng(4).integers(-7, 8, (7, 96)).astype(np.int8)
    codes[:, ::32] = 7
    quantised = quantise_i4(codes * np.float32(0.25), 32)
    assert np.array_equal(quantised.codes, codes) and (quantised.scales == 0.25).all()


def test_i4_takes_rows_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    w = np.random.default_rng(5).standard_normal((11, 64)).astype(np.float32)
    whole = quantise_i4(w, 32)
    monkeypatch.setattr("whisper158.model.ternary.I4_ROWS", 4)
    parts = quantise_i4(w, 32)
    assert np.array_equal(whole.codes, parts.codes) and np.array_equal(whole.scales, parts.scales)


# -------------------------------------------------------------------------------------------------------------- packing


def slowly_packed(codes: npt.NDArray[np.int8], section: Section) -> list[int]:
    """The bytes in order, as docs/blob-format.md puts it."""
    rows, channels = codes.shape
    out = []
    if section.dtype == Dtype.I4:
        for row in codes + 8:
            for run in range(0, channels, 32):
                out += [int(row[run + i]) + 16 * int(row[run + 16 + i]) for i in range(16)]
        return out
    if section.packing == Packing.T2:
        for block in range(rows // 4):
            for channel in range(channels):
                out.append(sum((int(codes[4 * block + r, channel]) + 1) << 2 * r for r in range(4)))
        return out
    trits, row_bytes = {Packing.T4: (4, 8), Packing.T5: (5, 4)}[section.packing]
    for span in range(channels // section.group):
        for start in range(0, section.group, trits * row_bytes):
            for row in range(rows):
                for byte in range(row_bytes):
                    value = 0
                    for t in range(trits):
                        channel = start + byte * trits + t
                        code = codes[row, span * section.group + channel] if channel < section.group else 0
                        value += (int(code) + 1) * 3**t
                    out.append(value)
    return out


@st.composite
def ternary(draw: st.DrawFn) -> tuple[npt.NDArray[np.int8], Section]:
    group = draw(st.sampled_from([32, 64, 128]) | st.integers(1, 70))
    shape = (4 * draw(st.integers(1, 3)), group * (1 if group % 32 else draw(st.integers(1, 3))))
    section = Section("w", Dtype.T158, shape, draw(st.sampled_from([Packing.T2, Packing.T4, Packing.T5])), group)
    codes = np.random.default_rng(draw(st.integers(0, 2**32))).integers(-1, 2, shape).astype(np.int8)
    return codes, section


@st.composite
def nibbles(draw: st.DrawFn) -> tuple[npt.NDArray[np.int8], Section]:
    group = 32 * draw(st.integers(1, 4))
    shape = (draw(st.integers(1, 9)), group * draw(st.integers(1, 3)))
    codes = np.random.default_rng(draw(st.integers(0, 2**32))).integers(-7, 8, shape).astype(np.int8)
    return codes, Section("w", Dtype.I4, shape, group=group)


@given(case=ternary() | nibbles())
def test_packing_is_as_the_document_says_and_comes_undone(case: tuple[npt.NDArray[np.int8], Section]) -> None:
    codes, section = case
    payload = pack(codes, section)
    assert payload.shape == section.stored_shape and payload.dtype == np.uint8 and payload.flags.c_contiguous
    assert payload.ravel().tolist() == slowly_packed(codes, section)
    assert np.array_equal(unpack(payload, section), codes)


def test_packing_needs_the_sections_shape() -> None:
    section = Section("w", Dtype.T158, (4, 32), Packing.T5, 32)
    with pytest.raises(ValueError, match="codes are"):
        pack(np.zeros((8, 32), dtype=np.int8), section)
    with pytest.raises(ValueError, match="payload is"):
        unpack(np.zeros((4, 32), dtype=np.uint8), section)
