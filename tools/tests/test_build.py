# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How the runtime's builds are set up; that they work, the runtime's own tests show."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper158 import needs
from whisper158.build import runtime, sysroot
from whisper158.errors import UserError
from whisper158.paths import RUNTIME
from whisper158.run import Command, CommandError, run, spelled

PLAIN = runtime.Variant("plain", "for the test", ("-Dcli=disabled",))


class Tools:
    """Stands in for meson and ninja: notes what is run; `meson setup` makes the folder, or fails when told to."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.version = "1.0"
        self.broken = False

    def __call__(self, command: Command, env: dict[str, str] | None = None) -> str:
        words = [os.fspath(word) for word in command]
        if words[1] == "--version":
            return self.version
        self.commands.append(" ".join([Path(words[0]).name, *words[1:]]))
        if words[1] == "setup":
            Path(words[-2]).mkdir(parents=True)
            if self.broken:
                raise CommandError("meson failed")
        return ""

    def setups(self) -> int:
        return sum(" setup " in command for command in self.commands)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tools:
    tools = Tools()
    monkeypatch.setattr(runtime, "run", tools)
    monkeypatch.setattr(runtime, "BUILD", tmp_path / "build")
    monkeypatch.setattr(needs, "debian", lambda *_: None)
    return tools


def test_a_build_is_set_up_once(tools: Tools) -> None:
    assert runtime.build(PLAIN) == runtime.build(PLAIN) == PLAIN.folder
    assert tools.setups() == 1
    assert sum(command.startswith("ninja") for command in tools.commands) == 2


def test_it_is_set_up_again_for_other_options_or_another_meson(tools: Tools) -> None:
    runtime.build(PLAIN)
    runtime.build(runtime.Variant("plain", "for the test", ("-Dcli=enabled",)))
    assert tools.setups() == 2
    tools.version = "2.0"
    runtime.build(PLAIN)
    assert tools.setups() == 3


def test_half_a_setup_is_done_again(tools: Tools) -> None:
    tools.broken = True
    with pytest.raises(UserError):
        runtime.build(PLAIN)
    tools.broken = False
    runtime.build(PLAIN)
    assert tools.setups() == 2


def test_builds_lie_outside_of_the_layer() -> None:
    for variant in (runtime.NATIVE, runtime.ASAN, runtime.FUZZ, runtime.AARCH64):
        assert not variant.folder.is_relative_to(RUNTIME.parent)


def test_the_board_has_no_instructions_that_the_emulator_would_let_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "it's a \\ folder"
    monkeypatch.setattr(sysroot, "sysroot", lambda: root)
    text = sysroot.cross_file(tmp_path / "cross.ini").read_text()
    assert "-mcpu=cortex-a73" in text
    assert f"exe_wrapper = ['qemu-aarch64', '-cpu', 'cortex-a72', '-L', {sysroot.meson_text(str(root))}]" in text


@given(st.lists(st.text(st.characters(exclude_categories=("Cc", "Cs")))))
def test_meson_reads_what_was_written(texts: Sequence[str]) -> None:
    """Meson reads a list of strings in a cross file as Python does."""
    assert eval(sysroot.meson_list(*texts)) == list(texts)


def test_spelled_can_be_typed() -> None:
    assert run(["sh", "-c", spelled(["printf", "%s|", "a b", "it's"])]) == "a b|it's|"
