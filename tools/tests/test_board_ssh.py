# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Boards over the network, played by a server in this process that runs what it is told in a shell here."""

import dataclasses
import hashlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
import pytest

from whisper158.board import physical, ssh
from whisper158.board.machine import SL1680
from whisper158.board.open import open_target
from whisper158.board.options import Options
from whisper158.board.target import Failed
from whisper158.errors import UserError
from whisper158.paths import GOLDEN

KEY = paramiko.RSAKey.generate(2048)
FINGERPRINT = ssh.fingerprint(KEY.asbytes())
# Seconds; the machine may be busy.
PATIENCE = 60.0


class Policy(paramiko.ServerInterface):  # type: ignore[misc]
    """Lets in whoever has no key, as images do that are made for developers; or nobody."""

    def __init__(self, open_to_all: bool) -> None:
        self.open_to_all = open_to_all

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,none"

    def check_auth_none(self, username: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL if self.open_to_all else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        threading.Thread(target=serve, args=(channel, command.decode()), daemon=True).start()
        return True

    def check_channel_direct_tcpip_request(self, chanid: int, origin: Any, destination: tuple[str, int]) -> int:
        threading.Thread(target=self.forward, args=(chanid, destination), daemon=True).start()
        return int(paramiko.OPEN_SUCCEEDED)

    transport: Any = None

    def forward(self, chanid: int, destination: tuple[str, int]) -> None:
        channel = self.transport.accept(PATIENCE)
        with socket.create_connection(destination) as connection:
            connection.sendall(channel.recv(1000))
            channel.sendall(connection.recv(1000))
            channel.close()


def serve(channel: Any, command: str) -> None:
    # The client has to hear that the command begins before it hears that it has ended: the answer to this question,
    # which no client understands, is read after that was sent.
    channel.get_transport().global_request("is-there@whisper158", wait=True)
    process: Any = subprocess.Popen(
        ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    )
    threading.Thread(target=feed, args=(channel, process.stdin), daemon=True).start()
    # Channels are closed by clients who have heard enough.
    with suppress(OSError, EOFError):
        while piece := process.stdout.read(4096):
            channel.sendall(piece)
        channel.send_exit_status(process.wait())
        channel.close()
    process.kill()
    process.wait()
    process.stdout.close()


def feed(channel: Any, stdin: Any) -> None:
    with suppress(OSError, ValueError):
        while piece := channel.recv(4096):
            stdin.write(piece)
    with suppress(OSError):
        stdin.close()


@dataclass
class Server:
    port: int
    transports: list[Any] = field(default_factory=list)
    open_to_all: bool = True

    @property
    def address(self) -> ssh.Address:
        return ssh.Address("127.0.0.1", self.port)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("WHISPER158_CACHE", str(tmp_path / "cache"))
    # Keys of whoever runs the tests are nobody's business.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Server(listener.getsockname()[1])
        threading.Thread(target=accept, args=(listener, made), daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
    for transport in made.transports:
        transport.close()


def accept(listener: socket.socket, made: Server) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            transport = paramiko.Transport(connection)
            transport.add_server_key(KEY)
            policy = Policy(made.open_to_all)
            policy.transport = transport
            made.transports.append(transport)
            with suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=policy)


@pytest.fixture
def board(server: Server) -> Iterator[ssh.Ssh]:
    connection = ssh.connect(server.address, frozenset((FINGERPRINT,)), PATIENCE)
    yield connection
    connection.close()


def test_a_command_gives_its_status_and_both_of_its_streams(board: ssh.Ssh) -> None:
    assert board.run("echo out; echo err >&2; exit 37", PATIENCE) == (37, b"out\nerr\n")


def test_a_command_gets_what_is_sent(board: ssh.Ssh) -> None:
    content = bytes(range(256)) * 1000
    status, output = board.run("cat", PATIENCE, content)
    assert (status, output) == (0, content)


def test_a_command_need_not_read_what_is_sent(board: ssh.Ssh) -> None:
    assert board.run("exit 3", PATIENCE, bytes(10_000_000)) == (3, b"")


def test_a_command_that_takes_too_long_is_told_of(board: ssh.Ssh) -> None:
    with pytest.raises(TimeoutError, match="sleep 20"):
        board.run("sleep 20", 0.2)


def test_a_file_is_there_whole_or_not_at_all(board: ssh.Ssh, tmp_path: Path) -> None:
    target = tmp_path / "it's a file"
    board.put(b"content", str(target), PATIENCE)
    assert target.read_bytes() == b"content"
    with pytest.raises(UserError, match="cannot write /nowhere/file"):
        board.put(b"content", "/nowhere/file", PATIENCE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name]


def test_lines_come_as_they_are_written(board: ssh.Ssh) -> None:
    lines = board.lines("echo one; echo two; sleep 1; echo three")
    deadline = time.monotonic() + PATIENCE
    assert [lines.next(deadline) for _ in range(4)] == ["one", "two", "three", None]


def test_lines_that_do_not_come_are_told_of(board: ssh.Ssh) -> None:
    with pytest.raises(TimeoutError):
        board.lines("sleep 20").next(time.monotonic() + 0.2)


def test_a_tunnel_leads_to_the_boards_own_ports(board: ssh.Ssh) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as service,
        board.tunnel(service.getsockname()[1]) as port,
        socket.create_connection(("127.0.0.1", port), PATIENCE) as client,
    ):
        client.sendall(b"ping")
        there, _ = service.accept()
        with there:
            assert there.recv(10) == b"ping"
            there.sendall(b"pong")
        assert client.recv(10) == b"pong"


def test_another_key_is_an_error_that_says_so(server: Server) -> None:
    with pytest.raises(UserError, match="has another key than it should: SHA256:") as caught:
        ssh.connect(server.address, frozenset(("SHA256:other",)), PATIENCE)
    assert FINGERPRINT in str(caught.value) and "boards.json" in str(caught.value)


def test_nobody_is_let_in_without_a_key(server: Server) -> None:
    server.open_to_all = False
    with pytest.raises(UserError, match="lets nobody in as root"):
        ssh.connect(server.address, frozenset((FINGERPRINT,)), PATIENCE)


def test_nobody_answers(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = ssh.Address("127.0.0.1", closed.getsockname()[1])
    with pytest.raises(ssh.Unreachable, match="did not answer within 0 s"):
        ssh.connect(address, frozenset((FINGERPRINT,)), 0.3)


@pytest.mark.usefixtures("server")
def test_keys_are_remembered_and_a_change_is_an_error() -> None:
    address = ssh.Address("board")
    assert ssh.pinned(address) == frozenset()
    ssh.pin(address, frozenset(("SHA256:a", "SHA256:b")))
    assert ssh.pinned(address) == {"SHA256:a", "SHA256:b"}
    ssh.pin(address, frozenset(("SHA256:b", "SHA256:c")))  # one of its keys is new
    with pytest.raises(UserError, match="has other keys than it had"):
        ssh.pin(address, frozenset(("SHA256:d",)))
    assert ssh.pinned(address) == {"SHA256:b", "SHA256:c"}


@pytest.mark.usefixtures("server")
def test_a_board_without_keys_is_not_remembered_as_one() -> None:
    address = ssh.Address("board")
    with pytest.raises(UserError, match="the board has no key of an SSH server"):
        ssh.pin(address, frozenset())
    assert not ssh.pins_file().exists()
    ssh.pin(address, frozenset(("SHA256:a",)))
    assert ssh.pinned(address) == {"SHA256:a"}


def test_keys_that_openembedded_makes_at_the_first_connection_are_made_before(tmp_path: Path) -> None:
    """Dropbear of OpenEmbedded-Core 5.0 has none on a board that has just been flashed."""
    (tmp_path / "key.pub").write_text(f"{KEY.get_name()} {KEY.get_base64()} root@board\n")
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\n[ "$*" = "start dropbearkey.service" ] && touch {tmp_path}/key\n')
    dropbearkey = tmp_path / "dropbearkey"
    dropbearkey.write_text(f"#!/bin/sh\ncat {tmp_path}/key.pub\n")
    for program in (systemctl, dropbearkey):
        program.chmod(0o755)
    command = ssh.PUBLIC_KEYS.replace("/etc/dropbear/dropbear_*_host_key", str(tmp_path / "key"))
    command = command.replace("/etc/ssh/", f"{tmp_path}/ssh/")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    said = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True).stdout
    assert ssh.fingerprints(said) == {FINGERPRINT}


@pytest.mark.usefixtures("server")
def test_a_damaged_list_of_keys_is_told_of() -> None:
    ssh.pins_file().parent.mkdir()
    ssh.pins_file().write_text("{")
    with pytest.raises(UserError, match=r"boards\.json is damaged"):
        ssh.pinned(ssh.Address("board"))


@pytest.fixture
def options(server: Server, tmp_path: Path) -> Options:
    """Of a board that is reached over the network alone; its switch writes down what it was told."""
    switch = tmp_path / "switch"
    switch.write_text(f"#!/bin/sh\necho $1 >>{tmp_path}/switched\n")
    switch.chmod(0o755)
    shutil.copy(GOLDEN, tmp_path / "model.w158")
    return Options(
        model=str(tmp_path / "model.w158"),
        host=str(server.address),
        host_key=FINGERPRINT,
        power_command=str(switch),
    )


def test_a_board_is_reached_by_the_key_that_was_said(options: Options, tmp_path: Path) -> None:
    target = open_target(SL1680, options, tmp_path)
    target.start()
    assert target.run("echo $((6 * 7))") == (0, "42")
    assert (tmp_path / "switched").read_text() == "on\n"
    assert target.bench.facts.model_sha256 == hashlib.sha256(GOLDEN.read_bytes()).hexdigest()
    target.close()


def test_a_board_whose_key_nobody_knows_is_not_talked_to(options: Options, tmp_path: Path) -> None:
    target = open_target(SL1680, dataclasses.replace(options, host_key=""), tmp_path)
    with pytest.raises(UserError, match=r"the key of .* is not known"):
        target.start()


@pytest.mark.parametrize("refused", [0, 2])
def test_a_power_cut_is_off_and_on_again(
    options: Options, refused: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the board has gone shows by its being another boot, whether or not anybody saw it not answer."""
    monkeypatch.setattr(physical, "OFF_SECONDS", 0.0)
    monkeypatch.setattr(physical, "BOOT_ID", tmp_path / "switched")
    target = open_target(SL1680, options, tmp_path)
    target.start()
    first = target.wires.ssh
    gone = iter([OSError("gone")] * refused)
    real = ssh.Ssh.__init__

    def once_gone(self: ssh.Ssh, address: ssh.Address, fingerprints: frozenset[str]) -> None:
        for error in gone:
            raise error
        real(self, address, fingerprints)

    monkeypatch.setattr(ssh.Ssh, "__init__", once_gone)
    target.cut_power()
    assert (tmp_path / "switched").read_text() == "on\noff\non\n"
    assert target.wires.ssh is not first and target.run("true") == (0, "")
    target.close()


def test_a_board_that_does_not_go_down_is_told_of(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(physical, "OFF_SECONDS", 0.0)
    target = open_target(SL1680, dataclasses.replace(options, power_command="true"), tmp_path)
    target.start()
    hasty = dataclasses.replace(SL1680, budget=dataclasses.replace(SL1680.budget, boot=0.0))
    monkeypatch.setattr(target.bench, "machine", hasty)
    with pytest.raises(Failed, match="the board did not go down and come back in 0 s"):
        target.cut_power()
    target.close()


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    line = f"{KEY.get_name()} {KEY.get_base64()} root@board"
    (tmp_path / "key.pub").write_text(line)
    printed = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    noise = "Public key portion is:\nssh-rsa !!!\n"
    assert ssh.fingerprints(f"{noise}{line}\n") == {printed.stdout.split()[1]} == {FINGERPRINT}
