# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import os
import time
from pathlib import Path

import pytest

from whisper158.errors import UserError
from whisper158.model import models, silero

ANOTHER = "0123456789ab"


class Packer:
    """Stands in for load() and pack()."""

    def __init__(self) -> None:
        self.packed: list[str] = []
        self.detectors: list[str | None] = []
        self.broken = False

    def load(self, name: str) -> str:
        return name

    def pack(self, checkpoint: str, form: object, out: Path, detector: str | None) -> None:
        self.packed.append(checkpoint)
        self.detectors.append(detector)
        out.write_bytes(b"half")
        if self.broken:
            raise UserError("no room")
        out.write_bytes(b"whole")


@pytest.fixture
def packer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Packer:
    packer = Packer()
    monkeypatch.setenv("WHISPER158_CACHE", str(tmp_path))
    monkeypatch.setattr(models, "load", packer.load)
    monkeypatch.setattr(models, "pack", packer.pack)
    monkeypatch.setattr(silero, "load", lambda: "detector")
    return packer


def test_a_model_is_packed_once(packer: Packer) -> None:
    path = models.ensure("tiny.en-q8")
    assert path.name == "tiny.en-q8.w158"
    assert models.ensure("tiny.en-q8") == path
    assert packer.packed == ["tiny.en"]


def test_another_version_of_the_code_packs_anew(packer: Packer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = models.ensure("tiny.en-q8")
    monkeypatch.setattr(models, "code_version", lambda: ANOTHER)
    second = models.ensure("tiny.en-q8")
    assert first != second
    # The first is kept, because the other version of the code may still be in use.
    assert first.exists()


def test_what_nobody_used_for_long_is_dropped(packer: Packer, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = models.ensure("tiny.en-q8"), models.ensure("tiny.en-f16")
    mine = first.parents[1] / "tiny.en-q8-of-mine"
    mine.mkdir()
    os.utime(mine, (0, 0))
    monkeypatch.setattr(models, "code_version", lambda: ANOTHER)
    long_ago = time.time() - 15 * 86400
    os.utime(first.parent, (long_ago, long_ago))
    os.utime(other.parent, (long_ago, long_ago))
    second = models.ensure("tiny.en-q8")
    assert not first.exists()
    assert second.exists()
    assert other.exists()
    assert mine.exists()


def test_half_a_model_is_not_kept(packer: Packer) -> None:
    packer.broken = True
    with pytest.raises(UserError, match="no room"):
        models.ensure("tiny.en-q8")
    packer.broken = False
    assert models.ensure("tiny.en-q8").read_bytes() == b"whole"


def test_a_path_is_taken_as_it_is(packer: Packer, tmp_path: Path) -> None:
    path = tmp_path / "my.w158"
    path.touch()
    assert models.ensure(str(path)) == path
    with pytest.raises(UserError, match="there is no model file"):
        models.ensure(str(tmp_path / "other.w158"))
    assert packer.packed == []


@pytest.mark.parametrize("name", ["", "-q8", "tiny.en", "tiny.en-", "tiny.en-q9", "tiny.en_q8"])
def test_what_is_no_name_is_said_to_be_none(name: str, packer: Packer) -> None:
    with pytest.raises(UserError, match="is not a model's name"):
        models.ensure(name)


def test_the_default_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    models.show()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.endswith("(default)")]
    assert line.startswith(models.DEFAULT)


def test_a_checkpoint_is_packed_to_a_file(packer: Packer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.w158"
    monkeypatch.setattr(packer, "load", lambda name: name)
    assert models.pack_to("tiny.en-q8", "", str(out)) == out
    assert models.pack_to("some/folder", "q8", str(out)) == out
    assert packer.packed == ["tiny.en", "some/folder"]


def test_models_can_listen_unless_they_are_made_up(packer: Packer, tmp_path: Path) -> None:
    models.ensure("tiny.en-q8")
    models.ensure("random-tiny-q8")
    models.pack_to("tiny.en-q8", "", str(tmp_path / "a.w158"))
    models.pack_to("tiny.en-q8", "", str(tmp_path / "b.w158"), vad=False)
    assert packer.detectors == ["detector", None, "detector", None]
