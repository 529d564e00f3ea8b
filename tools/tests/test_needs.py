# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from whisper158 import needs
from whisper158.errors import UserError
from whisper158.run import CommandError, run


class Recorder:
    """Stands in for run(): keeps the commands, and fails those that `fails` names as often as it says."""

    def __init__(self, fails: dict[str, int] | None = None) -> None:
        self.commands: list[list[str]] = []
        self.fails = fails or {}

    def __call__(self, command: list[str], env: dict[str, str] | None = None) -> str:
        self.commands.append([str(word) for word in command])
        for word in self.fails:
            if word in command and self.fails[word] > 0:
                self.fails[word] -= 1
                raise CommandError(f"{word} failed")
        return ""


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    packages = ["flac", "sox"]
    monkeypatch.setitem(needs.DEBIAN, "test", tuple(packages))
    monkeypatch.setattr(needs, "missing_packages", lambda wanted: [name for name in wanted if name in packages])
    yield packages


def test_users_get_the_command_to_type(monkeypatch: pytest.MonkeyPatch, missing: list[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(needs, "run", Recorder())
    with pytest.raises(needs.Unavailable) as caught:
        needs.debian("test")
    assert caught.value.status == os.EX_UNAVAILABLE == 69
    assert caught.value.hint == "sudo apt-get install --no-install-recommends flac sox"


def test_root_gets_them_installed(monkeypatch: pytest.MonkeyPatch, missing: list[str]) -> None:
    recorder = Recorder()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(needs, "run", recorder)
    needs.debian("test")
    (command,) = recorder.commands
    assert command[0] == "apt-get"
    assert command[-3:] == ["flac", "sox", "--yes"]


def test_lists_are_fetched_only_when_the_first_try_fails(monkeypatch: pytest.MonkeyPatch, missing: list[str]) -> None:
    recorder = Recorder({"install": 1})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(needs, "run", recorder)
    needs.debian("test")
    assert ["update" in command for command in recorder.commands] == [False, True, False]


def test_nothing_is_run_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch, missing: list[str]) -> None:
    missing.clear()
    recorder = Recorder()
    monkeypatch.setattr(needs, "run", recorder)
    needs.debian("test")
    assert recorder.commands == []


def test_what_dpkg_knows() -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("this is not a Debian system")
    assert needs.missing_packages(["dpkg", "no-such-package", "libc6"]) == ["no-such-package"]


def test_every_package_exists_in_debian() -> None:
    """A typing error in the lists would show on a fresh machine only."""
    if shutil.which("apt-cache") is None:
        pytest.skip("this is not a Debian system")
    names = sorted({package for packages in needs.DEBIAN.values() for package in packages})
    known = run(["apt-cache", "pkgnames"]) + run(["dpkg-query", "--show", "--showformat=${Package}\n"])
    assert set(names) <= set(known.split())


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Recorder]:
    """A group `late` that needs `early`, to be installed into an environment that is only a folder."""
    recorder = Recorder()
    (tmp_path / "requirements").mkdir()
    for name in ("early", "late"):
        (tmp_path / "requirements" / f"{name}.lock").write_text(f"{name}==1 --hash=sha256:0\n")
    monkeypatch.setattr(needs, "REQUIREMENTS", tmp_path / "requirements")
    monkeypatch.setattr(needs, "PYTHON", {"early": (), "late": ("early",)})
    monkeypatch.setattr(needs, "run", recorder)
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    yield recorder


def lock_files(recorder: Recorder) -> list[str]:
    return [Path(command[-1].removeprefix("--requirement=")).name for command in recorder.commands]


def test_a_group_is_installed_once_and_after_what_it_needs(group: Recorder) -> None:
    needs.python("late")
    needs.python("late")
    assert lock_files(group) == ["early.lock", "late.lock"]
    assert all("--require-hashes" in command for command in group.commands)


def test_a_group_is_installed_again_when_its_lock_file_changed(group: Recorder, tmp_path: Path) -> None:
    needs.python("late")
    (tmp_path / "requirements" / "late.lock").write_text("late==2 --hash=sha256:1\n")
    needs.python("late")
    assert lock_files(group) == ["early.lock", "late.lock", "late.lock"]


def test_a_failed_installation_is_tried_again(group: Recorder) -> None:
    group.fails = {"install": 1}
    with pytest.raises(UserError):
        needs.python("early")
    needs.python("early")
    assert lock_files(group) == ["early.lock", "early.lock"]


def test_an_unknown_group_is_named(group: Recorder) -> None:
    with pytest.raises(UserError, match="no group of Python packages named 'never'"):
        needs.python("never")


def test_torch_is_held_by_its_version_alone() -> None:
    assert needs.requirements("torch") == ["torch==2.13.0"]
    assert "--hash" not in " ".join(needs.requirements("torch"))
