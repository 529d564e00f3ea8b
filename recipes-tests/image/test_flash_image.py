# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What may not reach a board: images that are damaged, do not fit, or lie."""

import gzip
import re
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import synaimg
from hypothesis import given
from hypothesis import strategies as st

from whisper158.board.flash import image, sparse
from whisper158.board.flash.image import BadImage, load
from whisper158.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return synaimg.make(tmp_path / "SYNAIMG")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(("name", "full"), [("SYNAIMG", False), ("eMMCimg", True)])
def test_a_good_image(tmp_path: Path, name: str, full: bool) -> None:
    found = load(synaimg.make(tmp_path / name, full))
    assert found.name == "astra-whisper158-sl1680.rootfs-20261122120000"
    assert [p.name for p in found.partitions] == list(synaimg.LAYOUT)
    assert found.partitions[0].start == 16 << 20
    assert found.partitions[1].start == 20 << 20
    assert len(found.actions) == 18
    assert len(found.full_actions) == (20 if full else 0)
    assert found.unpacked["key.subimg.gz"] == len(synaimg.content("key"))
    assert image.rootfs_id(found) == synaimg.ROOT_ID
    assert found.notes == []


def test_a_split_sparse_image(folder: Path) -> None:
    synaimg.sparse_rootfs(folder)
    found = load(folder)
    assert found.unpacked["rootfs_s.subimg.1"] == 40960
    assert image.rootfs_id(found) == synaimg.ROOT_ID


def test_an_image_without_a_tag_is_taken_with_a_note(folder: Path) -> None:
    (folder / synaimg.TAG).unlink()
    assert "nothing says which board" in load(folder).notes[0]


def swap(name: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: edit(folder / name, old, new)


def replace(name: str, data: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return spoil


PARTS, LIST = "emmc_part_list", "emmc_image_list"
ZEROS = gzip.compress(bytes(8 << 20))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / PARTS).unlink(), "emmc_part_list is missing"),
        (lambda folder: (folder / LIST).unlink(), "emmc_image_list is missing"),
        (replace(LIST, b""), "emmc_image_list is empty"),
        (replace(PARTS, b""), "does not begin with #GPT"),
        (replace(PARTS, b"#GPT\n"), "names no partition"),
        (replace(LIST, b"erase,sd1\n" * 500), "has 5000 bytes; U-Boot reads 4095"),
        (replace(LIST, b"erase,sd1\n" * 129), "has 129 lines; U-Boot has room for 128"),
        (replace(LIST, "löschen,sd1\n".encode()), "is not ASCII text"),
        (swap(PARTS, "#GPT", "#MBR"), "does not begin with #GPT"),
        (swap(PARTS, "home, ", "rootfs_a, "), "two partitions named rootfs_a"),
        (swap(PARTS, "home, ", "../home, "), "cannot be a partition's name"),
        (swap(PARTS, "factory_setting, 16, 4", "factory_setting, 16"), "is not NAME,START,SIZE"),
        (swap(PARTS, "factory_setting, 16, 4", "factory_setting, 16, 0"), "which is no number of MiB"),
        (swap(PARTS, "factory_setting, 16, 4", "factory_setting, 16, 16M"), "which is no number of MiB"),
        (swap(PARTS, "factory_setting, 16, 4", "factory_setting, 0, 4"), "within the partition table"),
        (swap(PARTS, "tzk_a", "\ntzk_a"), "takes an empty line for the end, and"),
        (swap(LIST, "erase,sd16", "\nerase,sd16"), "takes an empty line for the end, and"),
        (swap(LIST, "home.subimg.gz,sd18", "home.subimg.gz,sd19"), "wants sd19; emmc_part_list has 18 partitions"),
        (swap(LIST, "home.subimg.gz,sd18", "home.subimg.gz,sd17"), "uses sd17 twice: erase, then home.subimg.gz"),
        (swap(LIST, "home.subimg.gz,sd18", "home.subimg.gz,mmcblk0"), "neither sd1, sd2, ... nor b1 or b2"),
        (swap(LIST, "home.subimg.gz,sd18", "home.subimg.gz,sd018"), "neither sd1, sd2, ... nor b1 or b2"),
        (swap(LIST, "home.subimg.gz,sd18", "home.subimg.gz"), "is not FILE,TARGET"),
        (swap(LIST, "home.subimg.gz,sd18", "home.subimg.gz,sd18,x"), "is not FILE,TARGET"),
        (swap(LIST, "home.subimg.gz,sd18", "../../etc/passwd,sd18"), "cannot be the name of a file"),
        (swap(LIST, "home.subimg.gz,sd18", "/etc/passwd,sd18"), "cannot be the name of a file"),
        (swap(LIST, "home.subimg.gz,sd18", ".home.subimg.gz,sd18"), "cannot be the name of a file"),
        (swap(LIST, "home.subimg.gz,sd18", f"{'h' * 32},sd18"), "has 32 characters; U-Boot has room for 31"),
        (swap(LIST, "home.subimg.gz", "hom.subimg.gz"), "hom.subimg.gz is missing"),
        (swap(LIST, "rootfs.subimg.gz,sd12\n", ""), "nothing is written to rootfs_a"),
        (swap(LIST, "bl.subimg.gz,sd6", "erase,sd6"), "nothing is written to bl_a"),
        (lambda folder: (folder / "key.subimg.gz").write_bytes(b""), "key.subimg.gz is empty"),
        (replace("boot.subimg.gz", ZEROS), "boot.subimg.gz: its content does not fit into the 2097152 bytes"),
        (replace("boot.subimg.gz", gzip.compress(b"x")[:-9]), "boot.subimg.gz: the file ends too early"),
        (replace("boot.subimg.gz", gzip.compress(b"x")[:-8] + b"\1" * 8), "boot.subimg.gz: .*incorrect data check"),
        (replace("boot.subimg.gz", gzip.compress(b"x") + b"more"), "boot.subimg.gz: something follows its end"),
        (replace("boot.subimg.gz", b"not gzip at all"), "boot.subimg.gz: .*incorrect header check"),
        (replace("boot.subimg.gz", gzip.compress(b"")), "boot.subimg.gz: there is nothing in it"),
        (lambda folder: (folder / "TAG--astra-media-sl1680--TAG").touch(), "it has several TAG files"),
        (
            lambda folder: (folder / synaimg.TAG).rename(folder / "TAG--astra-media-sl1640.rootfs--TAG"),
            "says sl1640, not sl1680",
        ),
    ],
)
def test_bad_images(folder: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(folder)
    with pytest.raises(BadImage, match=message) as caught:
        load(folder)
    assert "cannot be flashed" in str(caught.value)


def test_a_link_is_no_file_of_the_image(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.gz"
    (folder / "key.subimg.gz").rename(outside)
    (folder / "key.subimg.gz").symlink_to(outside)
    with pytest.raises(BadImage, match=r"key\.subimg\.gz is missing"):
        load(folder)


def test_all_faults_are_told_at_once(folder: Path) -> None:
    for stem in ("key", "bl", "home"):
        (folder / f"{stem}.subimg.gz").unlink()
    with pytest.raises(BadImage) as caught:
        load(folder)
    assert all(f"{stem}.subimg.gz is missing" in str(caught.value) for stem in ("key", "bl", "home"))


def test_a_bomb_is_put_down_when_its_partition_is_full(folder: Path) -> None:
    """256 MiB in 260 kB: what is unpacked of it is a little more than the partition."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    (folder / "key.subimg.gz").write_bytes(bomb)
    taken = 0
    for block in image.gzip_blocks(folder / "key.subimg.gz"):
        taken = max(taken, len(block))
    assert taken <= 4 << 20
    with pytest.raises(BadImage, match=r"key.subimg.gz: its content does not fit into the 1048576 bytes"):
        load(folder)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (["1", "0"], "without the part before it"),
        (["0", "0"], "twice"),
        (["1"], "without the part before it"),
        (["0", "2"], "without the part before it"),
    ],
)
def test_parts_out_of_order(folder: Path, order: list[str], message: str) -> None:
    synaimg.sparse_rootfs(folder)
    (folder / "rootfs_s.subimg.2").write_bytes((folder / "rootfs_s.subimg.1").read_bytes())
    lines = "".join(f"rootfs_s.subimg.{part},sd12\n" for part in order)
    edit(folder / LIST, "rootfs_s.subimg.0,sd12\nrootfs_s.subimg.1,sd12\n", lines)
    with pytest.raises(BadImage, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (synaimg.sparse([b"x"] * 2000), "do not fit into"),
        (synaimg.sparse([b"x", 7, None])[:-1], "the file ends within chunk 2"),
        (synaimg.sparse([b"x", 7, None]) + b"z", "1 bytes follow the last chunk"),
        (synaimg.sparse([b"x"]).replace(b"\xc1\xca", b"\xc9\xca"), "of an unknown kind"),
        (synaimg.sparse([b"x"])[:40].ljust(28), "the file ends within chunk 0"),
        (b"\x3a\xff\x26\xed\x02", "the file ends within the header"),
        (b"\x3a\xff\x26\xed" + struct.pack("<HHHHIIII", 2, 0, 28, 12, 4096, 1, 1, 0), "of version 1"),
        (b"\x3a\xff\x26\xed" + struct.pack("<HHHHIIII", 1, 0, 28, 12, 0, 1, 0, 0), "no multiple of 512"),
        (b"\x3a\xff\x26\xed" + struct.pack("<HHHHIIII", 1, 0, 28, 12, 4096, 9, 0, 0), "its chunks make 0 blocks"),
        (b"\x3a\xff\x26\xed" + struct.pack("<HHHHIIII", 1, 0, 32, 12, 4096, 1, 1, 0), "its headers have 32"),
    ],
)
def test_damaged_sparse_images(folder: Path, data: bytes, message: str) -> None:
    synaimg.sparse_rootfs(folder)
    (folder / "rootfs_s.subimg.0").write_bytes(data)
    with pytest.raises(BadImage, match=f"rootfs_s.subimg.0: .*{message}"):
        load(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no image folder"):
        load(tmp_path / "nothing")


# ---- anything at all


@contextmanager
def kept(data: bytes, suffix: str) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)


LINES = st.lists(
    st.sampled_from(
        ["#GPT", "a,1,1", "b,,2", "rootfs_a,1,1", "", " ", "x.gz,sd1", "erase,sd2", "format,b1", ",", "..,sd1", "\t\r"]
    ),
    max_size=8,
).map("\n".join)


@given(st.one_of(st.text(max_size=200), LINES))
def test_lists_are_read_or_refused(text: str) -> None:
    for parse in (image.parse_partitions, lambda t: image.parse_actions(t, LIST)):
        try:
            found = parse(text)
        except ValueError as error:
            assert str(error).startswith("emmc_")
        else:
            assert found


@given(text=LINES)
def test_what_is_read_of_a_list_is_what_uboot_reads(text: str) -> None:
    """Its way, step by step: blanks out, lines until one is empty, fields at commas."""
    try:
        found = image.parse_actions(text, LIST)
    except ValueError:
        return
    lines = re.sub(r"[ \t\r]", "", text).split("\n")
    until = next((i for i, line in enumerate(lines) if len(line) <= 1), len(lines))
    assert [f"{action.file or action.verb},{action.target}" for action in found] == lines[:until]


@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 255))
def test_sparse_images_are_read_or_refused(tail: bytes, at: int, value: int) -> None:
    good = bytearray(synaimg.sparse([b"x", 7, None], 512) + tail)
    good[at] = value
    with kept(bytes(good), ".subimg") as path:
        try:
            size = sparse.size(path)
            end = 0
            for extent in sparse.extents(path):
                assert end <= extent.offset
                end = extent.offset + extent.length
                assert extent.source is None or extent.source + extent.length <= len(good)
            assert end <= size
        except sparse.BadSparse as error:
            assert str(error)


@given(st.binary(max_size=400), st.integers(0, 60), st.integers(0, 255))
def test_gzip_files_are_read_or_refused(data: bytes, at: int, value: int) -> None:
    packed = bytearray(gzip.compress(data, mtime=0) + bytes(64))
    packed[at] = value
    with kept(bytes(packed), ".gz") as path:
        try:
            assert image.unpacked_size(path, 1000) <= 1000
        except (ValueError, zlib.error) as error:
            assert str(error)
