# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""An emulated board: one QEMU, in a private folder with all its files, that never outlives us.

    with Emulator(image) as board:
        board.boot(timeout=900)
        board.console.login()
        board.console.check("systemctl start whisper158d")
        board.microphone.say(board.pid, sound)
        board.power_cut()

The processor is a Cortex-A72: as an A73, it is an ARMv8.0 and traps what came later. What the machine writes goes to an
overlay in the folder; the image stays as it was built.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

from pexpect import fdpexpect

from whisper158.board.console import Console
from whisper158.board.microphone import Microphone
from whisper158.board.monitor import Monitor
from whisper158.build.emulator.image import Image
from whisper158.build.layer import WYOMING_PORT
from whisper158.build.sysroot import EMULATED_CPU
from whisper158.errors import UserError, die
from whisper158.run import run

# Ports of the guest that the host reaches, and what they are called.
PORTS = {"ssh": 22, "wyoming": WYOMING_PORT}
KERNEL_LINE = "console=ttyAMA0 quiet net.ifnames=0"
# The guest's time goes by its instructions, 2 ns (1 << shift) for each, and by the host's clock only while it waits. On
# a slow or busy host it lives more slowly, but it loses no sample, and no timer in it runs out early.
ICOUNT = "shift=1"
# Under such a clock they take turns, so that more are no faster: as many as it takes to be several.
PROCESSORS = 2
MEMORY = 512  # MiB
STARTS = 30.0  # seconds until QEMU answers


class EmulatorError(UserError):
    """QEMU did not start, or ended."""


class Bootable(Protocol):
    """Files that QEMU boots from. It never writes to them."""

    @property
    def root(self) -> Path: ...

    @property
    def kernel(self) -> Path: ...

    @property
    def initrd(self) -> Path | None: ...

    @property
    def kernel_line(self) -> str:
        """What the kernel has to be told beyond KERNEL_LINE."""


@dataclass(frozen=True)
class Hardware:
    """What a saved state cannot be changed from."""

    processors: int = PROCESSORS
    memory: int = MEMORY
    qemu: str = "qemu-system-aarch64"

    def arguments(self, image: Bootable) -> list[str]:
        return [
            *("-M", "virt,gic-version=2", "-cpu", EMULATED_CPU, "-accel", "tcg", "-icount", ICOUNT),
            *("-smp", str(self.processors), "-m", f"{self.memory}M", "-nodefaults", "-display", "none"),
            *("-kernel", str(image.kernel), *(("-initrd", str(image.initrd)) if image.initrd else ())),
            *("-append", f"{KERNEL_LINE} {image.kernel_line}".rstrip()),
        ]


class Emulator:
    """`folder`, by default a temporary one that goes in the end, holds disk, sockets and logs.

    `image` is the folder of an image for the emulator, or any other files that boot. The console's log may lie
    elsewhere, in `log`.
    """

    def __init__(
        self,
        image: Path | Bootable,
        *,
        folder: Path | None = None,
        hardware: Hardware | None = None,
        log: Path | None = None,
    ) -> None:
        self.image: Bootable = Image(image) if isinstance(image, Path) else image
        self.hardware = hardware or Hardware()
        self.temporary = None if folder else tempfile.TemporaryDirectory(prefix="whisper158-")
        self.folder = folder or Path(self.temporary.name if self.temporary else "")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.disk = self.folder / "disk.qcow2"
        self.console_log = log or self.folder / "console.log"
        self.microphone = Microphone(self.folder)
        self.process: subprocess.Popen[bytes] | None = None
        self._console: Console | None = None
        self._monitor: Monitor | None = None

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.power_cut()
        if self.temporary:
            self.temporary.cleanup()

    # ---- what there is while the power is on

    @property
    def console(self) -> Console:
        return self._console or die("the emulated machine has no console: it is off, or its console is on the terminal")

    @property
    def monitor(self) -> Monitor:
        return self._monitor or die("the emulated machine is off")

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else die("the emulated machine is off")

    @property
    def is_on(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def qemu_log(self) -> Path:
        """What QEMU itself complained about."""
        return self.folder / "qemu.log"

    def port(self, name: str) -> int:
        """The port on 127.0.0.1 that leads to the guest's (see PORTS)."""
        return forwarded(self.monitor.command("info usernet"), PORTS[name])

    def cpu_seconds(self) -> float:
        """What QEMU has cost the host since the power came on."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # ---- power

    def power_on(
        self, *, state: Path | None = None, terminal: bool = False, ports: dict[str, int] | None = None
    ) -> None:
        """Starts the machine with the disk as it was left, or going on from what save() put into the file `state`.

        With `terminal`, the console is ours to type at instead of a Console. `ports` chooses the host's.
        """
        if self.is_on:
            die("the emulated machine is on already")
        if state:
            run(["cp", "--sparse=always", "--reflink=auto", state, self.disk])
        elif not self.disk.exists():
            backing = f"backing_file={self.image.root},backing_fmt=raw"
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", backing, self.disk])
        command = self.command(terminal, ports or {}) + (["-loadvm", STATE] if state else [])
        for left in self.folder.glob("*.socket"):
            left.unlink()
        with self.qemu_log.open("ab") as log:
            self.process = start(command, log, self.microphone.environment, terminal)
        try:
            self.connect(terminal)
        except BaseException:
            self.power_cut()
            raise

    def boot(self, timeout: float) -> None:
        """Power on, until there is a login. What is typed earlier would be tried as names when it comes."""
        self.power_on()
        self.console.expect(r"\blogin: ", timeout)

    def command(self, terminal: bool, ports: dict[str, int]) -> list[str]:
        forwards = [f"hostfwd=tcp:127.0.0.1:{ports.get(name, 0)}-:{guest}" for name, guest in PORTS.items()]
        serial = "mon:stdio" if terminal else f"unix:{self.socket_path('tty')},server=on,wait=on"
        return [
            # Should we be killed, QEMU goes too.
            *("setpriv", "--pdeathsig", "KILL", self.hardware.qemu),
            *self.hardware.arguments(self.image),
            # Whether the host has written everything to its disk is no matter of ours: it will not lose its power.
            *("-drive", f"file={self.disk},if=none,id=disk,format=qcow2,cache=unsafe"),
            *("-device", "virtio-blk-device,drive=disk"),
            # No way out: what a guest reaches is what asks it.
            *("-netdev", ",".join(["user,id=net,restrict=on", *forwards]), "-device", "virtio-net-device,netdev=net"),
            *self.microphone.arguments,
            *("-qmp", f"unix:{self.socket_path('qmp')},server=on,wait=off"),
            *("-serial", serial),
        ]

    def socket_path(self, name: str) -> Path:
        return self.folder / f"{name}.socket"

    def connect(self, terminal: bool) -> None:
        if not terminal:
            # QEMU waits for this before it starts the guest, so that nothing is missed.
            stream = fdpexpect.fdspawn(self.await_socket(self.socket_path("tty")).detach())
            self._console = Console(stream, log=self.console_log)
        self._monitor = Monitor(self.await_socket(self.socket_path("qmp")))

    def await_socket(self, path: Path) -> socket.socket:
        end = time.monotonic() + STARTS
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(path))
                return connection
            except OSError:
                connection.close()
                if not self.is_on or time.monotonic() > end:
                    raise EmulatorError("QEMU did not start", self.complaint()) from None
                time.sleep(0.02)

    def complaint(self) -> str:
        return self.qemu_log.read_text(errors="replace").strip()[-2000:] or f"it said nothing ({self.qemu_log})"

    def power_cut(self) -> None:
        """Off, in the middle of whatever it is doing. The disk stays as it is."""
        if self.process:
            self.process.kill()
        self.gone()

    def await_end(self) -> int:
        """Waits until QEMU ends by itself; returns its status."""
        if self.process is None:
            die("the emulated machine is off")
        status = self.process.wait()
        self.gone()
        return status

    def gone(self) -> None:
        if self._console:
            self._console.close()
        if self._monitor:
            self._monitor.close()
        if self.process:
            self.process.wait()
        self.process = self._console = self._monitor = None

    # ---- states

    def save(self, target: Path) -> None:
        """Puts all that the machine is, memory and disk, into the file `target`, and cuts the power."""
        if complaint := self.monitor.command(f"savevm {STATE}"):
            raise EmulatorError("QEMU could not save the machine", complaint)
        self.power_cut()
        shutil.move(self.disk, target)


STATE = "ready"


def start(command: list[str], log: IO[bytes], environment: dict[str, str], terminal: bool) -> subprocess.Popen[bytes]:
    streams = (None, None) if terminal else (subprocess.DEVNULL, log)
    try:
        return subprocess.Popen(
            command,
            stdin=streams[0],
            stdout=streams[1],
            stderr=log,
            env={**os.environ, **environment},
            # A group of its own, or an interrupt that is meant for us would reach it first.
            start_new_session=not terminal,
        )
    except FileNotFoundError:
        die(f"the program {command[0]} is not installed")


def forwarded(table: str, guest: int) -> int:
    """The host's port that leads to the port `guest`, in what `info usernet` prints."""
    pattern = rf"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+{guest}\b"
    found = re.search(pattern, table)
    return int(found[1]) if found else die(f"QEMU forwards no port of the host's to the guest's {guest}")
