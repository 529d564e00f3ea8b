# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The blob's container: sections in a checked file, as docs/blob-format.md says.

This is the one writer. The reader here is for tests and tools; the program's is meta-whisper158/runtime/src/blob.c, and
both refuse the same files. What the sections of a model are is the matter of pack.py.
"""

import re
import struct
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NoReturn

import numpy as np
import numpy.typing as npt
import xxhash

from whisper158 import whole
from whisper158.errors import die

MAGIC = b"W158\r\n\x1a\n"
VERSION = 1
ALIGNMENT = 64
HEADER = struct.Struct("<8sIIQQQ16sQ")
ENTRY = struct.Struct("<64sIIII4IIIQQQ")
HEADER_CHECKED = 56
MAX_RANK = 4
MAX_SECTIONS = 4096
MAX_ELEMENTS = 1 << 40
GROUP_STEP = 32
NAME = re.compile(r"[a-z0-9._]{1,63}")

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]


class Dtype(IntEnum):
    F32 = 1
    F16 = 2
    I8 = 3
    U8 = 4
    U32 = 5
    T158 = 6
    I4 = 7
    U4 = 8


class Packing(IntEnum):
    PLAIN = 0
    T2 = 1
    T4 = 2
    T5 = 3


NIBBLES = (Dtype.I4, Dtype.U4)
QUANTISED = (Dtype.I8, *NIBBLES, Dtype.T158)
MOST_ZERO = 15  # a zero point is one of the codes
STORAGE: Mapping[Dtype, np.dtype[Any]] = MappingProxyType(
    {
        Dtype.F32: np.dtype("<f4"),
        Dtype.F16: np.dtype("<f2"),
        Dtype.I8: np.dtype("i1"),
        Dtype.U8: np.dtype("u1"),
        Dtype.U32: np.dtype("<u4"),
        Dtype.T158: np.dtype("u1"),
        Dtype.I4: np.dtype("u1"),
        Dtype.U4: np.dtype("u1"),
    }
)


@dataclass(frozen=True)
class Pass:
    """What a look-up kernel builds its tables for at one time: `row_bytes` bytes of `trits` channels for every row."""

    trits: int
    row_bytes: int

    @property
    def channels(self) -> int:
        return self.trits * self.row_bytes


PASSES: Mapping[Packing, Pass] = MappingProxyType({Packing.T4: Pass(4, 8), Packing.T5: Pass(5, 4)})


@dataclass(frozen=True)
class Section:
    """One entry of the section table, but for its place and checksum. `group` is 0 where there are no scales."""

    name: str
    dtype: Dtype
    shape: tuple[int, ...]
    packing: Packing = Packing.PLAIN
    group: int = 0
    optional: bool = False

    @property
    def scale(self) -> "Section":
        """The section of scales that stands beside a quantised one."""
        rows, channels = self.shape
        return Section(f"{self.name}.scale", Dtype.F32, (rows, channels // self.group), optional=self.optional)

    @property
    def zero(self) -> "Section":
        """The section of zero points that stands beside an asymmetric one."""
        return replace(self.scale, name=f"{self.name}.zero", dtype=Dtype.U8)

    @property
    def beside(self) -> tuple["Section", ...]:
        """All that has to stand beside it, in the order in which it is written."""
        if not self.group:
            return ()
        return (self.scale, self.zero) if self.dtype == Dtype.U4 else (self.scale,)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of the payload as an array of STORAGE[dtype]: what is packed several to a byte counts as bytes."""
        if self.dtype in NIBBLES:
            return (self.shape[0], self.shape[1] // 2)
        if self.packing == Packing.PLAIN:
            return self.shape
        rows, channels = self.shape
        if self.packing == Packing.T2:
            return (rows // 4, channels)
        form = PASSES[self.packing]
        return (channels // self.group, -(-self.group // form.channels), rows, form.row_bytes)

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        size = STORAGE[self.dtype].itemsize
        for extent in self.stored_shape:
            size *= extent
        return size


def problem_of_section(section: Section) -> str | None:
    """The rule of the section table that `section` breaks, if any."""
    if not NAME.fullmatch(section.name):
        return "name is not 1 to 63 characters of a-z 0-9 . _"
    if (section.dtype == Dtype.T158) != (section.packing != Packing.PLAIN):
        return f"packing {section.packing.name.lower()} does not go with dtype {section.dtype.name.lower()}"
    if not 1 <= len(section.shape) <= MAX_RANK:
        return f"rank is {len(section.shape)}, it must be 1 to {MAX_RANK}"
    elements = 1
    for i, extent in enumerate(section.shape):
        if not 0 < extent < 1 << 32:
            return f"shape[{i}] is {extent}"
        elements *= extent
        if elements > MAX_ELEMENTS:
            return "shape has more than 2^40 elements"
    return _problem_of_group(section)


def _problem_of_group(section: Section) -> str | None:
    if section.dtype not in QUANTISED:
        return f"group is {section.group}, but {section.dtype.name.lower()} has no scales" if section.group else None
    if len(section.shape) != 2:
        return f"rank is {len(section.shape)}, it must be 2 for {section.dtype.name.lower()}"
    rows, channels = section.shape
    group = section.group
    if group <= 0 or channels % group or (group != channels and group % GROUP_STEP):
        return f"group is {group}, it must be {channels} (a whole row) or a multiple of {GROUP_STEP} that divides it"
    if section.dtype in NIBBLES and group % GROUP_STEP:
        return f"group is {group}, it must be a multiple of {GROUP_STEP} for {section.dtype.name.lower()}"
    if section.dtype == Dtype.T158 and rows % 4:
        return f"shape[0] is {rows}, it must be a multiple of 4 for t158"
    return None


def problem_of_beside(section: Section, sections: Mapping[str, Section]) -> str | None:
    """What is wrong with the sections that hold the scales and the zero points of `section`, if it has any."""
    for want in section.beside:
        have = sections.get(want.name)
        if have is None:
            return f"there is no section {want.name} beside it"
        if have != want:
            kind = want.dtype.name.lower()
            return f"its section {want.name} must be {kind} of shape {list(want.shape)}, flags alike"
    return None


def problem_of_values(section: Section, array: Array, beside: Container[Section]) -> str | None:
    """The rule on values that the payload breaks, if any. `array` has STORAGE's dtype and the stored shape; `beside`
    holds all sections that are others' scales and zero points."""
    if section.dtype in (Dtype.F32, Dtype.F16):
        if not np.isfinite(array).all():
            return "a value is infinite or not a number"
        return "a scale is negative" if section in beside and np.signbit(array).any() else None
    if section.dtype == Dtype.U8:
        return f"a zero point is above {MOST_ZERO}" if section in beside and (array > MOST_ZERO).any() else None
    if section.dtype == Dtype.I8:
        return "a weight is -128" if (array == -128).any() else None
    if section.dtype == Dtype.I4:
        return "a weight is -8" if (array & 0x0F == 0).any() or (array < 0x10).any() else None
    if section.packing == Packing.T2:
        return "a byte holds the bit pair 3, which is no ternary weight" if (array & array >> 1 & 0x55).any() else None
    if section.packing in PASSES:
        return _problem_of_trits(section, array)
    return None


def _problem_of_trits(section: Section, array: Array) -> str | None:
    form = PASSES[section.packing]
    if (array >= 3**form.trits).any():
        return f"a byte is above {3**form.trits - 1}, which is no {form.trits} ternary weights"
    live = section.group - (section.stored_shape[1] - 1) * form.channels
    for column in range(form.row_bytes):
        below = min(max(live - column * form.trits, 0), form.trits)
        ones = (3 ** (form.trits - below) - 1) // 2
        if (array[:, -1, :, column] // 3**below != ones).any():
            return "a weight beyond the end of a group is not zero"
    return None


def checksum(data: bytes | memoryview) -> int:
    return xxhash.xxh64_intdigest(data)


def align(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


# ---------------------------------------------------------------------------------------------------------------- write


def write(path: Path, sections: Sequence[Section], payloads: Iterable[Array]) -> None:
    """Write a blob. `payloads` yields one array for each of `sections` in their order, drawn from one at a time.

    Every array has STORAGE's dtype and the section's stored shape. The file appears under its name complete, or not at
    all; one that was there before stays until then. Raises UserError.
    """
    _check_sections(path, sections)
    with whole.replacing(path) as draft, draft.open("wb") as file:
        _write_into(file, path, sections, payloads)


def _check_sections(path: Path, sections: Sequence[Section]) -> None:
    by_name = {section.name: section for section in sections}
    if not 1 <= len(sections) <= MAX_SECTIONS:
        die(f"{path}: {len(sections)} sections, a blob holds 1 to {MAX_SECTIONS}")
    if len(by_name) != len(sections):
        die(f"{path}: two sections have one name")
    for section in sections:
        problem = problem_of_section(section) or problem_of_beside(section, by_name)
        if problem:
            die(f"{path}: section {section.name}: {problem}")


def _write_into(file: IO[bytes], path: Path, sections: Sequence[Section], payloads: Iterable[Array]) -> None:
    beside = {other for section in sections for other in section.beside}
    end = HEADER.size + ENTRY.size * len(sections)
    file.write(bytes(end))
    table = b""
    for section, payload in zip(sections, payloads, strict=True):
        if payload.dtype != STORAGE[section.dtype] or payload.shape != section.stored_shape:
            raise ValueError(f"{section.name}: payload is {payload.dtype}{list(payload.shape)}, section is {section}")
        problem = problem_of_values(section, payload, beside)
        if problem:
            die(f"{path}: section {section.name}: {problem}")
        data = np.ascontiguousarray(payload).view(np.uint8).data
        offset = align(end)
        file.write(bytes(offset - end))
        file.write(data)
        end = offset + section.size
        table += _entry(section, offset, checksum(data))
    file.seek(0)
    file.write(_header(len(sections), end, table))
    file.write(table)


def _entry(section: Section, offset: int, payload_checksum: int) -> bytes:
    rank = len(section.shape)
    shape = section.shape + (0,) * (MAX_RANK - rank)
    return ENTRY.pack(
        section.name.encode("ascii"),
        section.dtype,
        section.packing,
        section.optional,
        rank,
        *shape,
        section.group,
        0,
        offset,
        section.size,
        payload_checksum,
    )


def _header(count: int, file_size: int, table: bytes) -> bytes:
    header = HEADER.pack(MAGIC, VERSION, count, file_size, HEADER.size, checksum(table), bytes(16), 0)
    return header[:HEADER_CHECKED] + struct.pack("<Q", checksum(header[:HEADER_CHECKED]))


# ----------------------------------------------------------------------------------------------------------------- read


@dataclass(frozen=True)
class Blob:
    """A checked blob. `sections` stand in the order of the file; `data` is all of it, read-only."""

    name: str
    sections: Mapping[str, Section]
    offsets: Mapping[str, int]
    data: Bytes

    def __contains__(self, name: str) -> bool:
        return name in self.sections

    def array(self, name: str) -> Array:
        """The payload in place: STORAGE's dtype, the section's stored shape."""
        section = self.sections[name]
        payload = self.data[self.offsets[name] :][: section.size]
        return payload.view(STORAGE[section.dtype]).reshape(section.stored_shape)

    def text(self, name: str) -> str:
        """A u8 section as text."""
        return self.array(name).tobytes().decode("utf-8")


def read(path: Path) -> Blob:
    """Map the blob at `path` and check all that docs/blob-format.md asks of the container. Raises UserError."""
    try:
        if path.is_dir():
            die(f"{path}: is a directory", "Name the .w158 file in it.")
        if path.stat().st_size == 0:
            _damaged(str(path), "the file is empty")
        data = np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        die(f"{path}: cannot be read: {error.strerror}")
    return parse(data, str(path))


def parse(data: Bytes, name: str) -> Blob:
    """The same for bytes in memory; `name` stands in error sentences. The blob's arrays are views of `data`."""
    count = _check_header(data, name)
    sections, offsets, checksums = _read_table(data, name, count)
    blob = Blob(name, MappingProxyType(sections), MappingProxyType(offsets), data)
    _check_payloads(blob, checksums)
    return blob


def _damaged(name: str, what: str) -> NoReturn:
    die(f"{name}: damaged: {what}", "Copy the file again.")


def _refuse(name: str, where: str, what: str) -> NoReturn:
    die(f"{name}: {where}: {what}", "Build the model again.")


def _newer(name: str, what: str) -> NoReturn:
    die(f"{name}: {what}", "Update whisper158.")


def _check_header(data: Bytes, name: str) -> int:
    """The number of sections, after the table's own checksum has been found right."""
    start = data[: HEADER.size].tobytes()
    if not start:
        _damaged(name, "the file is empty")
    if start[:8] != MAGIC[: len(start)]:
        if start[:4] == MAGIC[:4]:
            _damaged(name, "the magic number is altered, as by a transfer in text mode")
        die(f"{name}: not a whisper158 blob, for it does not begin with W158", "Name a .w158 file.")
    if len(start) < HEADER.size:
        _damaged(name, f"truncated to {len(start)} bytes, within the header")
    _, version, count, size, table_offset, table_checksum, reserved, header_checksum = HEADER.unpack(start)
    if version > VERSION:
        _newer(name, f"format version {version}; this program reads version {VERSION}")
    if version < VERSION:
        _damaged(name, "the header's version is 0, which never was")
    if checksum(start[:HEADER_CHECKED]) != header_checksum:
        _damaged(name, "checksum of the header does not match")
    if size > data.size:
        _damaged(name, f"truncated to {data.size} of {size} bytes")
    if size < data.size:
        _damaged(name, f"{data.size} bytes where the header's file_size is {size}, something was appended")
    if table_offset != HEADER.size:
        _refuse(name, "header", f"table_offset is {table_offset}, it must be {HEADER.size}")
    if any(reserved):
        _refuse(name, "header", "the reserved bytes are not zero")
    if not 1 <= count <= MAX_SECTIONS:
        _refuse(name, "header", f"section_count is {count}, it must be 1 to {MAX_SECTIONS}")
    if HEADER.size + count * ENTRY.size > data.size:
        _refuse(name, "header", f"section_count is {count}, a table that does not fit into {data.size} bytes")
    if checksum(data[HEADER.size :][: count * ENTRY.size].tobytes()) != table_checksum:
        _damaged(name, "checksum of the section table does not match")
    return int(count)


def _read_table(data: Bytes, name: str, count: int) -> tuple[dict[str, Section], dict[str, int], dict[str, int]]:
    sections: dict[str, Section] = {}
    offsets: dict[str, int] = {}
    checksums: dict[str, int] = {}
    end = HEADER.size + count * ENTRY.size
    for index, entry in enumerate(ENTRY.iter_unpack(data[HEADER.size : end].tobytes())):
        section = _read_section(name, index, entry)
        offset, size, payload_checksum = entry[-3:]
        where = f"section {section.name}"
        if section.name in sections:
            _refuse(name, where, "name occurs twice")
        if size != section.size:
            _refuse(name, where, f"size is {size}, but dtype, packing, shape and group give {section.size}")
        if offset != align(end):
            _refuse(name, where, f"offset is {offset}, it must be {align(end)}")
        if offset + size > data.size:
            _refuse(name, where, f"size is {size}, which goes beyond the end of the file")
        end = offset + size
        sections[section.name], offsets[section.name], checksums[section.name] = section, offset, payload_checksum
    if end != data.size:
        _refuse(name, "header", f"file_size is {data.size}, but the last section ends at {end}")
    return sections, offsets, checksums


def _read_section(name: str, index: int, entry: tuple[Any, ...]) -> Section:
    raw, dtype, packing, flags, rank, *rest = entry
    shape, group, reserved = rest[:MAX_RANK], rest[MAX_RANK], rest[MAX_RANK + 1]
    label = raw.rstrip(b"\0").decode("ascii", "replace")
    if not NAME.fullmatch(label):
        what = "name is not 1 to 63 characters of a-z 0-9 . _ and then zeros"
        _refuse(name, f"section table entry {index}", what)
    where = f"section {label}"
    if dtype not in set(Dtype):
        _newer(name, f"{where}: dtype {dtype} is unknown to this program")
    if packing not in set(Packing):
        _newer(name, f"{where}: packing {packing} is unknown to this program")
    if flags > 1:
        _refuse(name, where, f"flags are {flags}, only bit 0 has a meaning")
    if reserved:
        _refuse(name, where, "the reserved bytes are not zero")
    if not 1 <= rank <= MAX_RANK:
        _refuse(name, where, f"rank is {rank}, it must be 1 to {MAX_RANK}")
    if any(shape[rank:]):
        _refuse(name, where, f"shape is {shape}, but rank is {rank}")
    section = Section(label, Dtype(dtype), tuple(shape[:rank]), Packing(packing), group, bool(flags))
    problem = problem_of_section(section)
    if problem:
        _refuse(name, where, problem)
    return section


def _check_payloads(blob: Blob, checksums: Mapping[str, int]) -> None:
    beside = {other for section in blob.sections.values() for other in section.beside}
    end = HEADER.size + ENTRY.size * len(blob.sections)
    for label, section in blob.sections.items():
        offset = blob.offsets[label]
        if blob.data[end:offset].any():
            _damaged(blob.name, f"the padding before section {label} is not zero")
        end = offset + section.size
        if checksum(blob.data[offset:end].data) != checksums[label]:
            _damaged(blob.name, f"checksum of section {label} does not match")
        problem = problem_of_beside(section, blob.sections)
        problem = problem or problem_of_values(section, blob.array(label), beside)
        if problem:
            _refuse(blob.name, f"section {label}", problem)
