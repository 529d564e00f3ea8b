# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Other programs: as argument lists, quiet while they work, quoted when they fail."""

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from whisper158.errors import UserError, die

Command = Sequence[str | os.PathLike[str]]

# Of a failed program's output, what is shown: its last lines nearly always name the cause.
LAST_LINES = 40
# Where Debian has mke2fs, depmod and others that need no root; the PATH of an ordinary user does not lead there.
ADMINISTRATORS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


class CommandError(UserError):
    """A program that we needed ended badly."""


def run(command: Command, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs `command` and returns its standard output as text.

    `env` is added to the environment. A status other than zero raises CommandError with the last lines of what the
    program wrote to either stream.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except (FileNotFoundError, PermissionError) as error:
        absent(command, error)
    if done.returncode == 0:
        return done.stdout
    said = (done.stdout + done.stderr).splitlines()[-LAST_LINES:]
    raise CommandError(f"{spelled(command)} {ending(done.returncode)}", "\n  ".join(said) or None)


def show(command: Command, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """Runs `command` on our own standard streams and returns its exit status (128 + signal, as a shell would)."""
    try:
        code = subprocess.run(command, cwd=cwd, env=environment(env or {})).returncode
    except (FileNotFoundError, PermissionError) as error:
        absent(command, error)
    return code if code >= 0 else 128 - code


def end_with_us() -> None:
    """For preexec_fn: has the kernel interrupt that process when its parent is gone: killed, or its terminal closed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def environment(added: Mapping[str, str]) -> dict[str, str]:
    env = {**os.environ, **added}
    return env | {"PATH": os.pathsep.join((env.get("PATH") or os.defpath, *ADMINISTRATORS))}


def tool(name: str) -> str:
    """A program that came with a Python package, by its path."""
    return str(Path(sys.executable).with_name(name))


def absent(command: Command, error: OSError) -> NoReturn:
    """That there is none is also what a folder in PATH that may not be entered makes a PermissionError of."""
    if isinstance(error, PermissionError) and shutil.which(command[0]):
        raise error
    die(f"the program {os.fspath(command[0])} is not installed")


def spelled(command: Command) -> str:
    return shlex.join(os.fspath(word) for word in command)


def ending(code: int) -> str:
    return f"failed with status {code}" if code > 0 else f"was ended by signal {-code}"
