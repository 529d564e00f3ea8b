# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the tests of whisper158d's HTTP have in common: the daemon with a port, and requests to it."""

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 120.0

# A thousand for each process of pytest-xdist (gw0, gw1)
_PORTS = itertools.count(20000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        message: str = self.json["error"]["message"]
        return message


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def send(self, file: bytes | None, headers: Mapping[str, str] | None = None, /, **fields: str) -> Answer:
        body, kind = form(file, **fields)
        return self.ask("POST", "/v1/audio/transcriptions", body, headers={"Content-Type": kind, **dict(headers or {})})

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


def form(file: bytes | None, name: str = "sound.wav", **fields: str) -> tuple[bytes, str]:
    """A form in multipart/form-data, and its content type."""
    boundary = uuid.uuid4().hex
    parts = [f'name="{key}"\r\n\r\n{value}'.encode() for key, value in fields.items()]
    if file is not None:
        head = f'name="file"; filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        parts.append(head.encode() + file)
    body = b"".join(
        b"--" + boundary.encode() + b"\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def free_port() -> int:
    """A port that nobody else is given before a daemon has it: below those that systems give out, and each once."""
    for port in _PORTS:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("there are no more ports")


@contextmanager
def serving(
    program: Path, model: Path, folder: Path, *options: str, address: str = "", expect: int = 0
) -> Iterator[Server]:
    """A daemon that answers HTTP. It must end well, and with the status `expect`."""
    port = free_port()
    log = folder / "log"
    command: list[str | Path] = [program, "--model", model, "--socket", folder / "socket", "--http", f"{address}{port}"]
    command += options
    with log.open("wb") as out, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=out) as process:
        server = Server(process, port, log)
        try:
            wait_until_ready(server)
            yield server
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == expect, log.read_text()
        finally:
            process.kill()
    assert "Sanitizer" not in log.read_text(), log.read_text()


def wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        assert server.process.poll() is None, server.log.read_text()
        try:
            assert server.get("/health").json == {"status": "ok"}
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
