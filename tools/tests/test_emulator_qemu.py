# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The life of an emulated machine, with a stand-in for QEMU: how it starts, fails, ends, and never outlives us."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.alive import ends, is_alive
from whisper158 import needs
from whisper158.board import state
from whisper158.board.emulate import Job, job
from whisper158.board.monitor import Monitor, MonitorError
from whisper158.board.qemu import PORTS, Emulator, EmulatorError, Hardware, forwarded
from whisper158.board.signs import Facing
from whisper158.build.sysroot import EMULATED_CPU
from whisper158.errors import UserError

FAKE = Path(__file__).with_name("fake_qemu.py")


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    needs.debian("emulator")
    monkeypatch.setenv("FAKE_PID", str(tmp_path / "pid"))
    image = tmp_path / "image"
    image.mkdir()
    with (image / "rootfs.ext4").open("wb") as file:
        file.truncate(1 << 20)
    return Emulator(image, folder=tmp_path / "board", hardware=Hardware(qemu=str(FAKE)))


def test_a_machine_from_power_to_power_cut(board: Emulator) -> None:
    with board:
        board.power_on()
        pid = board.pid
        assert board.is_on and is_alive(pid)
        assert board.console.find_out() is Facing.LOGIN
        assert {name: board.port(name) for name in PORTS} == {"ssh": 33941, "wyoming": 40217}
        with pytest.raises(UserError, match="is on already"):
            board.power_on()
        with pytest.raises(MonitorError, match="refused system_reset: there is no such button"):
            board.monitor.execute("system_reset")
        board.power_cut()
        assert not board.is_on and not is_alive(pid)
        assert board.disk.exists() and "login:" in board.console_log.read_text()
        # The disk is what it was.
        board.power_on()
        assert board.pid != pid
    assert not board.is_on


def test_what_a_machine_that_is_off_has_not(board: Emulator) -> None:
    with board:
        for attribute in ("console", "monitor", "pid"):
            with pytest.raises(UserError, match="off"):
                getattr(board, attribute)
        board.power_cut()


@pytest.mark.parametrize("qemu", ["/bin/false", "/nonexistent/qemu", "/bin/true"])
def test_a_qemu_that_does_not_start_leaves_nothing(board: Emulator, qemu: str) -> None:
    broken = Emulator(board.image.root.parent, folder=board.folder, hardware=Hardware(qemu=qemu))
    with broken, pytest.raises(EmulatorError, match="QEMU did not start"):
        broken.power_on()
    assert not broken.is_on


def test_it_does_not_outlive_who_started_it(board: Emulator, tmp_path: Path) -> None:
    program = f"""
        import time
        from pathlib import Path
        from whisper158.board.qemu import Emulator, Hardware
        image, folder = Path({str(board.image.root.parent)!r}), Path({str(board.folder)!r})
        board = Emulator(image, folder=folder, hardware=Hardware(qemu={str(FAKE)!r}))
        board.power_on()
        print("on", flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as starter:
        assert starter.stdout is not None and starter.stdout.readline() == "on\n"
        pid = int((tmp_path / "pid").read_text())
        assert is_alive(pid)
        starter.send_signal(signal.SIGKILL)
    assert ends(pid)


def test_a_state_fits_one_machine_only(board: Emulator) -> None:
    def key(**hardware: int) -> str:
        with Emulator(board.image, hardware=Hardware(qemu=str(FAKE), **hardware)) as machine:
            return state.name(machine)

    assert key() == key()
    assert len({key(), key(processors=1), key(memory=1024)}) == 3


def test_ports_are_found_in_what_qemu_prints() -> None:
    forward = "  TCP[HOST_FORWARD]  17  127.0.0.1 2222   10.0.2.15  22  0  0\r\n"
    table = f"{forward}  UDP[236 sec] 18 10.0.2.15 22 1.2.3.4 22 0 0\r\n"
    assert forwarded(table, 22) == 2222
    with pytest.raises(UserError, match="forwards no port of the host's to the guest's 222"):
        forwarded(table, 222)


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        (b"", "it closed its monitor"),
        (b"hello\n", "not JSON: 'hello"),
        (b"[1]\n", "not JSON"),
        (b'{"QMP": {}}\n{"error": {}}\n', "refused qmp_capabilities: no reason given"),
    ],
)
def test_a_monitor_that_is_none(says: bytes, complaint: str) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(says)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(MonitorError, match=complaint):
            Monitor(ours)
    assert ours.fileno() == -1


def asked(**changes: str) -> Job:
    flags = {"model": "tiny.en-q8", "text": "", "file": "", "ssh": "0", "wyoming": "0", "qemu": ""}
    return job(snapshot=False, **{**flags, **changes})


def test_what_emulate_is_asked(tmp_path: Path) -> None:
    assert asked(ssh="2222").ports == {"ssh": 2222, "wyoming": 0}
    qemu, other = tmp_path / "qemu", tmp_path / "other"
    for program, says in ((qemu, EMULATED_CPU), (other, "no processor of ours")):
        program.write_text(f"#!/bin/sh\necho {says}\n")
        program.chmod(0o755)
    assert asked(qemu=str(qemu)).hardware.qemu == str(qemu)
    for flags, complaint in (
        ({"text": "a", "file": "b"}, "--say and --play both want the microphone"),
        ({"ssh": "65536"}, "--ssh: the port 65536 is not a whole number"),
        ({"wyoming": "-1"}, "--wyoming: the port -1 is not a whole number"),
        ({"qemu": str(other)}, f"--qemu {other} is no QEMU that emulates a {EMULATED_CPU}"),
        ({"file": str(tmp_path / "none.wav")}, "cannot read the sound file"),
    ):
        with pytest.raises(UserError, match=complaint):
            asked(**flags)
