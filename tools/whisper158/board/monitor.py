# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""QEMU's monitor: lines of JSON on a Unix socket (QMP), and in them the commands that people type."""

import json
import socket
from types import TracebackType
from typing import Any

from whisper158.errors import UserError

# Saving a machine's state takes longest: its whole memory is written.
TAKES = 120.0


class MonitorError(UserError):
    """QEMU refused a command, or is gone."""


class Monitor:
    """`connection` leads to QEMU and is ours from now on."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(TAKES)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        try:
            # The greeting.
            self.receive()
            self.execute("qmp_capabilities")
        except MonitorError:
            self.close()
            raise

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.lines.close()
        self.socket.close()

    def execute(self, command: str, **arguments: object) -> Any:
        """Runs a command of QMP; returns what it returns."""
        request = json.dumps({"execute": command, "arguments": arguments})
        try:
            self.socket.sendall(request.encode() + b"\n")
        except OSError as error:
            raise MonitorError(f"QEMU is gone: {error.strerror or error}") from error
        while True:
            answer = self.receive()
            if "error" in answer:
                raise MonitorError(f"QEMU refused {command}: {answer['error'].get('desc', 'no reason given')}")
            # Between question and answer, QEMU may tell of events.
            if "return" in answer:
                return answer["return"]

    def command(self, line: str) -> str:
        """Runs a command of the monitor that people use; returns what it prints."""
        printed = self.execute("human-monitor-command", **{"command-line": line})
        return str(printed)

    def receive(self) -> dict[str, Any]:
        try:
            line = self.lines.readline()
        except OSError as error:
            raise MonitorError(f"QEMU's monitor does not answer: {error.strerror or error}") from error
        if not line:
            raise MonitorError("QEMU is gone: it closed its monitor")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise MonitorError(f"QEMU's monitor says something that is not JSON: {line[:80]!r}")
        return answer
