# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import contextlib
import ctypes
import errno
import os
import resource
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whisper158.errors import UserError
from whisper158.model import blob
from whisper158.model.blob import STORAGE, Array, Bytes, Dtype, Packing, Section
from whisper158.model.ternary import pack, project, quantise_i4, quantise_i8, quantise_u4
from whisper158.paths import GOLDEN, ROOT, RUNTIME

CORPUS = RUNTIME / "fuzz" / "corpus" / "fuzz_blob"
Part = tuple[Section, Array]
Verdict = Callable[[Bytes], bool]
TERNARY = (Packing.T2, Packing.T4, Packing.T5)


def everything() -> list[Part]:
    """Every dtype and packing, with one scale to a row and with groups."""
    generator = np.random.default_rng(158)
    parts: list[Part] = [
        (Section("config", Dtype.U32, (3,)), np.arange(3, dtype="<u4")),
        (Section("text", Dtype.U8, (5,), optional=True), np.frombuffer(b"hello", dtype=np.uint8)),
        (Section("f", Dtype.F32, (2, 1, 3)), generator.standard_normal((2, 1, 3)).astype("<f4")),
        (Section("h", Dtype.F16, (3, 3)), generator.standard_normal((3, 3)).astype("<f2")),
    ]
    for group in (32, 96):
        weights = generator.standard_normal((5, 96))
        section = Section(f"i4_{group}", Dtype.I4, weights.shape, group=group)
        four = quantise_i4(weights, group)
        parts += [(section, pack(four.codes, section)), (section.scale, four.scales)]
        section = Section(f"u4_{group}", Dtype.U4, weights.shape, group=group)
        four = quantise_u4(weights, group)
        assert four.zeros is not None
        parts += [(section, pack(four.codes, section)), (section.scale, four.scales), (section.zero, four.zeros)]
    for group, channels in ((32, 96), (96, 96), (37, 37)):
        weights = generator.standard_normal((4, channels))
        section = Section(f"i8_{group}", Dtype.I8, weights.shape, group=group)
        eight = quantise_i8(weights, group)
        parts += [(section, eight.codes), (section.scale, eight.scales)]
        for packing in TERNARY:
            section = Section(f"{packing.name.lower()}_{group}", Dtype.T158, weights.shape, packing, group)
            ternary = project(weights, group)
            parts += [(section, pack(ternary.codes, section)), (section.scale, ternary.scales)]
    return parts


def write(path: Path, parts: list[Part]) -> Path:
    blob.write(path, [section for section, _ in parts], [payload for _, payload in parts])
    return path


def seal(data: Bytes) -> Bytes:
    """Make file_size and the checksums right again, as far as what they cover lies within the file."""
    if data.size < blob.HEADER.size:
        return data
    room = (data.size - blob.HEADER.size) // blob.ENTRY.size
    count = min(int.from_bytes(data[12:16].tobytes(), "little"), room)
    table = data[blob.HEADER.size :][: count * blob.ENTRY.size]
    for entry in table.reshape(count, blob.ENTRY.size):
        offset, size = struct.unpack("<QQ", entry[104:120].tobytes())
        if offset + size <= data.size:
            put(entry, 120, "<Q", blob.checksum(data[offset : offset + size].tobytes()))
    put(data, 16, "<Q", data.size)
    put(data, 32, "<Q", blob.checksum(table.tobytes()))
    return seal_header(data)


def seal_header(data: Bytes) -> Bytes:
    put(data, blob.HEADER_CHECKED, "<Q", blob.checksum(data[: blob.HEADER_CHECKED].tobytes()))
    return data


def put(data: Bytes, at: int, form: str, value: int) -> None:
    """Write an integer in place."""
    raw = struct.pack(form, value)
    data[at : at + len(raw)] = np.frombuffer(raw, dtype=np.uint8)


def entry_at(data: Bytes, name: str) -> int:
    """Where the table's entry of that name begins."""
    label = name.encode().ljust(64, b"\0")
    at = data.tobytes().index(label)
    assert (at - blob.HEADER.size) % blob.ENTRY.size == 0
    return at


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Bytes:
    """A blob with every dtype and packing, as bytes. Copy before breaking it."""
    path = write(tmp_path_factory.mktemp("good") / "good.w158", everything())
    return np.fromfile(path, dtype=np.uint8)


def refused(data: Bytes, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        blob.parse(data, "x.w158")
    assert caught.value.message.startswith("x.w158: ")
    assert "\n" not in caught.value.message
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message


# ---------------------------------------------------------------------------------------------------------------- write


def payloads(section: Section) -> st.SearchStrategy[Array]:
    """Arrays that `section` may hold."""
    largest = {Packing.PLAIN: 255, Packing.T2: 0xAA, Packing.T4: 80, Packing.T5: 242}[section.packing]

    def make(seed: int) -> Array:
        raw = np.random.default_rng(seed).integers(0, largest + 1, section.stored_shape)
        if section.dtype == Dtype.I8:
            return (raw // 2).astype("i1")
        if section.dtype == Dtype.I4:
            raw = (raw & 15) % 15 + 1 | ((raw >> 4) % 15 + 1) << 4
        if section.packing == Packing.T2:
            raw &= ~(raw >> 1 & 0x55)  # no bit pair 3
        return raw.astype(STORAGE[section.dtype])

    return st.builds(make, st.integers(0, 2**32))


@st.composite
def plain_parts(draw: st.DrawFn) -> list[Part]:
    names = draw(st.lists(st.from_regex(r"[a-z0-9._]{1,63}", fullmatch=True), min_size=1, max_size=6, unique=True))
    dtypes = (Dtype.F32, Dtype.F16, Dtype.U8, Dtype.U32)
    parts = []
    for name in names:
        shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
        section = Section(name, draw(st.sampled_from(dtypes)), shape, optional=draw(st.booleans()))
        parts.append((section, draw(payloads(section))))
    return parts


@st.composite
def quantised_parts(draw: st.DrawFn) -> list[Part]:
    group = draw(st.sampled_from([32, 64, 96]) | st.integers(1, 70))
    spans = 1 if group % 32 else draw(st.integers(1, 3))
    shape = (4 * draw(st.integers(1, 3)), group * spans)
    packing = draw(st.sampled_from(Packing))
    dtype = Dtype.I8 if packing == Packing.PLAIN else Dtype.T158
    section = Section("weight", dtype, shape, packing, group)
    payload = draw(payloads(section))
    if packing in blob.PASSES:
        form = blob.PASSES[packing]
        live = group - (section.stored_shape[1] - 1) * form.channels
        payload[:, -1, :, -(-live // form.trits) :] = (3**form.trits - 1) // 2
        if live % form.trits:
            below = 3 ** (live % form.trits)
            column = payload[:, -1, :, live // form.trits]
            column[...] = column % below + below * ((3 ** (form.trits - live % form.trits) - 1) // 2)
    return [(section, payload), (section.scale, draw(payloads(section.scale)))]


@st.composite
def nibble_parts(draw: st.DrawFn) -> list[Part]:
    group = 32 * draw(st.integers(1, 3))
    dtype = draw(st.sampled_from(blob.NIBBLES))
    section = Section("weight", dtype, (draw(st.integers(1, 5)), group * draw(st.integers(1, 3))), group=group)
    parts = [(part, draw(payloads(part))) for part in (section, section.scale)]
    zero = np.full(section.scale.shape, draw(st.integers(0, blob.MOST_ZERO)), np.uint8)
    return [*parts, *((part, zero) for part in section.beside[1:])]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=plain_parts() | quantised_parts() | nibble_parts())
def test_what_is_written_is_read(parts: list[Part], tmp_path: Path) -> None:
    path = write(tmp_path / "a.w158", parts)
    read = blob.read(path)
    assert list(read.sections.values()) == [section for section, _ in parts]
    assert path.stat().st_size == sum(section.size for section, _ in parts[-1:]) + read.offsets[parts[-1][0].name]
    for section, payload in parts:
        assert section.name in read
        array = read.array(section.name)
        assert array.dtype == STORAGE[section.dtype]
        assert array.tobytes() == payload.tobytes()
        assert read.offsets[section.name] % 64 == 0
        with pytest.raises(ValueError):
            array[...] = 0  # what is mapped stays as it is


def test_text(tmp_path: Path) -> None:
    assert blob.read(write(tmp_path / "a.w158", everything())).text("text") == "hello"


def test_payloads_are_drawn_one_at_a_time(tmp_path: Path) -> None:
    """Else packing would need the memory of the whole model."""
    sections = [Section(f"s{i}", Dtype.U8, (1,)) for i in range(3)]
    log: list[str] = []

    def draw() -> Iterator[Array]:
        for section in sections:
            log.append(f"make {section.name}")
            yield np.zeros(1, dtype=np.uint8)
            log.append(f"done {section.name}")

    blob.write(tmp_path / "a.w158", sections, draw())
    assert log == [f"{verb} s{i}" for i in range(3) for verb in ("make", "done")]


U8 = Section("a", Dtype.U8, (1,))
I8 = Section("w", Dtype.I8, (4, 64), group=32)
I4 = Section("w", Dtype.I4, (5, 64), group=32)
U4 = replace(I4, dtype=Dtype.U4)
T2 = Section("w", Dtype.T158, (4, 64), Packing.T2, 32)


@pytest.mark.parametrize(
    ("sections", "word"),
    [
        ([], "0 sections"),
        ([U8] * 4097, "4097 sections"),
        ([U8, U8], "one name"),
        ([replace(U8, name="A")], "name"),
        ([replace(U8, name="a" * 64)], "name"),
        ([replace(U8, name="")], "name"),
        ([replace(U8, name="a\n")], "name"),
        ([replace(U8, shape=())], "rank is 0"),
        ([replace(U8, shape=(1, 1, 1, 1, 1))], "rank is 5"),
        ([replace(U8, shape=(0,))], "shape[0] is 0"),
        ([replace(U8, shape=(2**32,))], "shape[0]"),
        ([replace(U8, shape=(2**31, 2**31))], "2^40"),
        ([replace(U8, packing=Packing.T2)], "packing t2 does not go with dtype u8"),
        ([replace(U8, group=32)], "u8 has no scales"),
        ([replace(T2, packing=Packing.PLAIN), T2.scale], "packing plain does not go with dtype t158"),
        ([I8], "no section w.scale"),
        ([I8, replace(I8.scale, shape=(4, 1))], "f32 of shape [4, 2]"),
        ([I8, replace(I8.scale, dtype=Dtype.U32)], "f32 of shape"),
        ([I8, replace(I8.scale, optional=True)], "flags alike"),
        ([replace(I8, group=0)], "group is 0"),
        ([replace(I8, group=16), replace(I8, group=16).scale], "group is 16"),
        ([replace(I8, group=48)], "group is 48"),
        ([replace(I4, shape=(5, 40), group=40)], "group is 40, it must be a multiple of 32 for i4"),
        ([replace(I4, packing=Packing.T2)], "packing t2 does not go with dtype i4"),
        ([replace(U4, group=40, shape=(5, 40))], "group is 40, it must be a multiple of 32 for u4"),
        ([U4, U4.scale], "no section w.zero"),
        ([U4, U4.scale, replace(U4.zero, dtype=Dtype.U32)], "u8 of shape [5, 2]"),
        ([U4, U4.scale, replace(U4.zero, shape=(5, 1))], "u8 of shape [5, 2]"),
        ([U4, U4.scale, replace(U4.zero, optional=True)], "flags alike"),
        ([replace(I8, shape=(4, 4, 64))], "rank is 3, it must be 2"),
        ([replace(T2, shape=(6, 64)), replace(T2, shape=(6, 64)).scale], "multiple of 4"),
        ([replace(I8, name="w" * 60), replace(I8, name="w" * 60).scale], "name is not"),
    ],
)
def test_sections_that_break_a_rule(sections: list[Section], word: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.w158: .*") as caught:
        blob.write(tmp_path / "a.w158", sections, [])
    assert word in caught.value.message
    assert not list(tmp_path.iterdir())


def with_value(name: str, at: int, value: float) -> list[Part]:
    """All parts, with one value of one of them changed."""
    parts = [(section, payload.copy()) for section, payload in everything()]
    next(payload for section, payload in parts if section.name == name).reshape(-1)[at] = value
    return parts


# In t5 the last pass of a span of 32 begins at byte 16; of its third byte two channels exist, of the fourth none; of a
# span of 96 the last byte has one. In t4 the last pass of a span of 37 has five.
BAD_VALUES = [
    ("f", 5, np.inf, "infinite or not a number"),
    ("f", 0, np.nan, "infinite or not a number"),
    ("h", 8, -np.inf, "infinite or not a number"),
    ("i8_32", 383, -128, "-128"),
    ("i4_32", 0, 0x10, "a weight is -8"),
    ("i4_96", 239, 0x0F, "a weight is -8"),
    ("u4_32.zero", 14, 16, "a zero point is above 15"),
    ("u4_32.scale", 14, -1, "a scale is negative"),
    ("i8_32.scale", 11, -1, "a scale is negative"),
    ("i8_32.scale", 0, -0.0, "a scale is negative"),
    ("t2_96.scale", 0, np.nan, "infinite or not a number"),
    ("t2_32", 0, 0x03, "bit pair 3"),
    ("t2_32", 95, 0xC0, "bit pair 3"),
    ("t4_32", 95, 81, "above 80"),
    ("t5_32", 0, 243, "above 242"),
    ("t5_32", 16 + 3, 120, "beyond the end"),
    ("t5_32", 16 + 2, 9 * 14, "beyond the end"),
    ("t5_96", 79, 118, "beyond the end"),
    ("t4_37", 32, 81, "above 80"),
    ("t4_37", 32 + 1, 42, "beyond the end"),
    ("t4_37", 63, 0, "beyond the end"),
    ("t2_37", 36, 0x30, "bit pair 3"),
]


@pytest.mark.parametrize(("name", "at", "value", "word"), BAD_VALUES)
def test_values_that_break_a_rule(name: str, at: int, value: float, word: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        write(tmp_path / "a.w158", with_value(name, at, value))
    assert f"section {name}: " in caught.value.message and word in caught.value.message
    assert not list(tmp_path.iterdir())


def test_a_payload_that_is_not_its_section(tmp_path: Path) -> None:
    for payload in (np.zeros(2, dtype=np.uint8), np.zeros(1, dtype=np.int8)):
        with pytest.raises(ValueError, match="payload is"):
            blob.write(tmp_path / "a.w158", [U8], [payload])
    with pytest.raises(ValueError):
        blob.write(tmp_path / "a.w158", [U8], [])
    assert not list(tmp_path.iterdir())


@contextlib.contextmanager
def one_page_only() -> Iterator[None]:
    """No file can grow beyond 4096 bytes: not a fixture, because pytest's own report may go to a longer file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_grow(tmp_path: Path) -> None:
    (tmp_path / "a.w158").write_bytes(b"what was there")
    section = Section("a", Dtype.U8, (1 << 20,))
    with one_page_only(), pytest.raises(UserError, match="cannot be written: File too large") as caught:
        blob.write(tmp_path / "a.w158", [section], [np.zeros(1 << 20, dtype=np.uint8)])
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.w158"]
    assert (tmp_path / "a.w158").read_bytes() == b"what was there"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"a\.w158: cannot be written: No space left on device"):
        blob.write(tmp_path / "a.w158", [U8], [np.zeros(1, dtype=np.uint8)])
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written: Permission denied"):
        blob.write(tmp_path / "a.w158", [U8], [np.zeros(1, dtype=np.uint8)])
    tmp_path.chmod(0o700)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written: No such file or directory") as caught:
        blob.write(tmp_path / "no" / "a.w158", [U8], [np.zeros(1, dtype=np.uint8)])
    assert caught.value.hint == "Make the directory first."


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.w158").mkdir()
    with pytest.raises(UserError, match="cannot be written: Is a directory"):
        blob.write(tmp_path / "a.w158", [U8], [np.zeros(1, dtype=np.uint8)])
    assert [path.name for path in tmp_path.iterdir()] == ["a.w158"]


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Array]:
        yield np.zeros(1, dtype=np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blob.write(tmp_path / "a.w158", [U8, replace(U8, name="b")], interrupted())
    assert not list(tmp_path.iterdir())


def test_the_file_has_the_users_mode(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        blob.write(tmp_path / "a.w158", [U8], [np.zeros(1, dtype=np.uint8)])
    finally:
        os.umask(mask)
    assert (tmp_path / "a.w158").stat().st_mode & 0o777 == 0o640


# ----------------------------------------------------------------------------------------------------------------- read


def test_files_that_are_no_blob(tmp_path: Path) -> None:
    for name, content, word in (
        ("empty", b"", "empty"),
        ("text", b"Lorem ipsum", "does not begin with W158"),
        ("short", b"W158\r\n\x1a\n\x01", "truncated to 9 bytes"),
        ("text mode", b"W158\n\x1a\n" + bytes(99), "text mode"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError) as caught:
            blob.read(tmp_path / name)
        assert str(tmp_path / name) in caught.value.message and word in caught.value.message
    with pytest.raises(UserError, match="No such file"):
        blob.read(tmp_path / "absent")
    with pytest.raises(UserError, match="is a directory"):
        blob.read(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.w158", everything())
    path.chmod(0)
    with pytest.raises(UserError, match="Permission denied"):
        blob.read(path)


def test_every_truncation(good: Bytes) -> None:
    for size in range(good.size):
        refused(good[:size], "truncated" if size else "empty")
    for size in range(blob.HEADER.size, good.size):
        refused(seal(good[:size].copy()))


def test_something_appended(good: Bytes) -> None:
    longer = np.append(good, np.uint8(0))
    refused(longer, "appended")
    refused(seal(longer), "the last section ends at")


def test_every_damaged_byte(good: Bytes) -> None:
    data = good.copy()
    for at in range(data.size):
        data[at] ^= 0x10
        refused(data, "version" if 8 <= at < 12 else "W158" if at < 4 else "damaged")
        data[at] ^= 0x10


HEADER_FIELDS = [
    (8, "<I", 0, "version is 0"),
    (8, "<I", 2, "format version 2; this program reads version 1"),
    (12, "<I", 0, "section_count is 0"),
    (12, "<I", 4097, "section_count is 4097"),
    (12, "<I", 4096, "a table that does not fit"),
    (16, "<Q", 2**64 - 1, "truncated"),
    (16, "<Q", 0, "appended"),
    (24, "<Q", 128, "table_offset is 128"),
    (32, "<Q", 0, "checksum of the section table"),
    (40, "<Q", 1, "reserved"),
    (48, "<Q", 2**63, "reserved"),
]


@pytest.mark.parametrize(("at", "form", "value", "word"), HEADER_FIELDS)
def test_header_fields_that_break_a_rule(
    at: int, form: str, value: int, word: str, good: Bytes, c_accepts: Verdict
) -> None:
    data = good.copy()
    put(data, at, form, value)
    refused(seal_header(data), word)
    assert not c_accepts(data)


TABLE_FIELDS = [
    ("f", 0, "<B", ord("F"), "name"),
    ("f", 0, "<B", 0, "name"),
    ("f", 63, "<B", 1, "name"),
    ("f", 0, "<B", ord("h"), "section h: name occurs twice"),
    ("f", 64, "<I", 0, "section f: dtype 0 is unknown"),
    ("f", 64, "<I", 9, "section f: dtype 9 is unknown"),
    ("f", 64, "<I", Dtype.F16, "section f: size is 24"),
    ("f", 68, "<I", 4, "section f: packing 4 is unknown"),
    ("f", 68, "<I", Packing.T2, "section f: packing t2 does not go with dtype f32"),
    ("f", 72, "<I", 2, "section f: flags are 2"),
    ("f", 76, "<I", 0, "section f: rank is 0"),
    ("f", 76, "<I", 2, "section f: shape is [2, 1, 3, 0], but rank is 2"),
    ("f", 76, "<I", 4, "section f: shape[3] is 0"),
    ("f", 76, "<I", 5, "section f: rank is 5"),
    ("f", 80, "<Q", 2**64 - 1, "section f: shape has more than 2^40 elements"),
    ("f", 80, "<I", 3, "section f: size is 24"),
    ("f", 92, "<I", 1, "section f: shape is"),
    ("f", 96, "<I", 1, "section f: group is 1"),
    ("f", 100, "<I", 1, "section f: the reserved bytes"),
    ("f", 104, "<Q", 0, "section f: offset is 0"),
    ("f", 104, "<Q", 2**64 - 1, "section f: offset is"),
    ("f", 112, "<Q", 0, "section f: size is 0"),
    ("f", 112, "<Q", 2**64 - 1, "section f: size is"),
    ("i8_32", 96, "<I", 0, "section i8_32: group is 0"),
    ("i8_32", 96, "<I", 16, "section i8_32: group is 16"),
    ("i8_32", 96, "<I", 96, "its section i8_32.scale must be f32 of shape [4, 1]"),
    ("i4_32", 96, "<I", 48, "section i4_32: group is 48"),
    ("i4_32", 96, "<I", 96, "its section i4_32.scale must be f32 of shape [5, 1]"),
    ("i4_32", 64, "<I", Dtype.I8, "section i4_32: size is 240"),
    ("i4_32", 64, "<I", Dtype.U4, "no section i4_32.zero beside it"),
    ("u4_32.zero", 0, "<B", ord("j"), "no section u4_32.zero beside it"),
    ("u4_32.zero", 64, "<I", Dtype.I8, "group is 0"),
    ("i8_37", 64, "<I", Dtype.I4, "section i8_37: group is 37, it must be a multiple of 32 for i4"),
    ("i8_32", 72, "<I", 1, "its section i8_32.scale must be"),
    ("i8_32.scale", 0, "<B", ord("j"), "no section i8_32.scale beside it"),
    ("i8_32.scale", 64, "<I", Dtype.U32, "its section i8_32.scale must be f32"),
    ("t2_96", 80, "<I", 5, "section t2_96: shape[0] is 5, it must be a multiple of 4"),
    ("text", 64, "<I", Dtype.I8, "section text: rank is 1, it must be 2 for i8"),
]


@pytest.mark.parametrize(("name", "at", "form", "value", "word"), TABLE_FIELDS)
def test_table_fields_that_break_a_rule(
    name: str, at: int, form: str, value: int, word: str, good: Bytes, c_accepts: Verdict
) -> None:
    data = good.copy()
    put(data, entry_at(data, name) + at, form, value)
    refused(seal(data), word)
    assert not c_accepts(data)


@pytest.mark.parametrize(("name", "at", "value", "word"), BAD_VALUES)
def test_stored_values_that_break_a_rule(
    name: str, at: int, value: float, word: str, good: Bytes, c_accepts: Verdict
) -> None:
    bad = next(payload for section, payload in with_value(name, at, value) if section.name == name)
    data = good.copy()
    offset = blob.parse(good, "good").offsets[name]
    data[offset : offset + bad.nbytes] = np.frombuffer(bad.tobytes(), dtype=np.uint8)
    refused(seal(data), f"section {name}: ", word)
    assert not c_accepts(data)


# --------------------------------------------------------------------------------------------------------- both readers


@pytest.fixture(scope="module")
def c_accepts(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """Whether the runtime's reader (blob.c) opens these bytes."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc)")
    library = tmp_path_factory.mktemp("reader") / "reader.so"
    sources = [RUNTIME / "src" / "blob.c", RUNTIME / "src" / "error.c"]
    options = ["-std=gnu11", "-O1", "-shared", "-fPIC", f"-I{RUNTIME / 'include'}"]
    subprocess.run([compiler, *options, "-o", library, *sources], check=True)
    reader = ctypes.CDLL(str(library))

    def accepts(data: Bytes) -> bool:
        room = np.zeros(data.size + 64, dtype=np.uint8)
        start = -room.ctypes.data % 64
        room[start : start + data.size] = data
        handle = ctypes.create_string_buffer(256)  # a struct Blob, which is smaller
        address = ctypes.c_void_p(room.ctypes.data + start)
        r = reader.blob_open_memory(handle, address, ctypes.c_size_t(data.size), b"x.w158", None)
        reader.blob_close(handle)
        return bool(r == 0)

    return accepts


def python_accepts(data: Bytes) -> bool:
    try:
        blob.parse(data, "x.w158")
    except UserError:
        return False
    return True


def test_both_readers_judge_the_corpus_alike(c_accepts: Verdict) -> None:
    verdicts = []
    for path in sorted(CORPUS.iterdir()):
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        verdicts.append(python_accepts(data))
        assert verdicts[-1] == c_accepts(data), path
    assert any(verdicts) and not all(verdicts)


EDITS = st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 255)), min_size=1, max_size=3)


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, in_table=st.booleans(), sealed=st.booleans())
def test_both_readers_judge_alike(
    edits: list[tuple[int, int]], in_table: bool, sealed: bool, good: Bytes, c_accepts: Verdict
) -> None:
    data = good.copy()
    table = blob.HEADER.size + blob.ENTRY.size * len(everything())
    for at, value in edits:
        data[at % (table if in_table else data.size)] = value
    if sealed:
        seal(data)
    assert python_accepts(data) == c_accepts(data)


def test_both_readers_accept_the_golden_file(c_accepts: Verdict, good: Bytes) -> None:
    golden = np.fromfile(GOLDEN, dtype=np.uint8)
    for data in (golden, good):
        assert python_accepts(data) and c_accepts(data)


def test_fields_of_the_enums() -> None:
    """The numbers of docs/blob-format.md."""
    text = (ROOT / "docs" / "blob-format.md").read_text()
    named: list[Any] = [*Dtype, *(packing for packing in Packing if packing)]
    for value in named:
        assert f"| {value:d} | {value.name.lower()} |" in text
