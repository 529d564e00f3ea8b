# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Interruptions without end: signals, readers of single bytes, clients that vanish. All is as it is without them."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.daemon_http import Server, form, free_port
from tests.daemon_process import (
    PATIENCE,
    STOP,
    Client,
    Daemon,
    Event,
    audio,
    connect,
    everything,
    lasting,
    read_until,
    running,
)
from tests.daemon_shim import shim
from tests.test_daemon_http import sound
from whisper158.evaluate.sounds import Clip


@pytest.fixture(scope="module")
def whisper158d(program: Path) -> Path:
    return program.parent.parent / "daemon" / "whisper158d"


@pytest.fixture(scope="module")
def talk(sounds: tuple[Clip, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same words three times, as samples without a header."""
    samples, rate = soundfile.read(next(clip for clip in sounds if clip.id == "agent-loginok").path, dtype="float64")
    speech = np.interp(np.arange(0, len(samples), rate / 16000), np.arange(len(samples)), samples)
    pause = np.random.default_rng(1).normal(0, 1e-3, 16000)
    path = tmp_path_factory.mktemp("talk") / "talk.raw"
    path.write_bytes((np.concatenate([pause, speech] * 3 + [pause]) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def said(whisper158d: Path, babbler: Path, talk: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """What is made of it where nothing interferes."""
    options = [f"--input={talk}", "--raw", "--fast", "--wait", "--interim=never"]
    with running(whisper158d, babbler, tmp_path_factory.mktemp("said"), *options) as daemon:
        finals = told(list(daemon.connect()))
        assert daemon.end() == 0
    assert len(finals) == 3 and all(final["text"] for final in finals)
    return finals


def told(events: list[Event]) -> list[Event]:
    """Results, without what differs from time to time."""
    return [lasting(event) for event in events if event["event"] == "final"]


# ---- signals


@contextlib.contextmanager
def storm(daemon: Daemon, signals: list[signal.Signals]) -> Iterator[list[int]]:
    """Sends them, again and again, a few hundred times a second. Yields a list whose item counts how often."""
    over = threading.Event()
    sent = [0]

    def blow() -> None:
        while not over.wait(0.003) and daemon.process.poll() is None:
            for number in signals:
                daemon.process.send_signal(number)
            sent[0] += 1

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield sent
    finally:
        over.set()
        thread.join()


@pytest.mark.network
@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
def test_signals_change_nothing(
    whisper158d: Path, babbler: Path, talk: Path, said: list[Event], pipe: bool, tmp_path: Path
) -> None:
    """Stopping and going on interrupts what waits for something, though no signal has a handler."""
    ignored = [signal.SIGWINCH, signal.SIGCHLD, signal.SIGURG, signal.SIGPIPE, signal.SIGXFSZ]
    options = [f"--input={'-' if pipe else talk}", "--raw", "--wait", "--interim=never"]
    more: dict[str, Any] = {"environment": shim(tmp_path, speed=8)}
    with contextlib.ExitStack() as stack:
        if pipe:
            more["stdin"] = stack.enter_context(talk.open("rb"))
        daemon = stack.enter_context(running(whisper158d, babbler, tmp_path, *options, **more))
        with storm(daemon, [*ignored, signal.SIGHUP, signal.SIGSTOP, signal.SIGCONT]) as sent:
            finals = told(list(daemon.connect()))
        assert daemon.end() == 0
    assert finals == said and sent[0] > 5


# alsa-lib makes the file "opened" whenever it opens this one.
ALSA = 'pcm.mic {{ type file slave.pcm {{ type null }} file "{0}/opened" infile "{0}/endless" format raw }}\n'


@pytest.mark.network
def test_a_hundred_hangups_leave_nothing(whisper158d: Path, babbler: Path, talk: Path, tmp_path: Path) -> None:
    (tmp_path / "endless").write_bytes(talk.read_bytes() * 20)
    (tmp_path / "asound.conf").write_text(ALSA.format(tmp_path))
    environment = {"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}
    environment["ASAN_OPTIONS"] = "detect_leaks=1:quarantine_size_mb=1"  # what is free counts as free
    with running(whisper158d, babbler, tmp_path, "--device=mic", "--interim=never", environment=environment) as daemon:
        client = daemon.connect()
        client.say({"subscribe": ["final"]})
        client.until("final")
        hang_up(daemon, 20)
        before = descriptors(daemon), resident(daemon)
        hang_up(daemon, 100)
        after = descriptors(daemon), resident(daemon)
        client.until("final")
        daemon.terminate()
        assert daemon.end() == 0
    assert after[0] == before[0]
    assert after[1] - before[1] < 4 << 20
    assert daemon.log.count("the microphone is opened anew") == 120


def hang_up(daemon: Daemon, times: int) -> None:
    for _ in range(times):
        (daemon.folder / "opened").unlink()
        daemon.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while not (daemon.folder / "opened").exists():
            assert time.monotonic() < deadline, daemon.log
            time.sleep(0.002)


def descriptors(daemon: Daemon) -> list[str]:
    """What they lead to; those of the microphone come and go."""
    folder = f"/proc/{daemon.process.pid}/fd"
    deadline = time.monotonic() + PATIENCE
    while True:
        found = []
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"{folder}/{name}"))
        if any(path.endswith("/endless") for path in found) or time.monotonic() > deadline:
            return sorted(found)


def resident(daemon: Daemon) -> int:
    """Bytes of memory of its own."""
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


# ---- clients


def sip(connection: socket.socket, into: bytearray) -> None:
    """Reads byte by byte."""
    with contextlib.suppress(OSError):
        while byte := connection.recv(1):
            into += byte


@pytest.mark.network
def test_readers_of_single_bytes(
    whisper158d: Path, babbler: Path, talk: Path, said: list[Event], tmp_path: Path
) -> None:
    port = free_port()
    options = [f"--input={talk}", "--raw", "--wait", "--interim=never", f"--http={port}"]
    with running(whisper158d, babbler, tmp_path, *options, environment=shim(tmp_path, speed=4)) as daemon:
        usual = daemon.connect()
        sipping = []
        slow = [socket.socket(socket.AF_UNIX), socket.socket()]
        addresses: list[Any] = [str(daemon.socket_path), ("127.0.0.1", port)]
        for connection, address in zip(slow, addresses, strict=True):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            connection.connect(address)
            received = bytearray()
            sipping.append((threading.Thread(target=sip, args=[connection, received]), received))
        slow[0].sendall(b'{"subscribe": ["all"]}\n')
        slow[1].sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for thread, _ in sipping:
            thread.start()
        assert told(list(usual)) == said
        assert daemon.end() == 0
        for thread, _ in sipping:
            thread.join(PATIENCE)
        for connection in slow:
            connection.close()
    lines, stream = (bytes(received).decode() for _, received in sipping)
    assert told([json.loads(line) for line in lines.splitlines()]) == said
    streamed = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    assert [final["text"] for final in told([json.loads(line) for line in streamed])] == [f["text"] for f in said]


def test_who_vanishes_takes_nobody_along(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    """On each protocol, in each stage, while somebody else's request is in hand and another's waits."""
    port, hold = free_port(), tmp_path / "hold"
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}", f"--http={port}", "--clients=32"]
    with running(whisper158d, golden, tmp_path, *options, environment=shim(tmp_path, hold=hold)) as daemon:
        server = Server(daemon.process, port, tmp_path / "log")
        expected = transcribe(daemon), server.send(sound(1)).json
        hold.touch()
        first = daemon.connect_wyoming()
        first.sendall(audio(1.0) + STOP + b'{"type": "ping"}\n')
        assert b"pong" in read_until(first, b"\n")
        client = daemon.connect()
        wait_until_queued(client, 0)
        answers: list[object] = []
        second = threading.Thread(target=lambda: answers.append(server.send(sound(1)).json))
        second.start()
        wait_until_queued(client, 1)
        vanish(daemon, server)
        hold.unlink()
        assert b'"transcript"' in (answer := everything(first)) and answer == expected[0]
        second.join(PATIENCE)
        assert answers == [expected[1]]
        deadline = time.monotonic() + PATIENCE
        while (stats := client.ask_stats())["requests"]["failed"] < 1 or stats["queued"]:
            assert time.monotonic() < deadline, stats
            time.sleep(0.01)
        # What was in hand may have been done before anybody knew.
        assert stats["requests"]["done"] >= 4
        assert transcribe(daemon) == expected[0] and server.send(sound(1)).json == expected[1]
        client.close()
    assert "nobody waits for it any more" in daemon.log


def transcribe(daemon: Daemon) -> bytes:
    with daemon.connect_wyoming() as client:
        client.sendall(audio(1.0) + STOP)
        return everything(client)


def wait_until_queued(client: Client, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (stats := client.ask_stats())["queued"] != number:
        assert time.monotonic() < deadline, stats
        time.sleep(0.01)


def vanish(daemon: Daemon, server: Server) -> None:
    body, kind = form(sound(1))
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    said: list[tuple[Callable[[], socket.socket], list[bytes]]] = [
        (lambda: connect(daemon.socket_path), [b'{"subscr', b'{"subscribe": ["all"]}\n{"stats": true}\n' * 50]),
        (daemon.connect_wyoming, [b'{"type"', audio(1.0)[:9000], audio(1.0), audio(1.0) + STOP]),
        (server.connect, [b"POST /v1", head.encode(), head.encode() + body[:9000], head.encode() + body]),
    ]
    for come, stages in said:
        for stage in stages:
            with come() as client:
                client.sendall(stage)
