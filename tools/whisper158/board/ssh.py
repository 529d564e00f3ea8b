# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A board's shell over the network, from a host whose key is known beforehand.

Files go through `cat`, not SFTP, because small images have no server for it.
"""

import base64
import hashlib
import json
import shlex
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from whisper158 import whole
from whisper158.cache import cache_dir
from whisper158.errors import UserError, die

PIECE = 32768
# A board that still boots refuses connections, or (behind QEMU's network) takes them and says nothing.
RETRY = 0.5
BANNER = 30.0
# sshd's own idea of it leaves out the programs of an administrator.
PATH = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; "
# Servers of ssh that boards have, OpenSSH and Dropbear, and where those keep their keys. OpenEmbedded's make them when
# somebody first connects, and who has to know the key before that would never get there.
PUBLIC_KEYS = (
    "for unit in dropbearkey sshdgenkeys; do systemctl start $unit.service 2>/dev/null; done; "
    "cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null; "
    "for key in /etc/dropbear/dropbear_*_host_key /var/lib/dropbear/dropbear_*_host_key; do "
    '[ -f "$key" ] && dropbearkey -y -f "$key"; done 2>/dev/null; true'
)


class Unreachable(UserError):
    """There is no shell at that address."""


@dataclass(frozen=True)
class Address:
    host: str
    port: int = 22
    user: str = "root"
    # A file with a private key; without it, those of the agent and of ~/.ssh, and then no key at all, which images with
    # an empty password for root accept.
    identity: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Ssh:
    """A connection. Whatever is asked of one that broke raises OSError or paramiko's errors (ERRORS)."""

    ERRORS = (OSError, EOFError, paramiko.SSHException)

    def __init__(self, address: Address, fingerprints: frozenset[str]) -> None:
        self.address = address
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(Pinned(str(address), fingerprints))
        try:
            _log_in(self.client, address)
        except BaseException:
            self.client.close()
            raise

    def close(self) -> None:
        self.client.close()

    def run(self, command: str, timeout: float, send: bytes = b"") -> tuple[int, bytes]:
        """Status, and what it wrote to both of its streams."""
        deadline = time.monotonic() + timeout
        with self.channel(command, timeout) as channel:
            channel.set_combine_stderr(True)
            channel.exec_command(PATH + command)
            try:
                channel.sendall(send)
                channel.shutdown_write()
            except OSError:
                # A command may end before it has read all.
                if not channel.closed or not channel.get_transport().is_active():
                    raise
            output = b"".join(_pieces(channel, deadline, command))
            if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
                raise TimeoutError(f"{command!r} took more than {timeout:.0f} s")
            return channel.recv_exit_status(), output

    def lines(self, command: str) -> "Lines":
        """What it writes, as it writes it."""
        channel = self._session(command, BANNER)
        channel.exec_command(PATH + command)
        return Lines(channel)

    def put(self, content: bytes, path: str, timeout: float) -> None:
        """The file has its name only when it is whole."""
        draft = shlex.quote(f"{path}.draft")
        status, output = self.run(f"cat >{draft} && mv {draft} {shlex.quote(path)}", timeout, content)
        if status != 0:
            die(f"{self.address}: cannot write {path}: {output.decode(errors='replace').strip()}")

    @contextmanager
    def channel(self, command: str, timeout: float) -> Iterator[Any]:
        channel = self._session(command, timeout)
        try:
            yield channel
        finally:
            channel.close()

    def _session(self, command: str, timeout: float) -> Any:
        transport = self.client.get_transport()
        if transport is None:
            raise EOFError("the connection is closed")
        deadline = time.monotonic() + timeout
        try:
            return transport.open_session(timeout=timeout)
        except paramiko.SSHException as error:
            if time.monotonic() < deadline:
                raise
            raise TimeoutError(f"{command!r} could not begin in time") from error

    @contextmanager
    def tunnel(self, port: int) -> Iterator[int]:
        """A port here that leads to `port` on the board's own loopback."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=self._forward, args=(server, port), daemon=True).start()
            try:
                yield int(server.getsockname()[1])
            finally:
                # Wakes the thread, which close() would not.
                server.shutdown(socket.SHUT_RDWR)

    def _forward(self, server: socket.socket, port: int) -> None:
        with suppress(*self.ERRORS):
            while True:
                here, source = server.accept()
                transport = self.client.get_transport()
                assert transport is not None
                there = transport.open_channel("direct-tcpip", ("127.0.0.1", port), source, timeout=BANNER)
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()


class Lines:
    """Lines of a program that goes on. `next` waits for one up to a deadline (time.monotonic())."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.pending = b""

    def next(self, deadline: float) -> str | None:
        """None: it has ended. Raises TimeoutError."""
        while b"\n" not in self.pending:
            self.channel.settimeout(max(0.01, deadline - time.monotonic()))
            piece = self.channel.recv(PIECE)
            if not piece:
                return None
            self.pending += piece
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace")

    def close(self) -> None:
        self.channel.close()


def connect(address: Address, fingerprints: frozenset[str], timeout: float) -> Ssh:
    """Tries until the board answers, since it may be about to boot."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return Ssh(address, fingerprints)
        except paramiko.AuthenticationException:
            die(f"{address} lets nobody in as {address.user} with the keys that are here", "--identity FILE names one")
        except Ssh.ERRORS as error:
            if time.monotonic() > deadline:
                raise Unreachable(f"{address} did not answer within {timeout:.0f} s ({error})") from error
            time.sleep(RETRY)


def _log_in(client: paramiko.SSHClient, address: Address) -> None:
    own = address.identity is not None
    try:
        client.connect(
            address.host,
            port=address.port,
            username=address.user,
            key_filename=str(address.identity) if own else None,
            allow_agent=not own,
            look_for_keys=not own,
            timeout=BANNER,
            banner_timeout=BANNER,
            auth_timeout=BANNER,
        )
    except (paramiko.AuthenticationException, paramiko.SSHException) as error:
        transport = client.get_transport()
        # paramiko says "No authentication methods available" with an SSHException where there is no key to try.
        if own or transport is None or not transport.is_active():
            raise
        try:
            transport.auth_none(address.user)
        except paramiko.SSHException:
            raise paramiko.AuthenticationException(str(error)) from error


def _pieces(channel: Any, deadline: float, command: str) -> Iterator[bytes]:
    while True:
        channel.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            piece = channel.recv(PIECE)
        except TimeoutError:
            raise TimeoutError(f"{command!r} did not end in time") from None
        if not piece:
            return
        yield piece


def _pump(source: Any, sink: Any) -> None:
    with suppress(*Ssh.ERRORS):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    for end in (source, sink):
        with suppress(*Ssh.ERRORS):
            end.shutdown(socket.SHUT_WR if end is sink else socket.SHUT_RD)


# ------------------------------------------------------------------------------------------------------ whose key it is


class Pinned(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Since paramiko is told of no key, it asks here about each."""

    def __init__(self, name: str, fingerprints: frozenset[str]) -> None:
        self.name = name
        self.fingerprints = fingerprints

    def missing_host_key(self, client: object, hostname: str, key: Any) -> None:
        if (found := fingerprint(key.asbytes())) not in self.fingerprints:
            die(
                f"{self.name} has another key than it should: {found}, not {' or '.join(sorted(self.fingerprints))}",
                f"if the board was flashed anew, remove its line from {pins_file()}; else somebody may be in between",
            )


def fingerprint(key: bytes) -> str:
    """As ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def fingerprints(public_keys: str) -> frozenset[str]:
    """Of all lines in `public_keys` that are keys in OpenSSH's form, `ssh-ed25519 AAAA... comment`."""
    found = set[str]()
    for line in public_keys.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0].startswith(("ssh-", "ecdsa-")):
            with suppress(ValueError):
                found.add(fingerprint(base64.b64decode(words[1], validate=True)))
    return frozenset(found)


def pins_file() -> Path:
    return cache_dir() / "boards.json"


def pinned(address: Address) -> frozenset[str]:
    """What is known of the board at `address` from earlier."""
    return frozenset(_pins().get(str(address), ()))


def pin(address: Address, keys: frozenset[str]) -> None:
    """Remembers `keys`; that they differ from those known is an error unless there were none."""
    if not keys:
        die(f"{address}: the board has no key of an SSH server", "its image needs Dropbear or OpenSSH; see its console")
    pins = _pins()
    known = pins.get(str(address))
    if known and not keys & set(known):
        die(
            f"{address} has other keys than it had: {' '.join(sorted(keys))}",
            f"if the board was flashed anew, remove its line from {pins_file()}",
        )
    pins[str(address)] = sorted(keys)
    path = pins_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.write(path, json.dumps(pins, indent=1) + "\n")


def _pins() -> dict[str, Sequence[str]]:
    try:
        pins = json.loads(pins_file().read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        die(f"{pins_file()} is damaged ({error})", "remove it; boards are then learnt anew")
    return pins if isinstance(pins, dict) else {}
