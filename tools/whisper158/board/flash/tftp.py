# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Does a TFTP server give out what the board will ask for? One packet of RFC 1350 tells."""

import socket
import struct
from pathlib import Path

from whisper158.errors import die

PORT = 69
READ, DATA, ERROR = 1, 3, 5
BLOCK = 512
TRIES = 3
PATIENCE = 2.0  # seconds


def first_block(server: str, name: str) -> bytes:
    """The first 512 bytes of a file. Nobody acknowledges them, so the server soon gives up on the rest."""
    request = struct.pack("!H", READ) + name.encode() + b"\0octet\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(PATIENCE)
        for _ in range(TRIES):
            connection.sendto(request, (server, PORT))
            try:
                answer = connection.recvfrom(4 + BLOCK)[0]
            except OSError:
                continue
            kind = struct.unpack("!H", answer[:2])[0] if len(answer) >= 4 else 0
            if kind == ERROR:
                reason = answer[4:].rstrip(b"\0").decode(errors="replace")
                die(f"the TFTP server at {server} does not give out {name}: {reason}", "is its folder --tftp-root?")
            if kind == DATA:
                return answer[4:]
    die(f"no TFTP server answers at {server}", "sudo apt-get install tftpd-hpa, whose folder is /srv/tftp")


def check(server: str, folder: Path) -> None:
    """Raises UserError unless `server` gives out this very copy of an image."""
    for path in sorted(folder.glob("emmc_*_list")):
        name = f"{folder.name}/{path.name}"
        with path.open("rb") as file:
            if first_block(server, name) != file.read(BLOCK):
                die(f"the TFTP server at {server} gives out another {name} than {path}", "name its folder: --tftp-root")


def address_towards(host: str) -> str:
    """By which of our addresses `host` can reach us."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        try:
            # Sends nothing: it only looks up the route.
            connection.connect((host, PORT))
        except OSError as error:
            die(f"there is no route to {host}: {error.strerror}", "name the server's address with --server")
        return str(connection.getsockname()[0])
