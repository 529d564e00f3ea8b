# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Quantised weights as they would be stored: codes, scales, zero points, and what stays in floats."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from whisper158.lab.grid import Grid
from whisper158.model.ternary import Quantised

KEPT_BITS = 16  # a weight that stays in floats
INDEX_BITS = 16  # a channel's number
ROW_BITS = 32  # where a row's outliers begin
NIBBLE_LEVELS = 16


@dataclass(frozen=True)
class Size:
    """Bits in memory."""

    codes: int = 0
    scales: int = 0
    zeros: int = 0
    kept: int = 0
    indices: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))

    def __add__(self, other: "Size") -> "Size":
        return Size(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Codes:
    """A matrix: codes int16 [rows, channels], scales f32 [rows, spans] and, where the grid is asymmetric, zeros f32
    [rows, spans]. The weight is (code - zero) x scale, in f32.

    scale_bits: what a scale takes; 32 in the blob's formats. zero_bits: of a zero point; that of a code where it is a
    whole number of the grid. Where scales or zeros are themselves quantised, scale_codes and zero_codes [spans, rows]
    are what is stored, and scales and zeros what follows from them.
    """

    grid: Grid
    codes: Tensor
    scales: Tensor
    zeros: Tensor | None = None
    scale_bits: int = 32
    zero_bits: int = 0
    scale_codes: "Codes | None" = None
    zero_codes: "Codes | None" = None

    def weights(self) -> Tensor:
        """f32 [rows, channels]"""
        spans = self.codes.float().view(*self.scales.shape, -1)
        if self.zeros is not None:
            spans = spans - self.zeros[..., None]
        return (spans * self.scales[..., None]).view(self.codes.shape)

    def size(self) -> Size:
        scale_codes, zero_codes = self.scale_codes, self.zero_codes
        zeros = 0 if self.zeros is None else self.zeros.numel() * self.zero_bits
        return Size(
            codes=self.scales.numel() * self.grid.span_bits(self.codes.shape[1]),
            scales=scale_codes.size().total if scale_codes else self.scales.numel() * self.scale_bits,
            zeros=zero_codes.size().total if zero_codes else zeros,
        )


@dataclass(frozen=True)
class Columns:
    """Channels that stay in floats: which, ascending, and their weights f16 [rows, count]."""

    index: Tensor
    values: Tensor

    def size(self) -> Size:
        return Size(kept=self.values.numel() * KEPT_BITS, indices=self.index.numel() * INDEX_BITS)


@dataclass(frozen=True)
class Outliers:
    """Single weights that stay in floats, row by row: their rows and channels, ascending, and values f16."""

    rows: Tensor
    channels: Tensor
    values: Tensor
    n_rows: int

    def size(self) -> Size:
        """As compressed sparse rows."""
        n = self.values.numel()
        return Size(kept=n * KEPT_BITS, indices=n * INDEX_BITS + (self.n_rows + 1) * ROW_BITS)


@dataclass(frozen=True)
class Weight:
    """The sum of one matrix or more ("planes"). `columns` stand beside the planes, which lack them; `outliers` take
    the place of what the planes have there. order: the channels' numbers in the order that the planes have them in,
    where it is not theirs."""

    planes: tuple[Codes, ...]
    columns: Columns | None = None
    outliers: Outliers | None = None
    order: Tensor | None = None

    def weights(self) -> Tensor:
        """f32 [rows, channels]: what a layer multiplies with, bit for bit."""
        dense = self.planes[0].weights()
        for plane in self.planes[1:]:
            dense = dense + plane.weights()
        if self.order is not None:
            dense = dense[:, torch.argsort(self.order)]
        if self.columns:
            dense = _among(dense, self.columns)
        if self.outliers:
            dense[self.outliers.rows, self.outliers.channels] = self.outliers.values.float()
        return dense

    def size(self) -> Size:
        parts = [plane.size() for plane in self.planes]
        parts += [extra.size() for extra in (self.columns, self.outliers) if extra]
        if self.order is not None:
            parts.append(Size(indices=self.order.numel() * INDEX_BITS))
        return sum(parts, Size())

    @property
    def shape(self) -> tuple[int, int]:
        rows, channels = self.planes[0].codes.shape
        return rows, channels + (self.columns.index.numel() if self.columns else 0)

    @property
    def bits_per_weight(self) -> float:
        rows, channels = self.shape
        return self.size().total / (rows * channels)

    def exported(self) -> Quantised | None:
        """What the blob can hold (docs/blob-format.md): one plane and nothing beside it, and if that is asymmetric, at
        most 4 bits and whole zero points; else None."""
        plane = self.planes[0]
        beside = self.columns or self.outliers or self.order is not None
        if len(self.planes) > 1 or beside:
            return None
        codes, scales = plane.codes.cpu().numpy().astype(np.int8), plane.scales.cpu().numpy()
        if plane.zeros is None:
            return Quantised(codes, scales) if plane.grid.symmetric else None
        zeros = plane.zeros.cpu().numpy()
        whole = np.isin(zeros, np.arange(NIBBLE_LEVELS)).all()
        if plane.grid.levels > NIBBLE_LEVELS or not whole:
            return None
        return Quantised(codes, scales, zeros.astype(np.uint8))


def _among(dense: Tensor, columns: Columns) -> Tensor:
    rows, count = dense.shape
    whole = dense.new_empty(rows, count + columns.index.numel())
    rest = torch.ones(whole.shape[1], dtype=torch.bool, device=dense.device)
    rest[columns.index] = False
    whole[:, rest] = dense
    whole[:, columns.index] = columns.values.float()
    return whole
