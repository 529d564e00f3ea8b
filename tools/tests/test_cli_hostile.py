# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Every option of every command with values that nobody should give: an answer in words, a status, no crash."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., subprocess.CompletedProcess[bytes]]

VALUES: list[str | bytes] = [
    "",
    "-1",
    "0",
    "nan",
    "1e99",
    "99999999999999999999",
    "x" * 5000,
    b"\xff\xfe\x1b[2J",
    ".",
    "/dev/full",
    "absent",
]
STATUSES = {0, 1, *range(os.EX_USAGE, os.EX_CONFIG + 1)}

# With these a command has all it needs, and little to do.
COMPLETE: dict[str, list[str]] = {
    "transcribe": ["--model={model}", "{model}"],  # a file that is not audio
    "info": ["{model}"],
    "bench": ["--repeat=1", "--seconds=0.1", "--tokens=5", "{model}"],
    "tune": ["--budget=0.01", "--cache={folder}/cache", "{model}"],
    "selftest": ["--data=absent"],
    "devices": [],
    "listen": ["--socket={folder}/absent"],
    "stats": ["--socket={folder}/absent"],
}


def options(cli: Cli, command: str) -> list[str]:
    """Those that take a value."""
    text = cli(command, "--help").stdout.decode()
    return re.findall(r"^ +(?:-\w, )?(--[a-z-]+) [A-Z]", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMPLETE)
def test_values_that_nobody_should_give(cli: Cli, golden: Path, tmp_path: Path, command: str) -> None:
    words = [word.format(model=golden, folder=tmp_path) for word in COMPLETE[command]]
    given = options(cli, command)
    assert given or command == "info"
    for option in given:
        for value in VALUES:
            raw = value if isinstance(value, bytes) else value.encode()
            done = cli(command, *words[:-1], option.encode() + b"=" + raw, *words[-1:], cwd=tmp_path)
            told = done.stderr.decode(errors="replace")
            assert done.returncode in STATUSES, (option, value, told)
            assert "\x1b" not in told and "Sanitizer" not in told
            assert all(line.startswith("whisper158: ") for line in told.splitlines()), told
            if done.returncode:
                assert 1 <= len(told.splitlines()) <= 2 or command == "selftest", told
                assert command == "selftest" or done.stdout == b"", (option, value)


def test_every_command_is_tried(cli: Cli) -> None:
    table = cli("--help").stdout.decode().partition("Commands\n")[2]
    assert set(re.findall(r"^  ([a-z]+) ", table, re.MULTILINE)) == set(COMPLETE)
