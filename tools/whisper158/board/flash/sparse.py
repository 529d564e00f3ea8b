# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Android's sparse images: what is not zero of a file system, in chunks. The SDK splits large images that way."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = 0xED26FF3A
HEADER = struct.Struct("<IHHHHIIII")
CHUNK = struct.Struct("<HHII")
RAW, FILL, SKIP, CRC = 0xCAC1, 0xCAC2, 0xCAC3, 0xCAC4


class BadSparse(ValueError):
    """The file is no sparse image, or contradicts itself."""


@dataclass(frozen=True)
class Extent:
    """`length` bytes at `offset` of what is described: those at `source` in the file, or `fill` again and again."""

    offset: int
    length: int
    source: int | None
    fill: bytes


def is_sparse(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == MAGIC.to_bytes(4, "little")


def size(path: Path) -> int:
    """The size of what the file describes."""
    with path.open("rb") as file:
        block, blocks, _ = _header(file)
    return block * blocks


def extents(path: Path) -> Iterator[Extent]:
    """What the file says about the content, in order; what it says nothing about is left out. Checks all of it."""
    with path.open("rb") as file:
        block, blocks, chunks = _header(file)
        end = path.stat().st_size
        at = 0
        for number in range(chunks):
            kind, _, count, total = CHUNK.unpack(_exactly(file, CHUNK.size, f"chunk {number}"))
            data = total - CHUNK.size
            if at + count > blocks:
                raise BadSparse(f"chunk {number} goes beyond the end")
            if file.tell() + data > end:
                raise BadSparse(f"the file ends within chunk {number}")
            if kind == RAW:
                if data != count * block:
                    raise BadSparse(f"chunk {number} says {count} blocks and holds {data} bytes")
                yield Extent(at * block, data, file.tell(), b"")
                file.seek(data, 1)
            elif kind in (FILL, CRC):
                if data != 4:
                    raise BadSparse(f"chunk {number} has {data} bytes where 4 belong")
                value = _exactly(file, 4, f"chunk {number}")
                if kind == FILL and count:
                    yield Extent(at * block, count * block, None, value)
            elif kind != SKIP or data != 0:
                raise BadSparse(f"chunk {number} is of an unknown kind ({kind:#x})")
            at += count if kind != CRC else 0
        if at != blocks:
            raise BadSparse(f"its chunks make {at} blocks, its header says {blocks}")
        if file.tell() != end:
            raise BadSparse(f"{end - file.tell()} bytes follow the last chunk")


def _header(file: BinaryIO) -> tuple[int, int, int]:
    magic, major, _, header, chunk, block, blocks, chunks, _ = HEADER.unpack(_exactly(file, HEADER.size, "the header"))
    if magic != MAGIC or major != 1:
        raise BadSparse("it is not a sparse image of version 1")
    if header != HEADER.size or chunk != CHUNK.size:
        raise BadSparse(f"its headers have {header} and {chunk} bytes instead of {HEADER.size} and {CHUNK.size}")
    if block == 0 or block % 512:
        raise BadSparse(f"its blocks have {block} bytes, which is no multiple of 512")
    return block, blocks, chunks


def _exactly(file: BinaryIO, count: int, what: str) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise BadSparse(f"the file ends within {what}")
    return data
