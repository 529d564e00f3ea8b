# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Codes and scales for weights: ternary, 8-bit and 4-bit, and the packings that docs/blob-format.md defines.

Matrices are [rows, channels] (outputs, inputs). A *span* is `group` neighbouring channels of one row, which share one
scale; group 0 means the whole row. The weight is code x scale.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from whisper158.model.blob import NIBBLES, PASSES, Dtype, Packing, Section

# Fractions of max|w| / 7 that quantise_i4 tries as a span's scale: more codes reach 7, the others have finer steps.
I4_FRACTIONS = np.linspace(1.0, 0.6, 17)
I4_ROWS = 4096  # at a time: what it works with is many times as large as the weights
I4_RUN = 32  # channels of a row that are packed together
MIDDLE = {Dtype.I4: np.int8(8), Dtype.U4: np.int8(0)}  # a nibble less its code

F = TypeVar("F", np.float32, np.float64)
Floats = npt.NDArray[np.floating]
Codes = npt.NDArray[np.int8]
Scales = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Quantised:
    """Codes i8 [rows, channels] and scales f32 [rows, channels / group], none negative; of asymmetric ones zero points
    u8 like the scales, which are taken off the codes."""

    codes: Codes
    scales: Scales
    zeros: Bytes | None = None

    @property
    def group(self) -> int:
        return int(self.codes.shape[1] // self.scales.shape[1])

    def weights(self) -> npt.NDArray[np.float32]:
        """What the codes stand for, [rows, channels]."""
        spans = self.codes.reshape(*self.scales.shape, self.group)
        if self.zeros is not None:
            spans = spans - self.zeros.astype(np.int8)[..., None]
        return (spans * self.scales[..., None]).reshape(self.codes.shape)


def _spans(weights: Floats, group: int, dtype: type[F]) -> npt.NDArray[F]:
    """`weights` [rows, channels] as [rows, spans, group]."""
    rows, channels = weights.shape
    group = group or channels
    if channels % group:
        raise ValueError(f"{channels} channels are no whole number of groups of {group}")
    return weights.astype(dtype).reshape(rows, channels // group, group)


def project(weights: Floats, group: int = 0, importance: Floats | None = None) -> Quantised:
    """The ternary matrix nearest to `weights`: of all codes and scales those with the least sum of h (w - a t)^2.

    `importance` h [channels] is each input's weight in that sum, such as the mean of its squared activations; without
    it all are alike. For a given set of non-zero codes the best scale is a = sum(h |w|) / sum(h) over the set, which
    takes (sum h |w|)^2 / sum(h) off the error; for a given a the best set is |w| > a / 2. So the best set is that of
    the largest |w| up to some number, and trying every number finds it.
    """
    spans = _spans(weights, group, np.float64)
    magnitude = np.abs(spans)
    h = _importance_of_spans(spans, importance)
    order = np.argsort(-magnitude, axis=-1, kind="stable")
    sorted_h = np.take_along_axis(h, order, axis=-1)
    sum_h = np.cumsum(sorted_h, axis=-1)
    sum_hw = np.cumsum(sorted_h * np.take_along_axis(magnitude, order, axis=-1), axis=-1)
    scale_by_count = np.divide(sum_hw, sum_h, out=np.zeros_like(sum_hw), where=sum_h > 0)
    best = np.argmax(sum_hw * scale_by_count, axis=-1, keepdims=True)

    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(order.shape[-1]), order.shape), axis=-1)
    codes = np.where(rank <= best, np.sign(spans), 0).astype(np.int8)
    scales = np.take_along_axis(scale_by_count, best, axis=-1)[..., 0].astype(np.float32)
    return Quantised(codes.reshape(weights.shape), scales)


def _importance_of_spans(spans: npt.NDArray[np.float64], importance: Floats | None) -> npt.NDArray[np.float64]:
    """h for each weight of `spans`. A span whose inputs were never active is projected as if all mattered alike."""
    if importance is None:
        return np.ones_like(spans)
    h = _spans(importance[None, :], spans.shape[-1], np.float64)
    h = np.where(h.sum(axis=-1, keepdims=True) > 0, h, 1.0)
    return np.broadcast_to(h, spans.shape)


def quantise_i8(weights: Floats, group: int = 0) -> Quantised:
    """Symmetric 8-bit codes, -127 to 127: s = max|w| / 127 and q = round_half_even(w / s) in every span."""
    spans = _spans(weights, group, np.float32)
    scales = np.abs(spans).max(axis=-1) / np.float32(127)
    divisor = np.where(scales > 0, scales, np.float32(1))[..., None]
    codes = np.clip(np.rint(spans / divisor), -127, 127).astype(np.int8)
    return Quantised(codes.reshape(weights.shape), scales)


def quantise_i4(weights: Floats, group: int = 0) -> Quantised:
    """Symmetric 4-bit codes, -7 to 7, of small sum of (w - s q)^2.

    For given codes q the best scale is s = sum(w q) / sum(q^2), which takes sum(w q)^2 / sum(q^2) off the error; the
    codes are the best of those that a few scales about max|w| / 7 round to.
    """
    parts = [_spans(weights[i : i + I4_ROWS], group, np.float64) for i in range(0, len(weights), I4_ROWS)]
    codes, scales = zip(*map(_best_i4, parts), strict=True)
    return Quantised(np.concatenate(codes).reshape(weights.shape), np.concatenate(scales))


def _best_i4(spans: npt.NDArray[np.float64]) -> tuple[Codes, Scales]:
    """Codes in the shape of `spans` [rows, spans, group] and scales [rows, spans]."""
    largest = np.abs(spans).max(axis=-1, keepdims=True) / 7
    best = np.zeros_like(spans)
    best_gain, best_scale = np.zeros(largest.shape), np.zeros(largest.shape)
    for fraction in I4_FRACTIONS:
        step = np.where(largest > 0, fraction * largest, 1)
        codes = np.clip(np.rint(spans / step), -7, 7)
        sum_wq = (spans * codes).sum(axis=-1, keepdims=True)
        sum_qq = np.maximum((codes * codes).sum(axis=-1, keepdims=True), 1)
        gain = sum_wq * sum_wq / sum_qq
        better = gain > best_gain
        best = np.where(better, codes, best)
        best_gain = np.where(better, gain, best_gain)
        best_scale = np.where(better, sum_wq / sum_qq, best_scale)
    return best.astype(np.int8), best_scale[..., 0].astype(np.float32)


def quantise_u4(weights: Floats, group: int = 0) -> Quantised:
    """Asymmetric 4-bit codes, 0 to 15, of a span's extremes: s = (max - min) / 15, z = round_half_even(-min / s) and
    q = round_half_even(w / s + z), where min <= 0 <= max, so that zero is a code."""
    spans = _spans(weights, group, np.float32)
    low, high = np.minimum(spans.min(axis=-1), 0), np.maximum(spans.max(axis=-1), 0)
    scales = (high - low) / np.float32(15)
    divisor = np.where(scales > 0, scales, np.float32(1))
    zeros = np.clip(np.rint(-low / divisor), 0, 15)
    codes = np.clip(np.rint(spans / divisor[..., None] + zeros[..., None]), 0, 15).astype(np.int8)
    return Quantised(codes.reshape(weights.shape), scales, zeros.astype(np.uint8))


def pack(codes: Codes, section: Section) -> Bytes:
    """Ternary or 4-bit codes [rows, channels] as the payload of `section`, in its stored shape."""
    if codes.shape != section.shape:
        raise ValueError(f"codes are {list(codes.shape)}, section is {section}")
    if section.dtype in NIBBLES:
        return _pack_nibbles(codes + MIDDLE[section.dtype])
    if section.packing == Packing.T2:
        return _pack_t2(codes)
    return _pack_passes(codes, section)


def unpack(payload: Bytes, section: Section) -> Codes:
    """The inverse of pack."""
    if payload.shape != section.stored_shape:
        raise ValueError(f"payload is {list(payload.shape)}, section is {section}")
    if section.dtype in NIBBLES:
        return _unpack_nibbles(payload) - MIDDLE[section.dtype]
    if section.packing == Packing.T2:
        return _unpack_t2(payload)
    return _unpack_passes(payload, section)


def _pack_nibbles(codes: Codes) -> Bytes:
    rows, channels = codes.shape
    nibbles = codes.astype(np.uint8).reshape(rows, channels // I4_RUN, 2, I4_RUN // 2)
    packed: Bytes = nibbles[:, :, 0] | nibbles[:, :, 1] * np.uint8(16)
    return packed.reshape(rows, channels // 2)


def _unpack_nibbles(payload: Bytes) -> Codes:
    rows, half = payload.shape
    runs = payload.reshape(rows, half // (I4_RUN // 2), I4_RUN // 2)
    nibbles = np.stack((runs & 15, runs >> 4), axis=2)
    return nibbles.astype(np.int8).reshape(rows, 2 * half)


def _pack_t2(codes: Codes) -> Bytes:
    rows, channels = codes.shape
    trits = (codes + 1).astype(np.uint8).reshape(rows // 4, 4, channels)
    shifts = np.array([0, 2, 4, 6], dtype=np.uint8)[:, None]
    packed: Bytes = np.bitwise_or.reduce(trits << shifts, axis=1)
    return packed


def _unpack_t2(payload: Bytes) -> Codes:
    blocks, channels = payload.shape
    shifts = np.array([0, 2, 4, 6], dtype=np.uint8)[:, None]
    trits = payload[:, None, :] >> shifts & 3
    return (trits.astype(np.int8) - 1).reshape(blocks * 4, channels)


def _pack_passes(codes: Codes, section: Section) -> Bytes:
    form = PASSES[section.packing]
    spans, passes, rows, row_bytes = section.stored_shape
    trits = np.ones((rows, spans, passes * form.channels), dtype=np.uint8)
    trits[:, :, : section.group] = (codes + 1).reshape(rows, spans, section.group)
    places = 3 ** np.arange(form.trits, dtype=np.uint8)
    packed = (trits.reshape(rows, spans, passes, row_bytes, form.trits) * places).sum(axis=-1, dtype=np.uint8)
    return np.ascontiguousarray(packed.transpose(1, 2, 0, 3))


def _unpack_passes(payload: Bytes, section: Section) -> Codes:
    form = PASSES[section.packing]
    spans, passes, rows, _ = section.stored_shape
    places = 3 ** np.arange(form.trits, dtype=np.uint8)
    trits = payload.transpose(2, 0, 1, 3)[..., None] // places % 3
    live = trits.reshape(rows, spans, passes * form.channels)[:, :, : section.group]
    return (live.astype(np.int8) - 1).reshape(section.shape)
