# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The named tensors of an ONNX file: as much of Protocol Buffers as that takes.

A message is a run of fields, each a key (number and wire type) and a value. ModelProto's field 7 is the graph, whose
fields 5 are its tensors; of a tensor we read shape (1), element type (2), name (8) and raw bytes (9).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from whisper158.errors import die

GRAPH, INITIALIZER = 7, 5
DIMS, DATA_TYPE, NAME, RAW_DATA = 1, 2, 8, 9
FLOAT = 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Array = npt.NDArray[Any]


def initializers(path: Path) -> dict[str, Array]:
    """All tensors of 32-bit floats that the graph stores as raw bytes, by name. Raises UserError."""
    tensors = {}
    for number, graph in _fields(path.read_bytes()):
        for inner, message in _fields(graph) if number == GRAPH and isinstance(graph, bytes) else ():
            if inner == INITIALIZER and isinstance(message, bytes):
                tensors.update(_tensor(message))
    return tensors


def _tensor(message: bytes) -> dict[str, Array]:
    """Name and value, unless it is of another type, or stored in another way."""
    fields = list(_fields(message))
    shape = [value for number, value in fields if number == DIMS and isinstance(value, int)]
    last = dict(fields)
    name, raw = last.get(NAME), last.get(RAW_DATA)
    if last.get(DATA_TYPE) != FLOAT or not isinstance(name, bytes) or not isinstance(raw, bytes):
        return {}
    if len(raw) != 4 * math.prod(shape):
        die(f"tensor {name.decode(errors='replace')} has {len(raw)} bytes, which its shape {shape} does not call for")
    return {name.decode(errors="replace"): np.frombuffer(raw, "<f4").reshape(shape)}


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == BYTES:
            size, at = _varint(message, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            die("not an ONNX file, or a damaged one")
        if size > len(message) - at:
            die("not an ONNX file, or a damaged one")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    die("not an ONNX file, or a damaged one")
