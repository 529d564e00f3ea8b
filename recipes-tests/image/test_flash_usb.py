# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Flashing over USB, against a program that speaks as astra-update does, and a made-up board behind a serial port."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import synaimg

from tests.fake_board import boards, start_on_port
from whisper158.board.flash import flash as flashing
from whisper158.board.flash import tool, usb
from whisper158.board.flash.confirm import NotConfirmed
from whisper158.board.flash.job import Job
from whisper158.board.flash.usb import FlashError
from whisper158.errors import UserError

SUCCESS = "CMD_PART: list2emmc success.\ndo_list2emmc: time cost 61000 ms\n"
OTHER_ID = "00" * 16


@dataclass
class Bench:
    folder: Path
    image: Path
    tool: Path

    def story(self, name: str) -> None:
        (self.folder / "story").write_text(name)

    def job(self, **flags: Any) -> Job:
        return Job(**{"image": self.image, "tool": str(self.tool), "wait": 20.0, "yes": True, **flags})

    def arguments(self) -> list[str]:
        return list(json.loads((self.folder / "arguments.json").read_text()))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A desk with an image, the tool, and everything that flashing leaves behind in a folder of its own."""
    monkeypatch.setenv("FAKE_ASTRA_FOLDER", str(tmp_path))
    monkeypatch.setattr(flashing, "WORK", tmp_path / "work")
    return Bench(tmp_path, synaimg.make(tmp_path / "SYNAIMG"), synaimg.make_tool(tmp_path / "usb-tool"))


@pytest.fixture
def board(bench: Bench) -> Iterator[Callable[..., str]]:
    """`board(...)` starts a made-up board in USB boot mode, and is its serial port."""
    with boards() as start_board:

        def start(
            root: str = "mmcblk0p12", root_id: str = synaimg.ROOT_ID.hex, uptime: str = "0.05", **plan: Any
        ) -> str:
            programs = bench.folder / "programs"
            facts(programs, root, root_id, uptime)
            plan = {"start": "flashing", "verdict": SUCCESS, "sent": str(bench.folder / "sent"), **plan}
            return start_board(path=str(programs), **plan)

        yield start


def facts(folder: Path, root: str, root_id: str, uptime: str) -> None:
    """Programs that say of the board what the real ones would say of this machine."""
    folder.mkdir()
    octal = "".join(f"\\0{byte:03o}" for byte in bytes.fromhex(root_id))
    said = {
        "mountpoint": "echo 179:12",
        "sed": f'case "$*" in *dev/block*) echo {root};; *) exec /bin/sed "$@";; esac',
        "dd": f"case \"$*\" in *if=/dev/{root}*) printf %b '{octal}';; *) exit 1;; esac",
        "cut": f'case "$*" in *uptime*) echo {uptime};; *) exec /usr/bin/cut "$@";; esac',
        "uname": "echo 6.12.62",
        "stty": ":",
        "dmesg": ":",
    }
    for name, script in said.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


# ---- what the tool does


def test_success_without_a_serial_port_is_not_called_confirmed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.story("success")
    flashing.flash(bench.job())
    words = bench.arguments()
    assert words[words.index("-f") + 1] == str(bench.image)
    assert words[words.index("-B") + 1] == str(bench.tool / "astra-usbboot-images")
    assert words[words.index("--chip") : words.index("--chip") + 4] == ["--chip", "sl1680", "--board", "rdk"]
    assert {"-S", "-T", "-l"} <= set(words)
    assert "--ddr-type" not in words and "-p" not in words
    said = capsys.readouterr().err
    assert "rootfs.subimg.gz was sent" in said
    assert "Nothing has confirmed it" in said
    assert "Confirmed" not in said
    log = next((bench.folder / "work").glob("*-astra-update.log")).read_text()
    assert "Update Complete" in log and "astra-update v2.0.3" in log


def test_the_steps_come_in_order(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.story("success")
    flashing.flash(bench.job())
    said = capsys.readouterr().err
    marks = ["SD_BOOT (JP1) off", "beside the Ethernet socket", "Hold USB_BOOT"]
    assert sorted(marks, key=said.index) == marks


def test_a_port_is_handed_on(bench: Bench) -> None:
    bench.story("success")
    flashing.flash(bench.job(port="1-2"))
    assert bench.arguments()[-2:] == ["-p", "1-2"]


def test_a_folder_whose_name_uboot_would_not_take(bench: Bench) -> None:
    bench.story("success")
    odd = bench.folder / "my image; reset"
    bench.image.rename(odd)
    flashing.flash(bench.job(image=odd))
    words = bench.arguments()
    assert words[words.index("-f") + 1].endswith("/SYNAIMG")


@pytest.mark.parametrize(
    ("story", "message", "hint"),
    [
        ("no-device", "no board in USB boot mode appeared within 1.0 s", "lsusb -d 06cb:00b1"),
        ("wrong-chip", "No boot image found for chip: sl1680", "the boot images have none of the sl1680"),
        ("no-access", "LIBUSB_ERROR_ACCESS", r"./inv flash.udev, or sudo"),
        ("midway", "Device disconnected", "what the tool said is in"),
        ("stuck", "nothing happened for 1.0 s", "what the tool said is in"),
        ("vanishes", "ended with status 0 without completing the update; it said last: Device: device:1-2", ""),
        ("killed", "ended with status -11 without completing the update", ""),
        ("lingers", "no board in USB boot mode appeared", ""),
    ],
)
def test_failures(bench: Bench, story: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb, "STALL", 1.0)
    monkeypatch.setattr(usb, "ENDING", 0.3)
    bench.story(story)
    began = time.monotonic()
    with pytest.raises(FlashError, match="the board was not flashed: .*" + message) as caught:
        flashing.flash(bench.job(wait=1.0 if story in ("no-device", "lingers") else 20.0))
    assert hint.replace("\\", "") in str(caught.value)
    assert time.monotonic() - began < 30
    assert not processes(bench.tool)


def processes(folder: Path) -> list[str]:
    """What still runs of a folder's programs."""
    # ps would cut the lines off where it takes a terminal to end.
    found = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(folder) in line]


def test_a_second_attempt_of_the_person(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.story("second-try")
    flashing.flash(bench.job())
    assert "Once more: hold USB_BOOT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("story", "shown", "message"),
    [
        ("no-device", "astra-update waits for the board", "before a board was found; nothing was written"),
        ("stuck", "gen3_uboot.bin.usb was sent", "has got a part of the image only"),
    ],
)
def test_an_interrupt_ends_the_tool_too(bench: Bench, story: str, shown: str, message: str) -> None:
    bench.story(story)
    words = [
        sys.executable,
        "-m",
        "whisper158",
        "flash",
        "--image",
        str(bench.image),
        "--tool",
        str(bench.tool),
        "--yes",
    ]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stderr
        while shown not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "inv: interrupted" in said and message in said
    assert "Traceback" not in said
    assert not processes(bench.tool)


def test_what_the_tool_said_before_an_interrupt_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.story("stuck")
    end = time.monotonic() + 3

    def idle() -> None:
        if time.monotonic() > end:
            raise KeyboardInterrupt

    monkeypatch.setattr(flashing, "idle", lambda watched: idle)
    with pytest.raises(FlashError, match="interrupted: the board has got a part of the image only"):
        flashing.flash(bench.job())
    (log,) = (bench.folder / "work").glob("*-astra-update.log")
    assert "Updating Device: device:1-2" in log.read_text() and "astra-update v2.0.3" in log.read_text()


def test_a_second_interrupt_does_not_leave_the_tool_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; print(flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, start_new_session=True, text=True)
    assert process.stdout and process.stdout.readline()
    real, patience = process.wait, list[float | None]()

    def impatient(timeout: float | None = None) -> int:
        patience.append(timeout)
        if timeout is not None:
            raise KeyboardInterrupt
        return real()

    monkeypatch.setattr(process, "wait", impatient)
    try:
        assert usb.end(process) == -signal.SIGKILL
        assert patience[:2] == [5.0, 2.0]
    finally:
        process.kill()
        real()
        process.stdout.close()


def test_the_tool_does_not_outlive_who_has_started_it(bench: Bench) -> None:
    bench.story("stuck")
    words = [sys.executable, "-m", "whisper158", "flash", "--image", str(bench.image), "--tool", str(bench.tool)]
    with subprocess.Popen([*words, "--yes"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stderr
        while "gen3_uboot.bin.usb was sent" not in process.stderr.readline():
            assert process.poll() is None
        process.kill()
    end = time.monotonic() + 20
    while left := [line for line in processes(bench.tool) if "whisper158 flash" not in line]:
        assert time.monotonic() < end, left
        time.sleep(0.2)


# ---- what the board says


def test_confirmed_by_the_board(bench: Bench, board: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    bench.story("success")
    flashing.flash(bench.job(serial=board()))
    said = capsys.readouterr().err
    assert "Linux 6.12.62, from mmcblk0p12" in said
    assert f"Confirmed: its root file system is the image's ({synaimg.ROOT_ID})" in said
    log = next((bench.folder / "work").glob("*-console.log")).read_text()
    assert "list2emmc success" in log


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [
        ({"root_id": OTHER_ID}, NotConfirmed, "the board runs another image"),
        ({"root": "mmcblk1p12"}, NotConfirmed, "has booted from mmcblk1p12, not from mmcblk0"),
        ({"uptime": "86400.0"}, NotConfirmed, "has been running for 86400 s, so it did not boot what was written"),
        ({"boots": "panic"}, NotConfirmed, "did not come up: the kernel has crashed: .*Unable to mount root fs"),
        ({"verdict": "do_img2sd: [boot.subimg.gz] burn failed\n"}, FlashError, "U-Boot says 'burn failed'"),
        ({"password": "secret"}, NotConfirmed, "came up, but the console wants a password for root"),
        ({"password": "x", "mounts": "1" * 8 + "-1111" * 3 + "-" + "1" * 12}, NotConfirmed, "it mounted mmcblk0p12"),
    ],
)
def test_the_tool_lies(
    bench: Bench, board: Callable[..., str], plan: dict[str, Any], error: type[UserError], message: str
) -> None:
    bench.story("lie")
    with pytest.raises(error) as caught:
        flashing.flash(bench.job(serial=board(**plan)))
    assert re.search(message, str(caught.value))


def test_a_product_lets_nobody_in(bench: Bench, board: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    bench.story("success")
    flashing.flash(bench.job(serial=board(password="unknown to all", mounts=str(synaimg.ROOT_ID))))
    assert "Confirmed by the kernel's own message" in capsys.readouterr().err


def test_a_board_that_says_nothing(bench: Bench, board: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from whisper158.board.flash import confirm

    monkeypatch.setattr(confirm, "BOOT", 2.0)
    monkeypatch.setattr(flashing, "FINISHING", 0.5)
    bench.story("lie")
    with pytest.raises(NotConfirmed, match="the board did not come up: the console shows no prompt"):
        flashing.flash(bench.job(serial=board(start="silent")))


def test_what_befalls_the_console_does_not_stop_the_writing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody pulls the adapter while the tool is at work."""
    monkeypatch.setenv("FAKE_ASTRA_DELAY", "2")
    bench.story("success")
    process, port = start_on_port(start="silent")

    def pull() -> None:
        while not (bench.folder / "arguments.json").exists():
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)

    threading.Thread(target=pull, daemon=True).start()
    with pytest.raises(NotConfirmed, match="closed by the other end"):
        flashing.flash(bench.job(serial=port))
    process.wait()
    assert (bench.folder / "sent").exists()


def test_only_checking(bench: Bench, board: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    flashing.flash(bench.job(method="check", serial=board(start="login", uptime="86400.0")))
    assert "Confirmed" in capsys.readouterr().err
    assert not (bench.folder / "arguments.json").exists()


# ---- before anything is touched


def test_a_bad_image_never_reaches_the_tool(bench: Bench) -> None:
    bench.story("success")
    (bench.image / "boot.subimg.gz").write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be flashed"):
        flashing.flash(bench.job())
    assert not (bench.folder / "arguments.json").exists()


def test_dry_run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    flashing.flash(bench.job(dry_run=True, serial="/dev/ttyUSB9"))
    said = capsys.readouterr().err
    assert f"-f {bench.image} --chip sl1680 --board rdk -S" in said
    assert "Hold USB_BOOT" in said
    assert "Would log in as root over /dev/ttyUSB9" in said
    assert not (bench.folder / "arguments.json").exists()
    assert not (bench.folder / "work").exists()


def test_where_the_tool_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv(tool.PROGRAM_VARIABLE, raising=False)
    monkeypatch.delenv(tool.BOOT_IMAGES_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="astra-update, which writes to the board over USB, was not found"):
        tool.find()
    home = synaimg.make_tool(tmp_path / "Downloads" / "usb-tool")
    program = home / "bin" / "linux" / "x86_64" / "astra-update"
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert tool.find() == tool.Tool(program, home / "astra-usbboot-images")
    other = synaimg.make_tool(tmp_path / "other")
    monkeypatch.setenv(tool.PROGRAM_VARIABLE, str(other))
    assert tool.find().program.is_relative_to(other)
    assert tool.find(str(program)).program == program
    monkeypatch.setenv(tool.BOOT_IMAGES_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"there are no boot images of the sl1680 in .*nowhere"):
        tool.find()
    assert tool.find(boot_images=str(other / "astra-usbboot-images")).boot_images == other / "astra-usbboot-images"
    program.chmod(stat.S_IRUSR)
    with pytest.raises(UserError, match="is not astra-update"):
        tool.find(str(tmp_path / "Downloads"))
