# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A machine that runs, and what tests do to it: commands, files, speech, and its power.

Everything goes over the network where there is one, else over the console. Each command and its answer are kept for the
report.
"""

import base64
import hashlib
import shlex
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from whisper158.board.console import Console
from whisper158.board.machine import Capability, Machine
from whisper158.board.report import Exchange
from whisper158.board.ssh import Ssh
from whisper158.build import layer
from whisper158.errors import UserError, die
from whisper158.evaluate.sounds import Clip
from whisper158.model import models

# Characters of a file that are sent over the console with one command; they are whole groups of four.
CONSOLE_CHUNK = 8000
# Decodes base64, line by line. OpenEmbedded's BusyBox has no program for that, but an awk, which cannot print zeros, so
# that its shell prints what awk spells.
DECODE = r"""
if command -v base64 >/dev/null; then base64 -d; else awk '{
    for (i = 1; i < length($0); i += 4) {
        bits = 0; bytes = 3
        for (j = 0; j < 4; j++) {
            at = index("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", substr($0, i + j, 1))
            bits = 64 * bits + (at ? at - 1 : 0); bytes -= !at
        }
        for (j = 65536; bytes-- > 0; j /= 256) printf "\\%03o", int(bits / j) % 256
    }
    print ""
}' | while read -r line; do printf "$line"; done; fi
"""
# How often the console is asked for new lines of a program that goes on.
CONSOLE_LOOK = 1.0


class Failed(UserError):
    """The machine did not do what it should."""


@dataclass(frozen=True)
class Wires:
    """The ways to talk with a machine that runs; at least one."""

    console: Console | None
    ssh: Ssh | None

    def close(self) -> None:
        for wire in (self.ssh, self.console):
            if wire is not None:
                wire.close()


@dataclass(frozen=True)
class Facts:
    """What a machine should turn out to run."""

    version: str  # of the runtime
    model_sha256: str

    @classmethod
    def of_checkout(cls, model: str) -> "Facts":
        """For images that say nothing of themselves: they were built from this checkout."""
        with models.ensure(model or models.DEFAULT).open("rb") as file:
            return cls(layer.version(), hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True)
class Upgrade:
    """Newer packages of ours."""

    packages: tuple[Path, ...]
    # One of them for another architecture.
    foreign: Path | None = None
    # Of the model in them, where it is another one for certain.
    model_sha256: str | None = None


class Bench(Protocol):
    """What a machine hangs on. All that returns Wires has made the earlier ones useless, and closed them."""

    can: frozenset[Capability]
    facts: Facts
    # Where the console's log is, if anywhere.
    log: Path | None

    def start(self) -> Wires: ...

    def reboot(self, wires: Wires) -> Wires: ...

    def cut_power(self, wires: Wires) -> Wires: ...

    def save(self, wires: Wires) -> Wires: ...

    def restore(self, wires: Wires) -> Wires: ...

    def say(self, target: "Target", clip: Clip) -> None:
        """Returns when the clip has been said, or is about to be."""

    def upgrade(self, out: Path) -> Upgrade:
        """Newer packages than the machine was made of, in the folder `out` if they have to be made."""

    def close(self) -> None: ...


class Stream(Protocol):
    """Lines of a program that goes on; `next` gives None when it has ended, and raises TimeoutError."""

    def next(self, deadline: float) -> str | None: ...

    def close(self) -> None: ...


@dataclass
class Target:
    machine: Machine
    bench: Bench
    wires: Wires = field(default_factory=lambda: Wires(None, None))
    exchanges: list[Exchange] = field(default_factory=list)

    # ---- its power

    def start(self) -> None:
        with self.noted("power on"):
            self.wires = self.bench.start()

    def reboot(self) -> None:
        with self.noted("reboot"):
            self.wires = self.bench.reboot(self.wires)

    def cut_power(self) -> None:
        """Without warning; returns when it has booted again."""
        with self.noted("cut the power"):
            self.wires = self.bench.cut_power(self.wires)

    def save(self) -> None:
        with self.noted("keep a snapshot"):
            self.wires = self.bench.save(self.wires)

    def restore(self) -> None:
        with self.noted("restore the snapshot"):
            self.wires = self.bench.restore(self.wires)

    def close(self) -> None:
        self.wires.close()
        self.bench.close()

    # ---- commands

    @property
    def can(self) -> frozenset[Capability]:
        return self.machine.can & self.bench.can

    def run(self, command: str, timeout: float | None = None) -> tuple[int, str]:
        """Exit status, and what it wrote to either stream, without the last line ends."""
        with self.noted(command) as noted:
            status, output = self._run(command, timeout or self.machine.budget.command)
            noted(status, output)
        return status, output

    def check(self, command: str, timeout: float | None = None) -> str:
        status, output = self.run(command, timeout)
        if status != 0:
            raise Failed(f"{command!r} failed on the machine with status {status}", output or None)
        return output

    def _run(self, command: str, timeout: float) -> tuple[int, str]:
        if self.wires.ssh is not None:
            status, output = self.wires.ssh.run(command, timeout)
            return status, output.decode(errors="replace").rstrip("\n")
        return self.console.run(command, timeout)

    @property
    def console(self) -> Console:
        return self.wires.console or die("nothing connects to the machine", "name one with --host or --serial")

    def listen_to_console(self) -> None:
        """Raises what the console has to complain about: a kernel that died, a machine that is gone."""
        if self.wires.console is not None:
            self.wires.console.watch(0.05)

    # ---- files

    def put(self, content: bytes, path: str, timeout: float | None = None) -> None:
        """The file has its name only when it is whole."""
        seconds = timeout or self.machine.budget.command
        with self.noted(f"write {len(content)} bytes to {path}"):
            if self.wires.ssh is not None:
                self.wires.ssh.put(content, path, seconds)
            else:
                self._put_over_console(content, path, seconds)

    def _put_over_console(self, content: bytes, path: str, timeout: float) -> None:
        text = base64.b64encode(content).decode()
        draft = shlex.quote(f"{path}.draft")
        self.console.check(f": >{draft}.b64")
        for start in range(0, len(text), CONSOLE_CHUNK):
            self.console.check(f"echo {text[start : start + CONSOLE_CHUNK]} >>{draft}.b64")
        self.console.check(
            f"{{ {DECODE} }} <{draft}.b64 >{draft} && rm {draft}.b64 && mv {draft} {shlex.quote(path)}", timeout
        )

    def stream(self, command: str) -> Stream:
        """Starts a program that goes on, to read its lines."""
        self.exchanges.append(Exchange(time.time(), 0.0, f"{command} &", None, ""))
        return self.wires.ssh.lines(command) if self.wires.ssh is not None else ConsoleLines(self.console, command)

    def tunnel(self, port: int) -> AbstractContextManager[int]:
        """A port here that leads to `port` on the machine's own loopback."""
        assert self.wires.ssh is not None, "tests that need a tunnel are marked needs('ssh')"
        return self.wires.ssh.tunnel(port)

    # ---- sound

    def say(self, clip: Clip) -> None:
        with self.noted(f"say: {clip.text}"):
            self.bench.say(self, clip)

    # ---- for the report

    @contextmanager
    def noted(self, command: str) -> Iterator["Noted"]:
        noted = Noted()
        began = time.time()
        try:
            yield noted
        except BaseException as error:
            noted(None, f"{type(error).__name__}: {error}")
            raise
        finally:
            self.exchanges.append(Exchange(began, time.time() - began, command, noted.status, noted.output))


class Noted:
    """Takes what came of an exchange."""

    status: int | None = None
    output: str = ""

    def __call__(self, status: int | None, output: str) -> None:
        self.status, self.output = status, output


class ConsoleLines:
    """A program whose output goes to a file on the machine, which is read now and then: the console stays free."""

    FOLDER = "/run"

    def __init__(self, console: Console, command: str) -> None:
        self.console = console
        self.file = console.check(f"mktemp {self.FOLDER}/whisper158-lines.XXXXXX")
        self.pid = console.check(f"nohup sh -c {shlex.quote(f'exec {command}')} >{self.file} 2>&1 & echo $!")
        self.taken = 0
        self.lines: list[str] = []

    def next(self, deadline: float) -> str | None:
        while not self.lines:
            alive, _ = self.console.run(f"kill -0 {self.pid}")
            fresh = self.console.check(f"tail -n +{self.taken + 1} {self.file}")
            self.lines = fresh.splitlines()
            self.taken += len(self.lines)
            if not self.lines:
                if alive != 0:
                    return None
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.file} got no new line")
                time.sleep(CONSOLE_LOOK)
        return self.lines.pop(0)

    def close(self) -> None:
        self.console.run(f"kill {self.pid}; rm -f {self.file}")
