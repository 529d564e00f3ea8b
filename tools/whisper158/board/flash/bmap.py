# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Block maps as bmaptool makes them: which blocks of an image are anything, and what they must hash to."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from whisper158.errors import die


@dataclass(frozen=True)
class Range:
    start: int  # bytes
    length: int
    # In hexadecimal digits, by the map's kind of checksum; empty where the map has none.
    digest: str = ""


@dataclass(frozen=True)
class Map:
    size: int
    ranges: tuple[Range, ...]
    kind: str = "sha256"


def whole(size: int) -> Map:
    """The map of an image that has none: all of it."""
    return Map(size, (Range(0, size),) if size else ())


def beside(image: Path) -> Path | None:
    """The map of an image, where it lies beside it, with or without the suffix of the compression."""
    for name in (image.name, image.name.removesuffix(".gz").removesuffix(".zst")):
        if (path := image.with_name(f"{name}.bmap")).is_file():
            return path
    return None


def read(path: Path) -> Map:
    data = path.read_bytes()
    try:
        root = ElementTree.fromstring(data)
        size, block = (int(root.findtext(name, "").strip()) for name in ("ImageSize", "BlockSize"))
        kind = root.findtext("ChecksumType", "sha256").strip()
        ranges = tuple(parse_ranges(root, block, size))
        supported = kind in hashlib.algorithms_guaranteed and not kind.startswith("shake")
    except (ElementTree.ParseError, ValueError) as error:
        die(f"{path} is no block map: {error}", "remove it to write the whole image")
    if not supported:
        die(f"{path} has checksums of an unknown kind, {kind!r}", "remove it to write the whole image")
    digits = root.findtext("BmapFileChecksum", "").strip().encode()
    # It is taken of the file with zeros in its own place.
    if digits and hashlib.new(kind, data.replace(digits, b"0" * len(digits))).hexdigest().encode() != digits:
        die(f"{path} is damaged: it is not what its own checksum says", "remove it to write the whole image")
    return Map(size, ranges, kind)


def parse_ranges(root: ElementTree.Element, block: int, size: int) -> Iterator[Range]:
    if block <= 0 or size < 0:
        raise ValueError("its sizes make no sense")
    end = 0
    for element in root.iterfind("BlockMap/Range"):
        first, _, last = (element.text or "").strip().partition("-")
        start = int(first) * block
        stop = min((int(last or first) + 1) * block, size)
        if start < end or stop <= start:
            raise ValueError(f"the range {element.text} is out of order, empty, or beyond the end")
        end = stop
        yield Range(start, stop - start, element.get("chksum", ""))
