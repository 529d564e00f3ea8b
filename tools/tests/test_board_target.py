# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A machine that is reached over its console alone, played by a shell here; and what somebody typed to name one."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from whisper158.board import ontarget, soundcard
from whisper158.board.console import Console
from whisper158.board.emulated import QemuBench
from whisper158.board.machine import MACHINES, SL1680, find
from whisper158.board.open import bench
from whisper158.board.options import Options
from whisper158.board.physical import address
from whisper158.board.service import Service
from whisper158.board.target import ConsoleLines, Failed, Target, Wires
from whisper158.board.voice import voice
from whisper158.errors import UserError
from whisper158.paths import GOLDEN, ROOT


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PS1": "# ",
        "TERM": "dumb",
        "HOME": str(tmp_path),
    }
    shell = pexpect.spawn("/bin/sh", ["-i"], env=environment, cwd=str(tmp_path), timeout=60)
    with Console(shell, log=tmp_path / "console.log") as console:
        yield Target(
            SL1680,
            bench(SL1680, Options(serial="/dev/null", audio="cue", model="nothing.w158"), tmp_path),
            Wires(console, None),
        )


@pytest.fixture(autouse=True)
def no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a board should run is not the matter here."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(GOLDEN, "nothing.w158")


def program(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_commands_and_what_came_of_them_are_kept(target: Target) -> None:
    assert target.run("echo out; exit 3") == (3, "out")
    with pytest.raises(Failed, match="'false' failed on the machine with status 1"):
        target.check("false")
    assert [(done.command, done.status, done.output) for done in target.exchanges] == [
        ("echo out; exit 3", 3, "out"),
        ("false", 1, ""),
    ]


@pytest.mark.parametrize("decodes", [True, False])
def test_a_file_goes_over_the_console(target: Target, tmp_path: Path, decodes: bool) -> None:
    content = bytes(range(256)) * 60 + b"\0"
    if not decodes:
        # As in OpenEmbedded's BusyBox.
        folder = tmp_path / "only"
        folder.mkdir()
        for name in ("awk", "sh", "rm", "mv"):
            (folder / name).symlink_to(str(shutil.which(name)))
        target.console.login()
        target.console.send_line(f"PATH={folder}")
        assert target.run("command -v base64")[0] != 0
    target.put(content, str(tmp_path / "a file"))
    assert (tmp_path / "a file").read_bytes() == content
    assert not list(tmp_path.glob("*.draft*"))


def test_lines_of_a_program_that_goes_on(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whisper158.board.target.CONSOLE_LOOK", 0.05)
    monkeypatch.setattr(ConsoleLines, "FOLDER", str(tmp_path))
    program(tmp_path, "talk", "echo one; sleep 1; echo two")
    stream = target.stream("talk")
    deadline = time.monotonic() + 30
    assert [stream.next(deadline) for _ in range(3)] == ["one", "two", None]
    stream.close()
    assert not list(tmp_path.glob("whisper158-lines*"))


def test_the_service_says_when_it_listens(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whisper158.board.target.CONSOLE_LOOK", 0.05)
    monkeypatch.setattr(ConsoleLines, "FOLDER", str(tmp_path))
    hello = {"event": "hello", "version": "1", "model": "m"}
    states = [{"event": "state", "state": state} for state in ("waiting", "open")]
    lines = "\n".join(f"echo '{json.dumps(event)}'; sleep 0.2" for event in [hello, *states])
    program(tmp_path, "whisper158", f"echo 'whisper158: noise' >&2\n{lines}\nsleep 60")
    assert Service(target).wait_listening(30) == hello


def test_a_service_that_waits_for_a_microphone_does_not_listen(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whisper158.board.target.CONSOLE_LOOK", 0.05)
    monkeypatch.setattr(ConsoleLines, "FOLDER", str(tmp_path))
    program(tmp_path, "whisper158", """echo '{"event":"state","state":"waiting"}'; sleep 60""")
    program(tmp_path, "journalctl", "echo 'no microphone'")
    with pytest.raises(Failed, match="does not listen") as caught:
        Service(target).wait_listening(1)
    assert "no microphone" in str(caught.value)


def test_systemd_starting_it_again_is_waited_for(target: Target, tmp_path: Path) -> None:
    program(tmp_path, "systemctl", "n=$(cat count); echo NRestarts=$n; echo $((n + 1)) > count")
    program(tmp_path, "journalctl", "echo journal")
    (tmp_path / "count").write_text("1")
    Service(target).wait_restarted(1, 30)
    assert (tmp_path / "count").read_text().strip() == "3"
    with pytest.raises(Failed, match=r"did not start .* again"):
        Service(target).wait_restarted(100, 0)


@pytest.mark.parametrize(
    ("bus", "device", "expected"),
    [
        ("usb", "usb1/1-1/1-1:1.0", soundcard.Card("usb", "usb1/1-1")),
        ("pci", "pci/0000:00:02.0", soundcard.Card("pci", "pci/0000:00:02.0")),
        ("platform", "soc/dmic", None),
    ],
)
def test_cards_that_can_be_unplugged(
    target: Target, tmp_path: Path, bus: str, device: str, expected: soundcard.Card | None
) -> None:
    """Folders in place of /sys and /proc: a card that only plays, then one that records."""
    (tmp_path / "bus" / bus).mkdir(parents=True)
    for number, stream in enumerate(("pcm0p", "pcm0c")):
        (tmp_path / "proc" / f"card{number}" / stream).mkdir(parents=True)
        (tmp_path / "class" / f"card{number}").mkdir(parents=True)
    (tmp_path / device).mkdir(parents=True)
    (tmp_path / device / "subsystem").symlink_to(tmp_path / "bus" / bus)
    (tmp_path / "class" / "card1" / "device").symlink_to(tmp_path / device)
    found = soundcard.find(target, str(tmp_path / "class"), str(tmp_path / "proc"))
    assert found == (expected and soundcard.Card(expected.bus, str(tmp_path / expected.device)))


def test_each_machine_has_a_name_and_limits() -> None:
    for name, machine in MACHINES.items():
        assert find(name) is machine and machine.lacks and machine.budget.boot > 0
    with pytest.raises(UserError, match="there is no machine 'toaster'"):
        find("toaster")


@pytest.mark.parametrize(
    ("machine", "options", "complaint"),
    [
        ("sl1680", Options(model="nothing.w158"), "needs a way to be reached"),
        ("sl1680", Options(image="/tmp"), "--image is not for sl1680"),
        ("emulator", Options(serial="/dev/ttyUSB0"), "--serial is not for emulator"),
        ("emulator", Options(power_command="switch"), "--power-command is not for emulator"),
        ("emulator", Options(image="/nowhere"), "--image /nowhere: there is no such folder"),
        ("qemuarm64", Options(image="/nowhere"), "--image /nowhere: there is no such folder"),
        (
            "sl1680",
            Options(serial="/dev/null", model="nothing.w158", audio="shout"),
            "'shout' is no way to be heard",
        ),
        ("emulator", Options(image="/dev"), "/dev is no image for the emulator"),
        ("qemuarm64", Options(image="/dev"), "/dev has no image for qemuarm64"),
        ("sl1680", Options(serial="/dev/null", model="absent.w158"), "there is no model file absent.w158"),
        ("sl1680", Options(host="board:ssh", model="nothing.w158"), "--host: the port ssh is not a whole number"),
        (
            "sl1680",
            Options(host="board", identity="/nowhere", model="nothing.w158"),
            "--identity /nowhere: there is no such file",
        ),
    ],
)
def test_what_does_not_fit_is_said(machine: str, options: Options, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=complaint):
        bench(find(machine), options, tmp_path)


@pytest.mark.parametrize(
    ("images", "taken"),
    [
        (("core-image-minimal", "whisper158-image"), "whisper158-image"),
        (("product",), "product"),
        (("core-image-minimal", "product"), ""),
    ],
)
def test_which_of_the_images_in_a_folder_is_booted(tmp_path: Path, images: tuple[str, ...], taken: str) -> None:
    (tmp_path / "Image").touch()
    for image in images:
        (tmp_path / f"{image}-qemuarm64.rootfs.ext4").touch()
    options = Options(image=str(tmp_path), model="nothing.w158")
    if not taken:
        with pytest.raises(UserError, match=r"has several images: core-image-minimal.*, product"):
            bench(find("qemuarm64"), options, tmp_path)
        return
    machine = bench(find("qemuarm64"), options, tmp_path)
    assert isinstance(machine, QemuBench)
    assert machine.board.image.root.name == f"{taken}-qemuarm64.rootfs.ext4"
    machine.close()


def test_how_a_board_is_connected_decides_what_can_be_done(tmp_path: Path) -> None:
    serial = bench(SL1680, Options(serial="/dev/null", model="nothing.w158"), tmp_path).can
    both = bench(SL1680, Options(serial="/dev/null", host="board", audio="cue", model="nothing.w158"), tmp_path).can
    assert both - serial == {"ssh", "feed_microphone"}
    assert "snapshot" not in both


@pytest.mark.parametrize(
    ("host", "expected"), [("board", ("board", 22)), ("board:2222", ("board", 2222)), ("fe80::1", ("fe80::1", 22))]
)
def test_addresses(host: str, expected: tuple[str, int]) -> None:
    found = address(Options(host=host))
    assert (found.host, found.port, found.user) == (*expected, "root")


def test_a_person_who_is_not_there_is_told_of(target: Target) -> None:
    """Tests have no terminal; a real one would be asked."""
    if os.path.exists("/dev/tty") and os.isatty(0):
        pytest.skip("there is somebody at the terminal")
    from whisper158.evaluate.sounds import Clip

    with pytest.raises(UserError, match="somebody would have to do this"):
        voice("cue")(target, Clip("id", Path("x.wav"), "Hello.", 1.0, "MIT"))


def test_the_suite_is_where_the_verb_looks_for_it() -> None:
    assert (ROOT / ontarget.SUITE / "conftest.py").is_file()
