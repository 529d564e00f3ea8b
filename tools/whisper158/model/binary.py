# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Reads binary files that may be truncated or hostile: every length is held against the file before it is used."""

import math
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from whisper158.errors import die
from whisper158.model.checkpoint import Array


class BinaryFile:
    """A little-endian file that is read from front to back."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def _advance(self, size: int, what: str) -> int:
        left = len(self._data) - self._at
        if size > left:
            die(f"{self.path} is truncated or damaged: {what} takes {size} bytes, but only {left} are left")
        start = self._at
        self._at += size
        return start

    def numbers(self, layout: str, what: str) -> tuple[int, ...]:
        """Integers in the notation of `struct`, without the sign of the byte order."""
        layout = f"<{layout}"
        return struct.unpack_from(layout, self._data, self._advance(struct.calcsize(layout), what))

    def number(self, layout: str, what: str) -> int:
        return self.numbers(layout, what)[0]

    def raw(self, size: int, what: str) -> bytes:
        start = self._advance(size, what)
        return self._data[start : start + size]

    def text(self, size: int, what: str) -> str:
        try:
            return self.raw(size, what).decode()
        except UnicodeDecodeError:
            die(f"{self.path}: {what} is not UTF-8 text")

    def skip(self, size: int, what: str) -> None:
        self._advance(size, what)

    def array(self, dtype: npt.DTypeLike, shape: tuple[int, ...], what: str) -> Array:
        """A copy, so that it is aligned and outlives the file."""
        if 0 in shape or len(shape) > 4:
            die(f"{self.path}: {what} has shape {shape}")
        count = math.prod(shape)
        start = self._advance(count * np.dtype(dtype).itemsize, what)
        flat: npt.NDArray[Any] = np.frombuffer(self._data, dtype, count, start)
        return flat.reshape(shape).copy()


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryFile]:
    """Map a file, so that reading it takes no memory beyond what is copied out."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            die(f"{path} is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield BinaryFile(path, data)
