# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What root leaves in somebody's checkout is theirs again afterwards."""

import os
from pathlib import Path

import pytest

from whisper158.sudo import hand_back

SOMEBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can own what is not the caller's")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    home = tmp_path / "checkout"
    (home / "build" / "flash").mkdir(parents=True)
    (home / "build" / "flash" / "console.log").write_text("U-Boot\n")
    (home / "build" / "latest").symlink_to("/etc/passwd")
    (home / "tasks.py").write_text("")
    (home / ".venv.lock").write_text("")
    os.chown(home, SOMEBODY, SOMEBODY)
    return home


def owner(path: Path) -> int:
    return path.lstat().st_uid


def test_what_root_left_is_handed_back(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(SOMEBODY))
    hand_back(checkout)
    left = ("build", "build/flash", "build/flash/console.log", "build/latest", ".venv.lock")
    assert {owner(checkout / name) for name in left} == {SOMEBODY}
    assert owner(checkout / "tasks.py") == 0, "that is no work of ours"
    assert owner(Path("/etc/passwd")) == 0, "links are not followed"


@pytest.mark.parametrize("caller", ["", "0", "1000", "-1", "somebody"])
def test_nobody_else_gets_anything(checkout: Path, caller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", caller)
    hand_back(checkout)
    assert owner(checkout / "build" / "flash" / "console.log") == 0


def test_folders_that_lie_elsewhere_are_left_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = checkout.parent / "elsewhere"
    (checkout / "build").rename(elsewhere)
    (checkout / "build").symlink_to(elsewhere)
    monkeypatch.setenv("SUDO_UID", str(SOMEBODY))
    hand_back(checkout)
    assert owner(elsewhere / "flash") == 0
