# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A board on the desk: a serial port, a network, a plug, and a person or a switch that pulls it."""

import re
import shlex
import shutil
import time
from contextlib import suppress
from pathlib import Path

from whisper158 import flags
from whisper158.board import packages, ports, report, serial, ssh
from whisper158.board.console import Console
from whisper158.board.machine import Capability, Machine
from whisper158.board.options import Options
from whisper158.board.person import ask
from whisper158.board.target import Facts, Failed, Target, Upgrade, Wires
from whisper158.board.voice import voice
from whisper158.errors import Usage, UserError, die
from whisper158.evaluate.sounds import Clip
from whisper158.run import run

# A switch that is off for less may not have emptied the board's capacitors.
OFF_SECONDS = 3.0

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:]+(?:%[A-Za-z0-9._-]+)?")  # a name, IPv4, IPv6
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class BoardBench:
    def __init__(self, machine: Machine, options: Options, out: Path) -> None:
        self.machine = machine
        self.options = options
        self.log: Path | None = out / report.CONSOLE if options.serial else None
        self.address = address(options) if options.host else None
        self.boot = b""
        self.voice = voice(options.audio) if options.audio else None
        self.can: frozenset[Capability] = self._can()
        self.facts = Facts.of_checkout(options.model)

    def _can(self) -> frozenset[Capability]:
        able: set[Capability] = {"reboot", "power_cut", "hotplug_microphone", "real_time"}
        if self.address:
            able.add("ssh")
        if self.voice:
            able.add("feed_microphone")
        if self.options.packages:
            able.add("upgrade")
        return frozenset(able)

    def start(self) -> Wires:
        """A board that runs stays as it is; one that does not is switched on."""
        if self.options.power_command:
            self._switch("on")
        return self._connect()

    def reboot(self, wires: Wires) -> Wires:
        # It may be gone before it has answered.
        with suppress(UserError, *ssh.Ssh.ERRORS):
            Target(self.machine, self, wires).run("systemctl reboot")
        return self._reconnect(wires)

    def cut_power(self, wires: Wires) -> Wires:
        if self.options.power_command:
            self._switch("off")
            time.sleep(OFF_SECONDS)
            self._switch("on")
        else:
            ask("Pull the board's power plug, wait three seconds, plug it in again")
        return self._reconnect(wires)

    def save(self, wires: Wires) -> Wires:
        raise NotImplementedError("a board has no snapshots")

    def restore(self, wires: Wires) -> Wires:
        raise NotImplementedError("a board has no snapshots")

    def say(self, target: Target, clip: Clip) -> None:
        assert self.voice is not None, "tests that speak are marked needs('feed_microphone')"
        self.voice(target, clip)

    def upgrade(self, out: Path) -> Upgrade:
        return packages.in_folder(Path(self.options.packages))

    def close(self) -> None:
        """The board goes on."""

    def _switch(self, state: str) -> None:
        run([*switch(self.options.power_command), state])

    def _connect(self) -> Wires:
        console = None
        if self.options.serial:
            console = serial.open_console(self.options.serial, log=self.log, user=self.options.user or "root")
            console.login(self.machine.budget.boot)
        return Wires(console, self._ssh(console))

    def _reconnect(self, wires: Wires) -> Wires:
        if wires.ssh is not None:
            wires.ssh.close()
        if wires.console is not None:
            # What is there now may be a shell that is about to go.
            wires.console.expect("login: *$", self.machine.budget.boot)
            wires.console.forget()
            wires.console.login(self.machine.budget.boot)
        else:
            self._wait_booted_anew()
        return Wires(wires.console, self._ssh(wires.console))

    def _wait_booted_anew(self) -> None:
        """Without a console, that a board went down shows by the name of its boot. That it did not answer for a while
        may have escaped us: a person says that the plug was pulled when all is over."""
        assert self.address is not None
        deadline = time.monotonic() + self.machine.budget.boot
        while True:
            with suppress(*ssh.Ssh.ERRORS):
                connection = ssh.Ssh(self.address, ssh.pinned(self.address))
                try:
                    if boot_of(connection) != self.boot:
                        return
                finally:
                    connection.close()
            if time.monotonic() > deadline:
                raise Failed(
                    f"{self.address}: the board did not go down and come back in {self.machine.budget.boot:.0f} s"
                )
            time.sleep(ssh.RETRY)

    def _ssh(self, console: Console | None) -> ssh.Ssh | None:
        if self.address is None:
            return None
        if console is not None:
            ssh.pin(self.address, ssh.fingerprints(console.check(ssh.PUBLIC_KEYS, self.machine.budget.boot)))
        elif self.options.host_key:
            ssh.pin(self.address, frozenset((self.options.host_key,)))
        keys = ssh.pinned(self.address)
        if not keys:
            die(f"the key of {self.address} is not known", "--serial DEV reads it, --host-key SHA256:... says it")
        connection = ssh.connect(self.address, keys, self.machine.budget.boot)
        self.boot = boot_of(connection)
        return connection


def boot_of(connection: ssh.Ssh) -> bytes:
    """What the kernel calls this boot: another name each time."""
    return connection.run(f"cat {BOOT_ID}", ssh.BANNER)[1].strip()


# ------------------------------------------------------------------------------------------------- what was typed


def check(machine: Machine, options: Options) -> None:
    """Raises UserError for what cannot be meant of a board, and touches none."""
    if not options.serial and not options.host:
        raise Usage(f"{machine.name} needs a way to be reached", "--serial DEV, --host ADDRESS, or both")
    if options.serial:
        ports.check("--serial", options.serial)
    if options.host:
        address(options)
    for name in ("identity", "host_key"):
        if getattr(options, name) and not options.host:
            raise Usage(f"--{name.replace('_', '-')} says nothing without --host", "--host ADDRESS")
    if options.host_key and not FINGERPRINT.fullmatch(options.host_key):
        raise Usage(
            f"--host-key {flags.brief(options.host_key)} is no fingerprint", "ssh-keygen -l prints it: SHA256:..."
        )
    if options.user and not USER.fullmatch(options.user):
        raise Usage(f"--user {flags.brief(options.user)} is no name of a user")
    if options.power_command:
        switch(options.power_command)
    if options.audio:
        voice(options.audio)


def address(options: Options) -> ssh.Address:
    host, colon, port = options.host.rpartition(":") if options.host.count(":") == 1 else (options.host, "", "22")
    if colon:
        flags.whole("--host: the port", port, 1, 65535)
    if not HOST.fullmatch(host):
        raise Usage(f"--host {flags.brief(options.host)} is no address", "HOST or HOST:PORT")
    identity = Path(options.identity).expanduser() if options.identity else None
    if identity is not None:
        flags.file("--identity", identity)
    return ssh.Address(host, int(port), options.user or "root", identity)


def switch(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Usage(f"--power-command {flags.brief(command)}: {error}", "quote it as for a shell") from error
    if not words or shutil.which(words[0]) is None:
        raise Usage(f"--power-command {flags.brief(command)}: there is no such program", "name one that can be run")
    return words
