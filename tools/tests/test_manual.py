# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The manual pages: that they can be made, and that they and `--help` tell of the same commands and options."""

import re
import subprocess
from pathlib import Path

import pytest

from whisper158.build import runtime
from whisper158.paths import RUNTIME

PAGES = sorted((RUNTIME / "man").glob("*.scd"))


def read(page: str) -> str:
    return (RUNTIME / "man" / page).read_text()


def sections(page: str) -> dict[str, str]:
    """A page's text by heading."""
    _, *parts = re.split(r"^# (.+)\n", read(page), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def named(text: str) -> set[str]:
    """Options that stand at the beginning of a line of a help text, or in bold at that of a manual page."""
    lines = re.findall(r"^ *((?:\*?-{1,2}[A-Za-z].*))$", text, flags=re.MULTILINE)
    heads = [re.split(r"  +", line)[0] for line in lines]
    return {option for head in heads for option in re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", head)}


def help_of(*program: str | Path) -> str:
    return subprocess.run([*program, "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()


@pytest.fixture(scope="module")
def commands(whisper158_binary: Path) -> list[str]:
    return re.findall(r"^  ([a-z]+) ", help_of(whisper158_binary), flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_made(page: Path) -> None:
    made = subprocess.run(["scdoc"], input=page.read_bytes(), capture_output=True)
    assert (made.returncode, made.stderr) == (0, b"")
    name, number = page.stem.split(".")
    assert f'.TH "{name}" "{number}"'.encode() in made.stdout


def test_each_command_has_a_section(commands: list[str]) -> None:
    assert "transcribe" in commands
    page = sections("whisper158.1.scd")
    for command in commands:
        assert command.upper() in page
        assert f"*whisper158 {command}*" in page["SYNOPSIS"]


def test_the_manual_has_the_options_of_help(whisper158_binary: Path, commands: list[str]) -> None:
    page = sections("whisper158.1.scd")
    for command in commands:
        told = named(help_of(whisper158_binary, command))
        assert "--help" in told
        assert named(page[command.upper()]) == told, command


def test_the_daemons_manual_has_the_options_of_help() -> None:
    told = named(help_of(runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"))
    assert {"--http", "--wyoming", "--device"} < told
    assert named("".join(sections("whisper158d.8.scd").values())) == told
