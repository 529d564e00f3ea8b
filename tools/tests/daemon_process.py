# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the tests of whisper158d have in common: a daemon that runs, and clients of its sockets."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 300.0

Event = dict[str, Any]


@dataclass(frozen=True)
class Daemon:
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def socket_path(self) -> Path:
        return self.folder / "socket"

    @property
    def wyoming_path(self) -> Path:
        return self.folder / "wyoming"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def connect(self) -> "Client":
        return Client(connect(self.socket_path))

    def connect_wyoming(self) -> socket.socket:
        return connect(self.wyoming_path)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """To it, all that is done meanwhile happens at once."""
        self.process.send_signal(signal.SIGSTOP)
        yield
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        return self.process.wait(PATIENCE)

    def until_logged(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.log:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.05)


class Client:
    """A subscriber of the socket of JSON lines."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = connection.makefile("r", encoding="utf-8")

    def say(self, command: object) -> None:
        self.connection.sendall(json.dumps(command).encode() + b"\n")

    def __iter__(self) -> Iterator[Event]:
        for line in self.lines:
            event: Event = json.loads(line)
            yield event

    def until(self, kind: str) -> list[Event]:
        """All events up to the next one of that kind."""
        events = []
        for event in self:
            events.append(event)
            if event["event"] == kind:
                return events
        raise AssertionError(f"no {kind!r} among {events}")

    def ask_stats(self) -> Event:
        self.say({"stats": True})
        return self.until("stats")[-1]

    def close(self) -> None:
        self.lines.close()
        self.connection.close()


# Ends what `audio` began.
STOP = b'{"type": "audio-stop"}\n'


def audio(seconds: float, rate: int = 16000) -> bytes:
    """Something loud, as a chunk of Wyoming."""
    samples = bytes(range(1, 255)) * (int(rate * seconds * 2) // 254)
    data = json.dumps({"rate": rate, "width": 2, "channels": 1}).encode()
    header = {"type": "audio-chunk", "data_length": len(data), "payload_length": len(samples)}
    return json.dumps(header).encode() + b"\n" + data + samples


def read_until(connection: socket.socket, expected: bytes) -> bytes:
    """However many pieces it comes in."""
    answer = b""
    while expected not in answer:
        piece = connection.recv(65536)
        assert piece, answer
        answer += piece
    return answer


def everything(connection: socket.socket) -> bytes:
    """Until the daemon closes the connection."""
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))  # waits where too many do already, which a timeout would forbid
    connection.settimeout(PATIENCE)
    return connection


@contextmanager
def running(program: Path, model: Path, folder: Path, *options: str | Path, **more: Any) -> Iterator[Daemon]:
    """A daemon that is ready. Whatever happens to it, no sanitizer may have complained."""
    command = [program, f"--model={model}", f"--socket={folder / 'socket'}", "--no-tuning", *options]
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", **more.pop("environment", {})}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, **{"stdin": subprocess.DEVNULL, "stderr": log, "env": environment, **more}
        ) as process,
    ):
        daemon = Daemon(process, folder)
        try:
            daemon.until_logged("ready: ")
            yield daemon
            if process.poll() is None:
                daemon.terminate()
            daemon.end()
        finally:
            process.kill()
    assert "Sanitizer" not in daemon.log and "runtime error" not in daemon.log, daemon.log


def lasting(event: Event) -> Event:
    """Without what differs from time to time."""
    return {key: event[key] for key in event if key not in ("time", "latency", "rtf")}


def kinds(events: list[Event]) -> list[str]:
    return [event["event"] for event in events]
