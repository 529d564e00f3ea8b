# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Clients that vanish, flood, stall and lie: whisper158d goes on, and its log says what it did."""

import json
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_process import PATIENCE, STOP, Daemon, audio, connect, everything, read_until, running


@pytest.fixture(scope="module")
def whisper158d(program: Path) -> Path:
    return program.parent.parent / "daemon" / "whisper158d"


@pytest.fixture
def served(whisper158d: Path, golden: Path, tmp_path: Path) -> Iterator[Daemon]:
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}", "--clients=4"]
    with running(whisper158d, golden, tmp_path, *options) as daemon:
        yield daemon
        check_health(daemon)
    assert daemon.process.returncode == 0, daemon.log


def check_health(daemon: Daemon) -> None:
    """It still answers on both sockets, as soon as it has seen that earlier clients went."""
    deadline = time.monotonic() + PATIENCE
    asked = [(daemon.socket_path, b'{"ping": "x"}'), (daemon.wyoming_path, b'{"type": "ping"}')]
    while not all(answers(path, request, b"pong") for path, request in asked):
        assert daemon.process.poll() is None and time.monotonic() < deadline, daemon.log
        time.sleep(0.05)


def answers(path: Path, request: bytes, expected: bytes) -> bool:
    try:
        with connect(path) as client:
            client.sendall(request + b"\n")
            answer = b""
            while expected not in answer and (piece := client.recv(65536)):
                answer += piece
            return expected in answer
    except OSError:  # refused, and closed before it could be asked
        return False


def test_a_thousand_connects(served: Daemon) -> None:
    for _ in range(500):
        connect(served.socket_path).close()
        connect(served.wyoming_path).close()
    assert served.process.poll() is None


def test_no_more_clients_than_allowed(served: Daemon) -> None:
    clients = [served.connect() for _ in range(4)]
    for client in clients:
        client.until("hello")
    assert b"too many subscribers" in everything(connect(served.socket_path))
    others = [served.connect_wyoming() for _ in range(4)]
    for other in others:
        other.sendall(b'{"type": "ping"}\n')
        assert read_until(other, b"\n")
    assert b"too-many-clients" in everything(served.connect_wyoming())
    for client in clients:
        client.close()
    for other in others:
        other.close()
    served.until_logged("whisper158d: a subscriber is refused: there are 4, which is the limit")
    served.until_logged("whisper158d: wyoming: a client is refused: there are 4, which is the limit")
    assert served.log.count("which is the limit") == 2


@pytest.mark.parametrize("line", [b"hello", b"[]", b"\xff\xfe", b'{"subscribe": 1}', b"{" * 4000, b'{"stats": '])
def test_bad_commands_are_answered(served: Daemon, line: bytes) -> None:
    client = served.connect()
    client.connection.sendall(line + b"\n")
    assert client.until("refused")[-1]["text"]
    client.say({"ping": "x"})
    assert client.until("pong")
    client.close()


def test_endless_line_is_refused(served: Daemon) -> None:
    client = served.connect()
    client.connection.sendall(b"x" * 5000)
    assert "4096" in client.until("refused")[-1]["text"]
    assert list(client) == []
    client.close()


def test_reader_that_stalls_is_dropped_and_nobody_waits(served: Daemon) -> None:
    slow, other = served.connect(), served.connect()
    slow.connection.settimeout(0.2)
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline and "is dropped" not in served.log:
            slow.connection.sendall(b'{"stats": true}\n' * 100)
    except OSError:
        pass
    served.until_logged("a subscriber is dropped: it does not read its events")
    assert other.ask_stats()["event"] == "stats"
    other.close()
    slow.close()


@pytest.mark.parametrize(
    ("sent", "why"),
    {
        "line": (b"x" * 10000, "longer than 8192"),
        "not-json": (b"hello\n", "not a JSON object"),
        "no-type": (b"{}\n", "no type"),
        "data": (b'{"type": "ping", "data_length": 99999999}\n', "data_length"),
        "payload": (b'{"type": "audio-chunk", "payload_length": 99999999999999}\n', "payload_length"),
        "negative": (b'{"type": "ping", "payload_length": -1}\n', "payload_length"),
        "rate": (b'{"type": "audio-start", "data": {"rate": 1, "width": 2, "channels": 1}}\n', "rate of"),
        "width": (b'{"type": "audio-start", "data": {"rate": 16000, "width": 9, "channels": 1}}\n', "width of"),
        "no-format": (b'{"type": "audio-chunk", "payload_length": 4}\nabcd', "rate of"),
        "language": (b'{"type": "transcribe", "data": {"language": "klingon"}}\n', "klingon"),
        "length": (audio(40.0, rate=1000) * 4, "120 s"),
    }.values(),
)
def test_wyoming_refuses_with_an_error(served: Daemon, sent: bytes, why: str) -> None:
    with served.connect_wyoming() as client:
        client.sendall(sent)
        header, _, data = everything(client).partition(b"\n")
    assert json.loads(header)["type"] == "error"
    assert why in json.loads(data)["text"]


def test_all_clients_together_may_send_only_so_much(served: Daemon) -> None:
    clients = [served.connect_wyoming() for _ in range(3)]
    answers = []
    for client in clients:
        client.sendall(audio(110.0, rate=1000) + b'{"type": "ping"}\n')
        answers.append(client.recv(1000))
    assert [b"pong" in answer for answer in answers] == [True, True, False]
    assert b"too many others are sending audio" in answers[2] + everything(clients[2])
    for client in clients:
        client.close()
    check_health(served)
    with served.connect_wyoming() as client:
        client.sendall(audio(110.0, rate=1000) + b'{"type": "ping"}\n')
        assert b"pong" in read_until(client, b"\n")


def test_clients_that_vanish(served: Daemon) -> None:
    stages = [audio(0.5)[:30], audio(0.5)[:5000], audio(0.5), audio(2.0) + STOP]
    for _ in range(3):
        for stage in stages:
            with served.connect_wyoming() as vanishing:
                vanishing.sendall(stage)
            check_health(served)
    client = served.connect()
    deadline = time.monotonic() + PATIENCE
    while (stats := client.ask_stats()["requests"])["done"] + stats["failed"] < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert stats["done"] + stats["failed"] == 3
    client.close()


def test_stopped_and_continued(served: Daemon) -> None:
    with served.connect_wyoming() as client:
        client.sendall(audio(1.0))
        served.process.send_signal(signal.SIGSTOP)
        client.sendall(STOP)
        time.sleep(2)
        served.process.send_signal(signal.SIGCONT)
        assert b"transcript" in everything(client)


def test_no_descriptors_left(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}"]
    with running(whisper158d, golden, tmp_path, *options, preexec_fn=few) as daemon:
        clients = [connect(daemon.socket_path) for _ in range(40)]
        daemon.until_logged("has to wait")
        for client in clients:
            client.close()
        check_health(daemon)


def test_two_daemons_and_what_a_killed_one_leaves(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [whisper158d, f"--model={golden}", f"--socket={tmp_path / 'socket'}", "--no-microphone"]
    with running(whisper158d, golden, tmp_path, "--no-microphone") as daemon:
        second = subprocess.run(command, capture_output=True, timeout=300)
        assert (second.returncode, second.stdout) == (os.EX_UNAVAILABLE, b"")
        assert b"is in use" in second.stderr
        daemon.process.kill()
        daemon.end()
    assert (tmp_path / "socket").is_socket()
    with running(whisper158d, golden, tmp_path, "--no-microphone") as daemon:
        daemon.connect().close()
    assert not (tmp_path / "socket").exists()


def test_bad_command_lines(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    model = f"--model={golden}"
    for options, status, why in [
        (["--flux"], os.EX_USAGE, "--flux"),
        (["speech.wav"], os.EX_USAGE, "--input speech.wav"),
        (["--threads=0"], os.EX_USAGE, "--threads 0"),
        (["--interim=often"], os.EX_USAGE, "often"),
        (["--audio-context=0"], os.EX_USAGE, "--audio-context 0 is neither auto nor full nor a number from 1 to 1500"),
        (["--audio-context=fit"], os.EX_USAGE, "--audio-context fit is neither"),
        (["--fast"], os.EX_USAGE, "--input"),
        (
            [model, "--no-microphone", f"--prompt={'x' * 5000}"],
            os.EX_USAGE,
            "the prompt has 5000 bytes, and can have 4096",
        ),
        (["--no-microphone", "--input=x"], os.EX_USAGE, "--no-microphone"),
        ([f"--model={tmp_path / 'absent'}"], os.EX_NOINPUT, "absent"),
        ([model, "--no-microphone", "--language=klingon"], os.EX_USAGE, "klingon"),
        ([model, "--no-microphone", f"--socket={tmp_path}/s", "--wyoming=udp://x"], os.EX_USAGE, "udp://x"),
        ([model, "--no-microphone", f"--socket={tmp_path}/absent/socket"], os.EX_UNAVAILABLE, "absent/socket"),
    ]:
        result = subprocess.run([whisper158d, *options], capture_output=True, timeout=300, cwd=tmp_path)
        assert result.returncode == status, (options, result.stderr)
        lines = result.stderr.decode().splitlines()
        assert len(lines) == 1 and why in lines[0] and lines[0].startswith("whisper158d: ")


def test_help_fits_a_terminal_and_names_every_option(whisper158d: Path, tmp_path: Path) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([whisper158d, *options], capture_output=True, timeout=300, text=True)

    text = run("--help").stdout
    assert text.startswith("Usage: whisper158d ") and max(map(len, text.splitlines())) <= 80
    assert re.fullmatch(r"whisper158d \d+\.\d+\.\d+\n", run("--version").stdout)
    for option in set(re.findall(r"(?<!\S)--[a-z-]+", text)) - {"--help", "--version"}:
        result = run(f"--model={tmp_path / 'absent'}", option)
        assert result.returncode in (os.EX_USAGE, os.EX_NOINPUT) and "unknown" not in result.stderr, option
