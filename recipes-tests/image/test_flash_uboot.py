# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Flashing through U-Boot: the copies that it reads, the server that it asks, and what it says at its prompt."""

import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import synaimg
from test_flash_usb import facts

from tests.fake_board import boards
from whisper158.board.flash import copies, flash, tftp, uboot
from whisper158.board.flash.confirm import NotConfirmed
from whisper158.board.flash.image import load
from whisper158.board.flash.job import Job
from whisper158.board.flash.usb import FlashError
from whisper158.errors import UserError

WRITTEN = (
    "###################################################################\n"
    "WRITE: start to write SYNAIMG//rootfs.subimg.gz to partition sd12\nSOURCE: usbh\n"
    "write image data success!\nCMD_PART: list2emmc success.\ndo_list2emmc: time cost 61000 ms\n"
)
BURN_FAILED = "do_img2sd: [boot.subimg.gz] burn failed\nCMD_PART: img2sd failed\nCMD_PART: list2emmc failed\n"
BOUND = "BOOTP broadcast 1\nDHCP client bound to address 127.0.0.1 (103 ms)\n"
NO_ADDRESS = {"echo ipaddr=${ipaddr}": ["ipaddr=\n", 0]}
ADDRESS = {"echo ipaddr=${ipaddr}": ["ipaddr=127.0.0.1\n", 0]}


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(flash, "WORK", tmp_path / "work")
    return synaimg.make(tmp_path / "eMMCimg", full=True)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Callable[..., str]]:
    with boards() as start_board:

        def start(replies: dict[str, list[Any]], root_id: str = synaimg.ROOT_ID.hex, **plan: Any) -> str:
            programs = tmp_path / "programs"
            facts(programs, "mmcblk0p12", root_id, "0.05")
            plan = {"start": "uboot", "state": str(tmp_path / "typed"), **plan}
            return start_board(path=str(programs), replies=replies, **plan)

        yield start


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """`server(folder)` gives out that folder by TFTP, as far as a first block goes."""
    sockets: list[socket.socket] = []

    def serve(folder: Path) -> None:
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port.bind(("127.0.0.1", 0))
        sockets.append(port)
        monkeypatch.setattr(tftp, "PORT", port.getsockname()[1])

        def answer() -> None:
            while True:
                try:
                    request, client = port.recvfrom(600)
                except OSError:
                    return
                path = folder / request[2:].split(b"\0")[0].decode()
                if path.is_file():
                    port.sendto(struct.pack("!HH", 3, 1) + path.read_bytes()[:512], client)
                else:
                    port.sendto(struct.pack("!HH", 5, 1) + b"File not found\0", client)

        threading.Thread(target=answer, daemon=True).start()

    yield serve
    for port in sockets:
        port.close()


def typed(folder: Path) -> list[str]:
    """U-Boot's commands, without those that only ask how the last one went."""
    return [line for line in (folder / "typed").read_text().splitlines() if "w15''8" not in line]


# ---- a stick


def test_a_stick(image: Path, tmp_path: Path, board: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    port = board({"usb reset": ["1 Storage Device(s) found\n", 0], "usb2emmc SYNAIMG": [WRITTEN, 0, 0.5]})
    flash.flash(Job(image, method="usb-stick", out=str(stick), serial=port, yes=True))
    assert typed(tmp_path) == ["usb reset", "usb2emmc SYNAIMG", "reset"]
    assert (stick / "SYNAIMG" / "emmc_image_list").read_text() == synaimg.image_list()
    said = capsys.readouterr().err
    assert "write SYNAIMG//rootfs.subimg.gz to partition sd12" in said
    assert "Confirmed: its root file system is the image's" in said


def test_the_first_flash_of_a_release(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stick").mkdir()
    flash.flash(Job(image, method="usb-stick", out=str(tmp_path / "stick"), full=True))
    copy = tmp_path / "stick" / "SYNAIMG"
    assert (copy / "emmc_image_list").read_text() == synaimg.image_list(boot=True)
    assert (copy / "preboot.subimg.gz").is_file()
    # Without a serial port the person has to type it.
    assert "=> usb2emmc SYNAIMG" in capsys.readouterr().err


def test_no_stick_in_the_board(image: Path, tmp_path: Path, board: Callable[..., str]) -> None:
    (tmp_path / "stick").mkdir()
    port = board({"usb reset": ["scanning bus for devices... 1 USB Device(s) found\n0 Storage Device(s) found\n", 0]})
    with pytest.raises(FlashError, match="U-Boot sees no USB stick"):
        flash.flash(Job(image, method="usb-stick", out=str(tmp_path / "stick"), serial=port, yes=True))
    assert typed(tmp_path) == ["usb reset"]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ([BURN_FAILED, 1], "burn failed"),
        (["CMD_PART: list2emmc failed\nfail to write image\n", 0], "list2emmc failed"),
        (["** Unable to read file SYNAIMG/emmc_part_list **\n", 0], "Unable to read file"),
        (["fine\n", 0], "does not say that it was a success"),
    ],
)
def test_uboot_fails(image: Path, tmp_path: Path, board: Callable[..., str], reply: list[Any], message: str) -> None:
    (tmp_path / "stick").mkdir()
    port = board({"usb reset": ["", 0], "usb2emmc SYNAIMG": reply})
    with pytest.raises(FlashError, match=f"the board was not flashed: .*{message}"):
        flash.flash(Job(image, method="usb-stick", out=str(tmp_path / "stick"), serial=port, yes=True))
    assert "reset" not in typed(tmp_path)


def test_uboot_lies(image: Path, tmp_path: Path, board: Callable[..., str]) -> None:
    (tmp_path / "stick").mkdir()
    port = board({"usb reset": ["", 0], "usb2emmc SYNAIMG": [WRITTEN, 0]}, root_id="11" * 16)
    with pytest.raises(NotConfirmed, match="the board runs another image"):
        flash.flash(Job(image, method="usb-stick", out=str(tmp_path / "stick"), serial=port, yes=True))


def test_a_copy_takes_the_place_of_an_older_one(image: Path, tmp_path: Path) -> None:
    old = tmp_path / "stick" / "SYNAIMG"
    old.mkdir(parents=True)
    (old / "leftover").touch()
    copies.copy(load(image), tmp_path / "stick", full=False)
    assert sorted(path.name for path in (tmp_path / "stick").iterdir()) == ["SYNAIMG"]
    assert not (old / "leftover").exists()
    assert (old / "key.subimg.gz").read_bytes() == (image / "key.subimg.gz").read_bytes()


def test_a_copy_that_breaks_off_leaves_the_older_one(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "stick" / "SYNAIMG"
    old.mkdir(parents=True)
    (old / "older").touch()

    def broken(source: Path, target: Path) -> None:
        raise OSError(5, "Input/output error", str(target))

    monkeypatch.setattr(copies, "copy_file", broken)
    with pytest.raises(OSError):
        copies.copy(load(image), tmp_path / "stick", full=False)
    assert [path.name for path in (tmp_path / "stick").iterdir()] == ["SYNAIMG"]
    assert (old / "older").exists()


def test_sticks_that_do_not_do(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(image)
    with pytest.raises(UserError, match="there is no folder"):
        copies.copy(found, tmp_path / "nothing", full=False)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sdb1 {tmp_path}/my\\040stick ext4 rw 0 0\n/dev/sdc1 {tmp_path}/other vfat rw 0 0\n")
    with pytest.raises(UserError, match="has the file system ext4; U-Boot reads FAT32 only"):
        copies.check_stick(tmp_path / "my stick", mounts)
    copies.check_stick(tmp_path / "other", mounts)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(UserError, match=r"has 0\.0 MB free"):
        copies.copy(found, tmp_path, full=False)
    plain = load(synaimg.make(tmp_path / "SYNAIMG"))
    with pytest.raises(UserError, match="has no emmc_image_list_full"):
        copies.contents(plain, full=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="is the image itself"):
        copies.copy(plain, tmp_path, full=False)


# ---- TFTP


def test_tftp(image: Path, tmp_path: Path, board: Callable[..., str], server: Callable[[Path], None]) -> None:
    root = tmp_path / "tftp"
    root.mkdir()
    server(root)
    port = board({"net_init": ["", 0], "dhcp": [BOUND, 0], "tftp2emmc SYNAIMG": [WRITTEN, 0], **ADDRESS})
    flash.flash(Job(image, method="tftp", tftp_root=root, serial=port, yes=True))
    setting = ["setenv autoload no", "dhcp", "echo ipaddr=${ipaddr}", "setenv serverip 127.0.0.1"]
    assert typed(tmp_path) == ["net_init", *setting, "tftp2emmc SYNAIMG", "reset"]


def test_tftp_with_the_uboot_of_the_spi_flash(
    image: Path, tmp_path: Path, board: Callable[..., str], server: Callable[[Path], None]
) -> None:
    """It has no net_init, and has asked for an address before."""
    root = tmp_path / "tftp"
    root.mkdir()
    server(root)
    port = board({**ADDRESS, "tftp2emmc SYNAIMG": [WRITTEN, 0]})
    flash.flash(Job(image, method="tftp", tftp_root=root, serial=port, yes=True))
    assert typed(tmp_path)[1:] == ["echo ipaddr=${ipaddr}", "setenv serverip 127.0.0.1", "tftp2emmc SYNAIMG", "reset"]


@pytest.mark.parametrize(
    ("served", "message"),
    [("nothing", "does not give out SYNAIMG/emmc_image_list: File not found"), ("other", "gives out another SYNAIMG")],
)
def test_a_server_of_something_else(
    image: Path, tmp_path: Path, board: Callable[..., str], server: Callable[[Path], None], served: str, message: str
) -> None:
    for name in ("tftp", "nothing", "other/SYNAIMG"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("emmc_image_list", "emmc_part_list"):
        (tmp_path / "other" / "SYNAIMG" / name).write_text("older")
    server(tmp_path / served)
    port = board({"net_init": ["", 0], "dhcp": [BOUND, 0], **ADDRESS})
    with pytest.raises(UserError, match=message):
        flash.flash(Job(image, method="tftp", tftp_root=tmp_path / "tftp", serial=port, yes=True))
    assert not any("2emmc" in line for line in typed(tmp_path))


def test_no_server(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tftp, "PATIENCE", 0.1)
    monkeypatch.setattr(tftp, "PORT", 1)
    with pytest.raises(UserError, match=r"no TFTP server answers at 127\.0\.0\.1"):
        tftp.check("127.0.0.1", image)


def test_no_dhcp(image: Path, tmp_path: Path, board: Callable[..., str]) -> None:
    (tmp_path / "tftp").mkdir()
    port = board(
        {"net_init": ["", 0], "dhcp": ["BOOTP broadcast 1\nRetry time exceeded; starting again\n", 1], **NO_ADDRESS}
    )
    with pytest.raises(UserError, match="got no address from a DHCP server; it said\\n  BOOTP broadcast 1"):
        flash.flash(Job(image, method="tftp", tftp_root=tmp_path / "tftp", serial=port, yes=True))


# ---- the prompt


def test_the_person_resets_a_board_that_runs(
    image: Path, tmp_path: Path, board: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stick").mkdir()
    port = board({"usb reset": ["", 0], "usb2emmc SYNAIMG": [WRITTEN, 0]}, start="countdown", reset_at=" ")
    flash.flash(Job(image, method="usb-stick", out=str(tmp_path / "stick"), serial=port, yes=True))
    assert "Press RESET now" in capsys.readouterr().err


def test_nobody_resets_it(
    image: Path, tmp_path: Path, board: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stick").mkdir()
    monkeypatch.setattr(uboot, "CATCHING", 1.0)
    port = board({}, start="silent")
    with pytest.raises(UserError, match="U-Boot's prompt did not appear within 1 s"):
        flash.flash(Job(image, method="usb-stick", out=str(tmp_path / "stick"), serial=port, yes=True))


@pytest.mark.parametrize("method", ["tftp", "usb-stick"])
def test_dry_run(image: Path, tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "target"
    target.mkdir()
    job = Job(image, method=method, out=str(target), tftp_root=target, server="192.168.1.10", dry_run=True)
    flash.flash(job)
    said = capsys.readouterr().err
    assert f"Would do: cp {image / 'rootfs.subimg.gz'} {target / 'SYNAIMG' / 'rootfs.subimg.gz'}" in said
    expected = "setenv serverip 192.168.1.10" if method == "tftp" else "usb2emmc SYNAIMG"
    assert f"Would type at U-Boot's prompt: {expected}" in said
    assert "Nothing would confirm it" in said
    assert not list(target.iterdir())
