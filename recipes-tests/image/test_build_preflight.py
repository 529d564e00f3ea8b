# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What is looked at before a build, one thing at a time; test_build_image.py sees what is said of it."""

import dataclasses
import locale
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from whisper158.build import preflight
from whisper158.build.kas import Folders, Machine
from whisper158.needs import Unavailable

GB = preflight.GB


def conditions(folder: Path, board: bool = False, options: tuple[str, ...] = ()) -> preflight.Conditions:
    where = Folders(folder / "work", folder / "work" / "build", folder / "downloads", folder / "sstate")
    return preflight.Conditions(Machine("m", "image", board), options, board, False, where)


def disk(monkeypatch: pytest.MonkeyPatch, free: int, inodes: int = 10**8, files: int = 10**9) -> None:
    status = SimpleNamespace(f_bavail=free, f_frsize=1, f_files=files, f_favail=inodes)
    monkeypatch.setattr(os, "statvfs", lambda path: status)


@pytest.mark.parametrize(
    ("board", "started", "free", "complains"),
    [
        (True, False, 149, True),
        (True, False, 151, False),
        (False, False, 51, False),
        (False, False, 49, True),
        # What was begun has most of it already.
        (True, True, 16, False),
        (True, True, 14, True),
    ],
)
def test_room_on_the_disk(
    board: bool, started: bool, free: int, complains: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = conditions(tmp_path, board)
    if started:
        (asked.where.build / "tmp").mkdir(parents=True)
    disk(monkeypatch, free * GB)
    found = list(preflight.room(asked))
    assert bool(found) == complains
    assert all(problem.soft and f"{free} GB free" in problem.what for problem in found)


def test_inodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 500 * GB, inodes=1000)
    assert "room for 1000 files" in next(preflight.room(conditions(tmp_path))).what
    # File systems without a table of inodes.
    disk(monkeypatch, 500 * GB, inodes=0, files=0)
    assert not list(preflight.room(conditions(tmp_path)))


@pytest.mark.parametrize(("size", "jobs"), [(2, 1), (8, 4), (64, 6)])
def test_memory_decides_how_many_at_a_time(size: int, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: size * GB // 4096 + 1 if name == "SC_PHYS_PAGES" else 4096)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)))
    assert preflight.jobs() == jobs
    assert bool(list(preflight.memory())) == (size < 8)


@pytest.mark.parametrize("name", ["a b", "a+b", "a@b", "größe", "50%", "x" * 210])
def test_names_that_break_builds(name: str, tmp_path: Path) -> None:
    assert list(preflight.place(tmp_path / name))


def test_a_good_place_need_not_exist(tmp_path: Path) -> None:
    folder = Path("/var/tmp") / "whisper158-absent" / "below"
    assert not list(preflight.place(folder))
    assert not folder.parent.exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in next(preflight.place(tmp_path / "file" / "work")).what


def test_file_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    table = "/dev/a / ext4 rw 0 0\nnas:/x /home nfs4 rw 0 0\n/dev/b /home/me/build btrfs rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda path: table)
    assert preflight.file_system(Path("/homeless")) == "ext4"
    assert preflight.file_system(Path("/home/me")) == "nfs4"
    assert preflight.file_system(Path("/home/me/build/tmp")) == "btrfs"


def test_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert preflight.case_matters(tmp_path)
    assert not list(tmp_path.iterdir())
    real = Path.exists
    folded = lambda path: real(Path(str(path).replace(".whisper158-A", ".whisper158-a")))  # noqa: E731
    monkeypatch.setattr(Path, "exists", folded)
    assert not preflight.case_matters(tmp_path)


def test_the_locale_stays_what_it_was() -> None:
    before = locale.setlocale(locale.LC_ALL)
    preflight.has_locale()
    assert locale.setlocale(locale.LC_ALL) == before


def test_force_is_for_advice_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    soft, hard = preflight.Problem("little", "more", soft=True), preflight.Problem("none", "some")
    monkeypatch.setattr(preflight, "find", lambda conditions: [soft])
    preflight.ensure(conditions(tmp_path), force=True)
    assert "Going on although little" in capsys.readouterr().err
    with pytest.raises(Unavailable, match="--force"):
        preflight.ensure(conditions(tmp_path), force=False)
    monkeypatch.setattr(preflight, "find", lambda conditions: [soft, hard])
    with pytest.raises(Unavailable, match="1 thing stands in the way") as caught:
        preflight.ensure(conditions(tmp_path), force=True)
    assert "none: some" in str(caught.value) and "--force" not in str(caught.value)


@pytest.mark.parametrize(("machine", "complains"), [("sl1680", True), ("qemuarm64", False)])
def test_only_what_qemu_knows_is_booted_in_it(machine: str, complains: bool, tmp_path: Path) -> None:
    """BitBake would find out when the image is built, after hours."""
    usual = conditions(tmp_path, options=("testimage",))
    asked = dataclasses.replace(usual, machine=Machine(machine, "image", False))
    found = [problem.what for problem in preflight.person(asked) if "testimage" in problem.what]
    assert bool(found) == complains and all("which does not know sl1680" in what for what in found)
