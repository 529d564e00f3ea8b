# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The flags of `./inv flash`, and the rules for udev."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import synaimg

from whisper158.board.flash import udev
from whisper158.board.flash.job import Job, job
from whisper158.build import kas
from whisper158.errors import UserError
from whisper158.paths import ROOT


def inv(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "whisper158", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)


WORDS = [
    "image",
    "serial",
    "password_file",
    "tool",
    "boot_images",
    "port",
    "wait",
    "disk",
    "out",
    "server",
    "tftp_root",
]


def flags(**given: Any) -> Job:
    words = dict.fromkeys(WORDS, "")
    return job(**{"method": "usb", **words, "full": False, "yes": False, "dry_run": False, **given})


def test_a_dry_run_from_the_command_line(tmp_path: Path) -> None:
    image = synaimg.make(tmp_path / "SYNAIMG")
    tool = synaimg.make_tool(tmp_path / "usb-tool")
    done = inv("flash", f"--image={image}", f"--tool={tool / 'bin' / 'linux' / 'x86_64' / 'astra-update'}", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "all of them are whole and fit" in done.stderr
    assert f"-f {image} --chip sl1680 --board rdk -S" in done.stderr
    assert done.stdout == ""


def test_a_bad_image_from_the_command_line(tmp_path: Path) -> None:
    image = synaimg.make(tmp_path / "SYNAIMG")
    (image / "boot.subimg.gz").unlink()
    done = inv("flash", f"--image={image}", "--dry-run")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"inv: {image} cannot be flashed: boot.subimg.gz is missing"
    assert "Traceback" not in done.stderr


def test_the_image_is_the_one_that_was_built() -> None:
    assert flags().image == kas.folders("sl1680").images("sl1680") / "SYNAIMG"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "floppy"}, "--method floppy is none of usb, sd"),
        ({"disk": "/dev/sdb"}, "--disk says nothing to --method usb"),
        ({"method": "sd", "tool": "x"}, "--tool says nothing to --method sd"),
        ({"tftp_root": "/srv"}, "--tftp-root says nothing to --method usb"),
        ({"full": True}, "--full says nothing to --method usb"),
        ({"wait": "soon"}, "--wait soon is not a number"),
        ({"wait": "0"}, "--wait 0 is not a number"),
        ({"wait": "nan"}, "--wait nan is not a number"),
        ({"method": "tftp", "server": "my-server"}, "--server my-server: U-Boot wants an address"),
        ({"port": "1-2; rm"}, "--port 1-2; rm: it is where a board is plugged in"),
        ({"port": "usb1"}, "--port usb1: it is where a board is plugged in"),
    ],
)
def test_flags_that_do_not_fit(given: dict[str, str | bool], message: str) -> None:
    with pytest.raises(UserError, match=message):
        flags(**given)


def test_flags_that_fit() -> None:
    asked = flags(method="usb", port="1-2,3-1.4", wait="20", serial="/dev/tty", yes=True)
    assert (asked.port, asked.wait, asked.serial, asked.yes) == ("1-2,3-1.4", 20.0, "/dev/tty", True)


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a secret \nand a note\n")
    assert flags(serial="/dev/tty", password_file=str(file)).password == "a secret "
    assert flags().password is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "cannot be read: it is not text"),
    ],
)
def test_files_without_a_password(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=f"--password-file {file}.* {message}"):
        flags(serial="/dev/tty", password_file=str(file))
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        flags(serial="/dev/tty", password_file=str(tmp_path))


def test_without_a_terminal_no_password_can_be_asked_for() -> None:
    done = inv("flash", "--serial", "/dev/null", "--password-file", "-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("inv: --password-file - asks for the password, and there is no terminal\n")


def test_rules_are_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(udev, "run", told.append)
    rules = tmp_path / "rules.d" / "60.rules"
    udev.install(rules, dry_run=True)
    assert not rules.exists()
    assert "Would write" in capsys.readouterr().err
    udev.install(rules)
    said = capsys.readouterr().err
    assert all(line in said for line in rules.read_text().splitlines())
    assert 'ATTRS{idVendor}=="06cb", ATTRS{idProduct}=="00b1", MODE="0666"' in rules.read_text()
    assert [command[1] for command in told] == ["control", "trigger"]
    udev.install(rules)
    assert "is as it should be" in capsys.readouterr().err
    assert len(told) == 2
    rules.write_text("something older")
    udev.install(rules)
    assert rules.read_text() == udev.CONTENT
    assert [path.name for path in rules.parent.iterdir()] == ["60.rules"]
