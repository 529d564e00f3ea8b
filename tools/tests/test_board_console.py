# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The console: against real shells on a pty, and a made-up board that is slow, noisy, lossy, or dies."""

import os
import pty
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_board import spawn
from whisper158.board import console as consoles
from whisper158.board import frame
from whisper158.board.console import (
    Closed,
    CommandFailed,
    Console,
    ConsoleError,
    KernelCrash,
    LoginRefused,
    Restarted,
    Timeout,
)
from whisper158.board.frame import encode
from whisper158.board.serial import open_console
from whisper158.board.signs import Facing
from whisper158.board.terminal import Plain
from whisper158.errors import UserError

pexpect = pytest.importorskip("pexpect", reason="needs the board group: ./inv install board")

SHELLS = [
    pytest.param(shell, id=shell[-1] if len(shell) == 1 else shell[1].strip("-") or shell[0])
    for shell in (["bash", "--norc", "-i"], ["dash"], ["busybox", "sh"])
    if shutil.which(shell[0])
]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Callable[..., Console]]:
    """`board(start="uboot", ...)` is a console at a made-up board."""
    opened: list[Console] = []

    def open_board(**plan: Any) -> Console:
        console = Console(spawn(**plan), log=tmp_path / "console.log")
        opened.append(console)
        return console

    yield open_board
    for console in opened:
        console.close()


# ---- commands


@pytest.mark.parametrize("shell", SHELLS)
def test_runs_commands(board: Callable[..., Console], shell: list[str]) -> None:
    console = board(start="shell", shell=shell)
    assert console.run("echo hello") == (0, "hello")
    assert console.run("printf 'a\\nb'; exit 37") == (37, "a\nb")
    assert console.run("echo out; echo err >&2; false") == (1, "out\nerr")
    assert console.run("true") == (0, "")
    # None of these may reach the shell that reads them, or end it.
    assert console.run("if") != (0, "")
    assert console.run("cat; echo \"it's $((1 + 1))!! \\\\ %s %d\" '$HOME'") == (0, "it's 2!! \\ %s %d $HOME")
    assert console.run("kill -9 $$").status == 128 + 9
    assert console.run('for i in 1 2\ndo\techo "$i"\ndone\n\n') == (0, "1\n2")
    assert console.run("echo 'grün 🎤'") == (0, "grün 🎤")
    assert console.run("tput setaf 1; printf '\\033[31mred\\033[0m\\r\\n'").output.endswith("red")
    assert console.run("echo $TERM $PAGER") == (0, "dumb cat")


@pytest.mark.parametrize("shell", SHELLS)
def test_long_commands_and_outputs_arrive_whole(board: Callable[..., Console], shell: list[str]) -> None:
    console = board(start="shell", shell=shell)
    text = "".join(chr(ord("a") + i % 26) for i in range(9000))
    assert console.run(f"printf %s {text} | cksum; printf %s {text}").output.endswith(text)
    status, output = console.run("seq 20000")
    assert status == 0
    assert output.split("\n") == [str(i) for i in range(1, 20001)]


def test_a_status_can_be_demanded(board: Callable[..., Console]) -> None:
    console = board(start="shell")
    assert console.check("echo fine") == "fine"
    with pytest.raises(CommandFailed, match=r"'echo broken; exit 3' failed on the board with status 3") as caught:
        console.check("echo broken; exit 3")
    assert caught.value.said == "broken"


def test_what_takes_too_long_is_interrupted(board: Callable[..., Console]) -> None:
    console = board(start="shell")
    with pytest.raises(Timeout, match=r"'sleep 600' did not end within 1 s"):
        console.run("sleep 600", timeout=1)
    assert console.run("echo still here") == (0, "still here")


def test_a_second_console_finds_the_shell_of_the_first(
    board: Callable[..., Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consoles, "QUIET", 0.3)
    console = board(start="shell", ps1="")
    console.run("true")
    second = Console(console.stream)
    assert second.run("echo again") == (0, "again")


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_encoded_commands_are_harmless(text: str) -> None:
    encoded = encode(text)
    assert re.fullmatch(r"[ -~]*", encoded)
    assert not set(encoded) & set("'!\t")
    decoded = re.sub(rb"\\0(\d{3})", lambda m: bytes([int(m[1], 8)]), encoded.encode())
    assert decoded.decode() == text


# ---- noise


def test_a_slow_board_that_answers_in_pieces(board: Callable[..., Console]) -> None:
    console = board(start="kernel", piece=3, delay=0.01, password="secret", thinks=2.5)
    console.password = "secret"
    console.login(timeout=60)
    assert console.run("echo hello") == (0, "hello")


@pytest.mark.parametrize("every", [0.02, 0.3])
def test_kernel_messages_in_between(
    board: Callable[..., Console], every: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consoles, "QUIET", 0.5)
    noise = "[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci-hcd\r\n"
    console = board(start="shell", noise=noise, every=every)
    for number in range(5):
        status, output = console.run(f"echo a{number}; sleep 0.05; exit {number}")
        assert status == number
        assert f"a{number}" in output.replace(noise.replace("\r", ""), "")


def test_a_mark_that_a_message_breaks_is_asked_for_again(
    board: Callable[..., Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = board(start="shell")
    console.login()
    monkeypatch.setattr(consoles, "ASK_AGAIN", 0.3)
    feed = console.plain.feed
    broken = 0

    def breaking(data: bytes) -> str:
        nonlocal broken
        text = feed(data)
        if broken == 0 and (match := re.search(r"w158-\w+-0-7", text)):
            broken = 1
            return text[: match.end() - 4] + "[ 1.0] noise\n" + text[match.end() - 4 :]
        return text

    monkeypatch.setattr(console.plain, "feed", breaking)
    assert console.run("echo text; exit 7") == (7, "text")
    assert broken == 1


def test_lost_characters_are_noticed_and_sent_again(board: Callable[..., Console]) -> None:
    console = board(start="shell", lose=1)
    text = "x" * 700
    assert console.run(f"printf %s {text}") == (0, text)


def test_a_line_that_always_loses_is_given_up(board: Callable[..., Console], monkeypatch: pytest.MonkeyPatch) -> None:
    console = board(start="shell")
    console.login()
    monkeypatch.setattr(frame, "load", lambda encoded: ["w158="])
    with pytest.raises(ConsoleError, match="loses characters"):
        console.run("echo hello")


# ---- where are we


def test_logs_in(board: Callable[..., Console]) -> None:
    console = board(start="login")
    assert console.run("echo $0")[0] == 0
    assert console.facing is Facing.SHELL


def test_logs_in_with_a_password(board: Callable[..., Console], tmp_path: Path) -> None:
    console = board(start="login", password="tr0ub4dor")
    console.password = "tr0ub4dor"
    assert console.run("echo in") == (0, "in")
    log = (tmp_path / "console.log").read_text()
    assert "> (a password)" in log
    assert "tr0ub4dor" not in log


@pytest.mark.parametrize(
    ("given_password", "message"), [(None, "wants a password for root"), ("wrong", "user or password is wrong")]
)
def test_refused_logins(board: Callable[..., Console], given_password: str | None, message: str) -> None:
    console = board(start="login", password=(given_password and "right") or "right")
    console.password = given_password
    with pytest.raises(LoginRefused, match=message):
        console.login(timeout=30)


def test_boots_from_uboot(board: Callable[..., Console]) -> None:
    console = board(start="uboot")
    assert console.find_out() is Facing.UBOOT
    assert console.run("echo up") == (0, "up")


def test_silence_is_an_error(board: Callable[..., Console]) -> None:
    console = board(start="silent")
    with pytest.raises(Timeout, match=r"no prompt that is known within 1 s"):
        console.find_out(timeout=1)


def test_the_other_end_goes_away(board: Callable[..., Console]) -> None:
    console = board(start="shell")
    console.login()
    with pytest.raises(Closed, match="closed by the other end"):
        console.run("kill -9 $PPID", timeout=20)


def test_a_restart_during_a_command(board: Callable[..., Console], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "ASK_AGAIN", 0.3)
    console = board(start="shell")
    with pytest.raises(Restarted, match="started anew"):
        console.run("printf 'sl1680 login: '; sleep 600", timeout=60)


# ---- crashes


def test_a_panic_at_boot(board: Callable[..., Console]) -> None:
    console = board(start="panic")
    with pytest.raises(KernelCrash, match="Unable to mount root fs") as caught:
        console.login(timeout=30)
    assert "end Kernel panic" in caught.value.said


@pytest.mark.parametrize(
    "line",
    [
        "[   61.1] Internal error: Oops: 0000000096000004 [#1] SMP",
        "[   61.1] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
        "<0>[   61.1][  T1] kernel BUG at mm/slub.c:305!",
        "[   61.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [whisper158d:100]",
        "Kernel panic - not syncing: sysrq triggered crash",
        '"Synchronous Abort" handler, esr 0x96000004',
    ],
)
def test_a_crash_while_a_command_runs(
    board: Callable[..., Console], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consoles, "TRACE_QUIET", 0.1)
    console = board(start="shell")
    with pytest.raises(KernelCrash, match=re.escape(line)):
        console.run(f"printf '%s\\n' '{line}' trace; sleep 600")


def test_a_report_of_an_earlier_panic_is_just_text(board: Callable[..., Console]) -> None:
    console = board(start="shell")
    line = "[    2.1] Kernel panic - not syncing: long ago"
    assert console.run(f"echo '{line}'") == (0, line)
    harmless = "Internal error: the disk of the user is full\nBUG: known"
    assert console.run(f"echo '{harmless}'") == (0, harmless)


# ---- U-Boot


def test_uboot_commands(board: Callable[..., Console]) -> None:
    replies = {"printenv bootdelay": ["bootdelay=0\n"], "mmc info": ["** Bad device mmc 7 **\n", 0], "run x": ["", 1]}
    console = board(start="uboot", replies=replies)
    assert console.uboot("printenv bootdelay") == "bootdelay=0"
    with pytest.raises(CommandFailed, match=r"Bad device mmc 7"):
        console.uboot("mmc info")
    with pytest.raises(CommandFailed, match="failed with status 1"):
        console.uboot("run x")
    with pytest.raises(CommandFailed, match="Unknown command 'frobnicate'"):
        console.uboot("frobnicate")
    assert console.uboot("run x", status=False) == ""
    with pytest.raises(CommandFailed, match="delay"):
        console.uboot("printenv bootdelay", errors=["delay=0"])
    with pytest.raises(ConsoleError, match="lines of 255 characters; this one has 300"):
        console.uboot("x" * 300)


def test_nothing_of_ours_makes_uboot_repeat_a_command(board: Callable[..., Console], tmp_path: Path) -> None:
    """An empty line repeats its last command, and that may be one that writes."""
    state = tmp_path / "commands"
    console = board(start="uboot", replies={"usb2emmc X": ["CMD_PART: list2emmc success.\n"]}, state=str(state))
    console.uboot("usb2emmc X")
    console.forget()
    assert console.find_out() is Facing.UBOOT
    assert state.read_text().splitlines().count("usb2emmc X") == 1


def test_a_slow_uboot_in_pieces(board: Callable[..., Console]) -> None:
    console = board(start="uboot", piece=1, delay=0.005, replies={"dhcp": ["BOOTP broadcast 1\nDHCP client bound\n"]})
    assert console.uboot("dhcp") == "BOOTP broadcast 1\nDHCP client bound"


def test_catches_uboot_after_a_reset(board: Callable[..., Console]) -> None:
    console = board(start="countdown", replies={"version": ["U-Boot 2025.01\n"]})
    console.catch_uboot(timeout=20)
    assert console.uboot("version") == "U-Boot 2025.01"


def test_a_board_that_never_shows_uboot(board: Callable[..., Console]) -> None:
    console = board(start="silent")
    with pytest.raises(Timeout, match="U-Boot's prompt did not appear within 1 s"):
        console.catch_uboot(timeout=1)


# ---- text


@given(
    st.lists(
        st.sampled_from([b"\x1b[31m", b"\x1b]0;title\x07", b"\x1b[?2004h", b"a", b"\r\n", b"\xc3\xa4", b"\x1b[6n"])
    )
)
def test_pieces_of_any_size_make_the_same_text(parts: list[bytes]) -> None:
    data = b"".join(parts) + b"."
    whole = Plain().feed(data)
    plain = Plain()
    assert "".join(plain.feed(data[i : i + 1]) for i in range(len(data))) == whole
    assert "\x1b" not in whole and "\r" not in whole


@given(st.binary())
def test_any_bytes_become_text(data: bytes) -> None:
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]", Plain().feed(data))


def test_the_log_tells_when(board: Callable[..., Console], tmp_path: Path) -> None:
    console = board(start="shell")
    console.run("echo logged")
    console.close()
    lines = (tmp_path / "console.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [<>#] ", line) for line in lines)
    assert any(line.endswith("< logged") for line in lines)
    assert any(line.endswith("# run: echo logged") for line in lines)


# ---- serial ports


def test_a_serial_port(tmp_path: Path) -> None:
    """A pty's other end takes the settings of a serial port as one does."""
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    console = open_console(path, log=tmp_path / "log")
    with pytest.raises(UserError, match="is in use by another program"):
        open_console(path)
    os.write(master, b"sl1680 login: ")
    assert console.find_out(timeout=5) is Facing.LOGIN
    console.send_line("root")
    assert os.read(master, 100) == b"root\n"
    os.close(slave)
    os.close(master)
    with pytest.raises(Closed):
        console.watch(5)
    console.close()


def test_what_is_no_serial_port(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no serial port .*ttyUSB9"):
        open_console(str(tmp_path / "ttyUSB9"))
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UserError, match="is not a serial port"):
        open_console(str(file))
    with pytest.raises(UserError, match="cannot be opened as a serial port"):
        open_console(str(tmp_path))
