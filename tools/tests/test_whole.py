# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What is written is there whole, or the old is, and nothing else."""

import errno
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from whisper158 import pip, whole
from whisper158.errors import UserError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with whole.replacing(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == ["a"]
    whole.write(path, "für")
    assert path.read_bytes() == b"f\xc3\xbcr"
    whole.write(path, b"\0")
    assert path.read_bytes() == b"\0"


def test_others_may_read_it_as_far_as_the_mask_allows(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        whole.write(tmp_path / "a", "")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_is_broken_off_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(error), whole.replacing(path) as draft:
        draft.write_text("half")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["a"]


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    for path, cure in ((tmp_path / "none" / "a", "Make the directory"), (tmp_path / "folder", "Name a file")):
        with pytest.raises(UserError) as caught:
            whole.write(path, "text")
        assert caught.value.message.startswith(f"{path}: cannot be written: ")
        assert cure in (caught.value.hint or "")
    assert names(tmp_path) == ["folder"]


def test_an_error_of_another_file_is_not_blamed_on_this_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole.replacing(tmp_path / "a") as draft:
        draft.write_bytes((tmp_path / "source").read_bytes())
    assert names(tmp_path) == []


FULL = """
import sys
from pathlib import Path
from whisper158 import whole
from whisper158.errors import UserError
try:
    if sys.argv[2] == "checkpoint":
        from whisper158.train import saving
        saving.save(Path(sys.argv[1]), saving.Saved(0, 0, 0, "", "", 0, "", {}, {}, {"a": bytes(100000)}))
    else:
        whole.write(Path(sys.argv[1]), bytes(100000))
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["file", "checkpoint"])
def test_a_limit_is_a_disk_that_is_full(tmp_path: Path, what: str) -> None:
    """Checkpoints are written by PyTorch."""
    if what == "checkpoint":
        pytest.importorskip("torch", reason="needs ./inv install torch")
    path = tmp_path / "a"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, what],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000)),
    )
    assert f"{path}: cannot be written: {os.strerror(errno.EFBIG)}" in done.stdout, done.stderr
    assert path.read_text() == "old" and names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying (Retry(total=0\nERROR: No matching distribution", "cannot be reached"),
        ("ERROR: No matching distribution found", "does not have it"),
        ("something\nelse\n", "pip says 'else'"),
        ("", "pip says 'nothing'"),
    ],
)
def test_why_pip_failed(log: str, cause: str) -> None:
    assert cause in pip.why(log)[0]
