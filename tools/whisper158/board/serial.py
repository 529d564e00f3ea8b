# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Serial ports, set up as the board's UART wants them: 115200 8N1, raw, without flow control."""

import errno
import fcntl
import os
import stat
import termios
from pathlib import Path
from typing import Any, NoReturn

from pexpect import fdpexpect

from whisper158.board.console import Console
from whisper158.board.ports import known_ports
from whisper158.errors import die

SPEED = termios.B115200


def open_console(port: str, *, log: Path | None = None, user: str = "root", password: str | None = None) -> Console:
    return Console(open_port(port), log=log, user=user, password=password)


def open_port(port: str) -> Any:
    """A pexpect stream of bytes on `port`, which nobody else may open meanwhile."""
    try:
        # Without waiting for a carrier: three wires have none.
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        refuse(port, error)
    try:
        claim(descriptor, port)
        configure(descriptor)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return fdpexpect.fdspawn(descriptor, timeout=None)


def claim(descriptor: int, port: str) -> None:
    if not stat.S_ISCHR(os.fstat(descriptor).st_mode) or not os.isatty(descriptor):
        die(f"{port} is not a serial port", known_ports())
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.ioctl(descriptor, termios.TIOCEXCL)
    except OSError:
        die(f"{port} is in use by another program", "close it there: two readers would each get half of the text")


def configure(descriptor: int) -> None:
    # No byte means anything to the driver; the receiver is on whatever the modem lines say; closing does not hang up.
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    characters = termios.tcgetattr(descriptor)[6]
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSANOW, [0, 0, control, 0, SPEED, SPEED, characters])
    termios.tcflush(descriptor, termios.TCIFLUSH)


def refuse(port: str, error: OSError) -> NoReturn:
    if error.errno == errno.EACCES:
        die(f"{port} may not be opened by you", "sudo usermod --append --groups dialout $USER, and log in anew")
    if error.errno == errno.EBUSY:
        die(f"{port} is in use by another program", "close it there")
    if error.errno == errno.ENOENT:
        die(f"there is no serial port {port}", known_ports())
    die(f"{port} cannot be opened as a serial port: {error.strerror}", known_ports())
