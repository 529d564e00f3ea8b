# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Writing an SD card: which disks are refused, what is on the card afterwards, and what an accident leaves there.

Files stand for disks, with facts of a made-up /sys; once, where that works, a real loop device.
"""

import errno
import gzip
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import synaimg

from whisper158 import needs
from whisper158.board.flash import bmap, flash, sd, sdimage
from whisper158.board.flash.disks import Disk, System, WrongDisk, candidates, check, look
from whisper158.board.flash.image import load
from whisper158.board.flash.job import Job
from whisper158.board.flash.sd import CardUnusable, write_card
from whisper158.errors import UserError

MIB = 1 << 20


@dataclass(frozen=True)
class MadeUp(System):
    """A made-up /sys and /proc. Files whose paths are in `numbers` are disks."""

    numbers: dict[str, str] = field(default_factory=dict)

    def number(self, path: str) -> str | None:
        return self.numbers.get(path) or super().number(path)


@dataclass
class Desk:
    """A computer with a card in its reader (sdb) and a disk that it runs from (sda)."""

    folder: Path
    system: MadeUp
    card: Path

    def sys(self, name: str) -> Path:
        return next((self.folder / "sys" / "devices").rglob(name))

    def proc(self, name: str, text: str) -> None:
        (self.folder / "proc" / name).write_text(text)


def add_disk(root: Path, bus: str, name: str, number: str, size: int, **facts: str) -> None:
    entry = root / "sys" / "devices" / bus / "block" / name
    (entry / "device").mkdir(parents=True)
    (entry / "holders").mkdir()
    (entry / "size").write_text(f"{size // 512}\n")
    (entry / "dev").write_text(f"{number}\n")
    for fact, value in {"removable": "0", "ro": "0", **facts}.items():
        (entry / fact).write_text(f"{value}\n")
    partition = entry / f"{name}1"
    (partition / "holders").mkdir(parents=True)
    (partition / "partition").write_text("1\n")
    major, minor = number.split(":")
    (partition / "dev").write_text(f"{major}:{int(minor) + 1}\n")
    for link, target in ((number, entry), (f"{major}:{int(minor) + 1}", partition)):
        (root / "sys" / "dev" / "block").mkdir(parents=True, exist_ok=True)
        (root / "sys" / "dev" / "block" / link).symlink_to(target)
    (root / "sys" / "block").mkdir(exist_ok=True)
    (root / "sys" / "block" / name).symlink_to(entry)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    card = tmp_path / "sdb"
    card.write_bytes(b"\xaa" * (80 * MIB))
    add_disk(tmp_path, "pci0/ata1", "sda", "8:0", 500 * 10**9, **{"device/model": "BigDisk"})
    add_disk(tmp_path, "pci0/usb1/1-1", "sdb", "8:16", 80 * MIB, removable="1", **{"device/model": "Card Reader"})
    (tmp_path / "proc" / "self").mkdir(parents=True)
    numbers = {str(card): "8:16", str(tmp_path / "sda"): "8:0", str(tmp_path / "sdb1"): "8:17"}
    desk = Desk(tmp_path, MadeUp(tmp_path / "sys", tmp_path / "proc", numbers), card)
    desk.proc("self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    desk.proc("swaps", "Filename Type Size Used Priority\n")
    return desk


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "some.img"
    path.write_bytes(os.urandom(3 * MIB) + bytes(2 * MIB) + os.urandom(MIB + 700))
    return path


# ---- which disks


def test_the_card_is_recognised(desk: Desk) -> None:
    disk = look(str(desk.card), desk.system)
    assert (disk.name, disk.model, disk.bus, disk.removable, disk.size) == ("sdb", "Card Reader", "usb", True, 80 * MIB)
    assert str(disk) == f"{desk.card} (Card Reader, usb, 83.9 MB)"
    check(disk, 80 * MIB)
    assert [found.name for found in candidates(desk.system)] == ["sdb"]


def test_the_computers_own_disk_is_refused(desk: Desk, image: Path) -> None:
    with pytest.raises(WrongDisk, match="is in use: sda1 is mounted at /"):
        write_card(image, str(desk.folder / "sda"), yes=True, system=desk.system)
    desk.proc("self/mountinfo", "")
    with pytest.raises(WrongDisk, match="is not removable"):
        write_card(image, str(desk.folder / "sda"), yes=True, system=desk.system)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "self/mountinfo",
            "30 1 8:17 / /media/card rw shared:1 - vfat /dev/sdb1 rw\n",
            "sdb1 is mounted at /media/card",
        ),
        ("self/mountinfo", "30 1 8:16 / /mnt rw - ext4 /dev/sdb rw\n", "sdb is mounted at /mnt"),
        ("self/mountinfo", "30 1 0:40 /@ /mnt rw - btrfs /dev/sdb1 rw\n", "sdb1 is mounted at /mnt"),
        ("swaps", "Filename Type Size\n/dev/sdb1 partition 100\n", "sdb1 is used as swap"),
    ],
)
def test_a_card_in_use_is_refused(desk: Desk, image: Path, name: str, text: str, message: str) -> None:
    desk.proc(name, text)
    with pytest.raises(WrongDisk, match=f"is in use: {message}"):
        write_card(image, str(desk.card), yes=True, system=desk.system)
    assert desk.card.read_bytes() == b"\xaa" * (80 * MIB)


def test_a_card_that_something_is_built_on_is_refused(desk: Desk, image: Path) -> None:
    (desk.sys("sdb1") / "holders" / "dm-0").touch()
    with pytest.raises(WrongDisk, match="sdb1 is used by dm-0"):
        write_card(image, str(desk.card), yes=True, system=desk.system)


@pytest.mark.parametrize(
    ("fact", "value", "message"),
    [
        ("ro", "1", "is write-protected"),
        ("size", "0", "has no card in it"),
        ("size", "10000", "is too small: the image needs 6.3 MB"),
    ],
)
def test_unfit_cards_are_refused(desk: Desk, image: Path, fact: str, value: str, message: str) -> None:
    (desk.sys("sdb") / fact).write_text(value)
    with pytest.raises(WrongDisk, match=message):
        write_card(image, str(desk.card), yes=True, system=desk.system)


def test_a_slot_for_cards_is_known_by_its_card(desk: Desk) -> None:
    add_disk(desk.folder, "soc/mmc0", "mmcblk0", "179:0", 10**9, **{"device/type": "SD", "device/name": "SC32G"})
    add_disk(desk.folder, "soc/mmc1", "mmcblk1", "179:32", 10**9, **{"device/type": "MMC", "device/name": "8GTF4R"})
    assert [disk.name for disk in candidates(desk.system)] == ["mmcblk0", "sdb"]


def test_what_is_no_disk(desk: Desk, image: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongDisk, match=r"is a partition") as caught:
        write_card(image, str(tmp_path / "sdb1"), yes=True, system=desk.system)
    assert caught.value.hint == "--disk /dev/sdb"
    with pytest.raises(WrongDisk, match="is no disk") as caught:
        write_card(image, str(image), yes=True, system=desk.system)
    assert "disks that could be meant: /dev/sdb (Card Reader, usb, 83.9 MB)" in str(caught.value)
    with pytest.raises(WrongDisk, match="No such file"):
        write_card(image, str(tmp_path / "nothing"), yes=True, system=desk.system)


def test_nobody_is_asked_without_a_terminal(desk: Desk, image: Path) -> None:
    with pytest.raises(UserError, match="cannot be asked without a terminal"):
        write_card(image, str(desk.card), system=desk.system)
    assert desk.card.read_bytes() == b"\xaa" * (80 * MIB)


def test_another_answer_is_a_no(desk: Desk, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer in ("y", "sda", ""):
        monkeypatch.setattr("builtins.input", lambda answer=answer: answer)
        with pytest.raises(UserError, match="nothing was written"):
            write_card(image, str(desk.card), system=desk.system)
    assert desk.card.read_bytes() == b"\xaa" * (80 * MIB)
    monkeypatch.setattr("builtins.input", lambda: "sdb")
    write_card(image, str(desk.card), system=desk.system)
    assert desk.card.read_bytes()[: 3 * MIB] == image.read_bytes()[: 3 * MIB]


# ---- what is written


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_what_was_written_is_there(desk: Desk, image: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = image.read_bytes()
    if suffix == ".gz":
        image = image.with_name(f"{image.name}.gz")
        image.write_bytes(gzip.compress(data, 1))
    elif suffix == ".zst":
        if shutil.which("zstd") is None:
            pytest.skip("zstd is not installed")
        subprocess.run(["zstd", "-q", str(image)], check=True)
        image = image.with_name(f"{image.name}.zst")
    write_card(image, str(desk.card), yes=True, system=desk.system)
    assert desk.card.read_bytes() == data + b"\xaa" * (80 * MIB - len(data))
    assert "6.3 MB were written" in capsys.readouterr().err


def make_bmap(path: Path, data: bytes, ranges: list[tuple[int, int]]) -> None:
    lines = []
    for first, last in ranges:
        digest = hashlib.sha256(data[first * 4096 : (last + 1) * 4096]).hexdigest()
        lines.append(f"<Range chksum='{digest}'> {first}-{last} </Range>")
    text = (
        f"<?xml version='1.0'?><bmap version='2.0'><ImageSize> {len(data)} </ImageSize><BlockSize> 4096 </BlockSize>"
        f"<ChecksumType> sha256 </ChecksumType><BmapFileChecksum> {'0' * 64} </BmapFileChecksum>"
        f"<BlockMap>{''.join(lines)}</BlockMap></bmap>"
    )
    path.write_text(text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest()))


@pytest.mark.parametrize("packed", [False, True])
def test_a_block_map_is_followed(desk: Desk, image: Path, packed: bool) -> None:
    data = image.read_bytes()
    last = len(data) // 4096
    make_bmap(image.with_name("some.img.bmap"), data, [(0, 3), (10, 767), (1280, last)])
    if packed:
        gz = image.with_name("some.img.gz")
        gz.write_bytes(gzip.compress(data, 1))
        image = gz
    write_card(image, str(desk.card), yes=True, system=desk.system)
    card = desk.card.read_bytes()
    assert card[: 4 * 4096] == data[: 4 * 4096]
    assert card[4 * 4096 : 10 * 4096] == bytes(6 * 4096), "within the first MiB, which is cleared first"
    assert card[10 * 4096 : 3 * MIB] == data[10 * 4096 : 3 * MIB]
    assert card[3 * MIB : 5 * MIB] == b"\xaa" * (2 * MIB)
    assert card[5 * MIB : len(data)] == data[5 * MIB :]


def test_a_block_map_that_does_not_agree(desk: Desk, image: Path) -> None:
    data = image.read_bytes()
    make_bmap(image.with_name("some.img.bmap"), b"x" + data[1:], [(0, 3), (10, 20)])
    with pytest.raises(CardUnusable, match="bytes 0 to 16384 are not what its block map says"):
        write_card(image, str(desk.card), yes=True, system=desk.system)
    assert desk.card.read_bytes()[:MIB] == bytes(MIB)
    map_of_it = image.with_name("some.img.bmap")
    map_of_it.write_text(map_of_it.read_text().replace("10-20", "10-21"))
    with pytest.raises(UserError, match="is damaged: it is not what its own checksum says"):
        write_card(image, str(desk.card), yes=True, system=desk.system)
    make_bmap(image.with_name("some.img.bmap"), data + b"x", [(0, 3)])
    with pytest.raises(UserError, match="is of another image"):
        write_card(image, str(desk.card), yes=True, system=desk.system)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<bmap>",
        "<bmap></bmap>",
        "<bmap><ImageSize>x</ImageSize><BlockSize>4096</BlockSize></bmap>",
        "<bmap><ImageSize>9</ImageSize><BlockSize>0</BlockSize></bmap>",
        "<bmap><ImageSize>9999</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range>1</Range><Range>0</Range></BlockMap></bmap>",
        "<bmap><ImageSize>9999</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range>9</Range></BlockMap></bmap>",
        "<bmap><ImageSize>9999</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range>-5</Range></BlockMap></bmap>",
        "<bmap><ImageSize>9</ImageSize><BlockSize>1</BlockSize><ChecksumType>crc</ChecksumType></bmap>",
    ],
)
def test_damaged_block_maps(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.bmap"
    path.write_text(text)
    with pytest.raises(UserError, match=r"block map|unknown kind"):
        bmap.read(path)


# ---- accidents


def test_an_interrupted_card_is_no_card(desk: Desk, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sd, "BLOCK", MIB)
    real = sd.pwrite
    count = 0

    def interrupted(descriptor: int, data: bytes, at: int) -> None:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        real(descriptor, data, at)

    monkeypatch.setattr(sd, "pwrite", interrupted)
    with pytest.raises(CardUnusable, match=r"interrupted: .*sdb is not usable now"):
        write_card(image, str(desk.card), yes=True, system=desk.system)
    assert desk.card.read_bytes()[:MIB] == bytes(MIB), "no partition table, old or new"


def test_a_damaged_file_leaves_no_partition_table(desk: Desk, image: Path) -> None:
    packed = image.with_name("x.img.gz")
    packed.write_bytes(gzip.compress(image.read_bytes(), 1)[:-100])
    with pytest.raises(CardUnusable, match="the file ends too early"):
        write_card(packed, str(desk.card), yes=True, system=desk.system)
    assert desk.card.read_bytes()[:MIB] == bytes(MIB)


def test_a_packed_image_that_is_larger_than_the_card(desk: Desk, image: Path) -> None:
    packed = image.with_name("x.img.gz")
    packed.write_bytes(gzip.compress(bytes(81 * MIB), 1))
    with pytest.raises(CardUnusable, match="the image is larger than the disk"):
        write_card(packed, str(desk.card), yes=True, system=desk.system)


def test_a_card_that_forgets_is_found_out(desk: Desk, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fakes of large cards drop what does not fit them."""
    real = sd.pwrite

    def forgetful(descriptor: int, data: bytes, at: int) -> None:
        if at < 5 * MIB:
            real(descriptor, data[: 5 * MIB - at], at)

    monkeypatch.setattr(sd, "pwrite", forgetful)
    with pytest.raises(CardUnusable, match="gives back something else than was written"):
        write_card(image, str(desk.card), yes=True, system=desk.system)


# ---- the card's image


@pytest.mark.parametrize("split", [False, True])
def test_the_image_of_a_card(tmp_path: Path, split: bool) -> None:
    needs.debian("card")
    folder = synaimg.make(tmp_path / "SYNAIMG")
    if split:
        synaimg.sparse_rootfs(folder)
    found = load(folder)
    path = tmp_path / "SD.img"
    sdimage.make(found, path)
    assert path.stat().st_size == sdimage.size(found)
    table = subprocess.run(["sfdisk", "--dump", str(path)], capture_output=True, text=True, check=True).stdout
    data = path.read_bytes()
    for partition in found.partitions:
        assert f"start={partition.start // 512:12}, size={partition.size // 512:12}" in table
        assert f'name="{partition.name}"' in table
        there = data[partition.start : partition.start + partition.size]
        if partition.name == "factory_setting":
            assert there[1080:1082] == b"\x53\xef", "an ext4 file system"
        elif partition.name in ("devinfo", "misc"):
            assert there == bytes(len(there))
        else:
            expected = synaimg.content(partition.name.removesuffix("_a").removesuffix("_b"))
            if split and partition.name.startswith("rootfs"):
                expected = expected.ljust(40960, b"\0")[:36864] + b"\xef\xbe\xad\xde" * 1024
            assert there == expected.ljust(len(there), b"\0")
    assert not list(tmp_path.glob(".*draft*"))


def test_from_an_image_to_a_card(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs.debian("card")
    monkeypatch.setattr(flash, "look", lambda path: look(path, desk.system))
    monkeypatch.setattr(sd, "look", lambda path, system: look(path, desk.system))
    folder = synaimg.make(tmp_path / "SYNAIMG")
    out = tmp_path / "SD.img"
    flash.flash(Job(folder, method="sd", disk=str(desk.card), out=str(out), yes=True))
    assert desk.card.read_bytes()[: out.stat().st_size] == out.read_bytes()


def test_dry_run(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(flash, "look", lambda path: look(path, desk.system))
    folder = synaimg.make(tmp_path / "SYNAIMG")
    out = tmp_path / "SD.img"
    flash.flash(Job(folder, method="sd", disk=str(desk.card), out=str(out), dry_run=True))
    said = capsys.readouterr().err
    assert "sfdisk" in said and "name=rootfs_a" in said and "mke2fs -q -F -t ext4 -E offset=16777216" in said
    assert f"onto {desk.card} (Card Reader, usb, 83.9 MB), and read it back" in said
    assert not out.exists()
    assert desk.card.read_bytes() == b"\xaa" * (80 * MIB)


# ---- a real one


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    backing = tmp_path / "backing"
    backing.write_bytes(b"\xaa" * (16 * MIB))
    made = subprocess.run(["losetup", "--find", "--show", str(backing)], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"there are no loop devices here: {made.stderr.strip()}")
    device = made.stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


def test_a_real_block_device(loop: str, image: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongDisk, match="is not removable"):
        write_card(image, loop, yes=True)
    info = os.stat(loop).st_rdev
    add_disk(tmp_path, "usb1", Path(loop).name, f"{os.major(info)}:{os.minor(info)}", 16 * MIB, removable="1")
    (tmp_path / "proc").mkdir()
    system = System(tmp_path / "sys", tmp_path / "proc")
    write_card(image, loop, yes=True, system=system)
    data = image.read_bytes()
    with open(loop, "rb") as device:
        assert device.read(len(data) + 4096) == data + b"\xaa" * 4096
    (tmp_path / "sys" / "dev" / "block" / f"{os.major(info)}:{os.minor(info)}" / "dev").write_text("8:16\n")
    with pytest.raises(WrongDisk, match="is another disk than a moment ago"):
        write_card(image, loop, yes=True, system=system)
    holder = os.open(loop, os.O_RDWR | os.O_EXCL)
    try:
        with pytest.raises(WrongDisk, match="cannot be opened for writing: Device or resource busy"):
            write_card(image, loop, yes=True, system=system)
    finally:
        os.close(holder)


def test_nobody_gets_at_a_card_before_it_has_been_read_back(
    loop: str, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desktop would mount it, and what is mounted changes."""
    info = os.stat(loop).st_rdev
    add_disk(tmp_path, "usb1", Path(loop).name, f"{os.major(info)}:{os.minor(info)}", 16 * MIB, removable="1")
    (tmp_path / "proc").mkdir()
    real, refused = sd.forget_cache, list[int | None]()

    def desktop(descriptor: int) -> None:
        try:
            os.close(os.open(loop, os.O_RDWR | os.O_EXCL))
        except OSError as error:
            refused.append(error.errno)
        real(descriptor)

    monkeypatch.setattr(sd, "forget_cache", desktop)
    write_card(image, loop, yes=True, system=System(tmp_path / "sys", tmp_path / "proc"))
    assert refused == [errno.EBUSY]
    os.close(os.open(loop, os.O_RDWR | os.O_EXCL))


def test_disks_are_told_apart_by_their_names() -> None:
    disk = Disk("/dev/sdb", "sdb", "8:16", 32 * 10**9, "", "", True, False, ())
    assert str(disk) == "/dev/sdb (no model name, unknown bus, 32.0 GB)"
