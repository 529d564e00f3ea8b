# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from whisper158.errors import UserError
from whisper158.model import golden, models, shipped
from whisper158.model.pack import FORMATS, pack


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A layer without models, and an empty cache"""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "files")
    monkeypatch.setenv("WHISPER158_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def model(folder: Path) -> Path:
    path = folder / "some.w158"
    pack(golden.golden(), FORMATS["t158"], path)
    return path


def test_a_model_that_was_installed_is_there_by_its_name(model: Path) -> None:
    compressed = shipped.install(str(model))
    assert compressed.stat().st_size < model.stat().st_size
    (name,) = shipped.names()
    assert models.ensure(name).read_bytes() == model.read_bytes()
    # A newer one takes its place, also in the cache.
    other = model.with_name("other.w158")
    pack(golden.golden(), FORMATS["f16"], other)
    shipped.install(str(other))
    assert shipped.names() == [name] and models.ensure(name).read_bytes() == other.read_bytes()


def test_a_damaged_one_is_named_and_leaves_nothing(model: Path, folder: Path) -> None:
    compressed = shipped.install(str(model))
    compressed.write_bytes(compressed.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"{compressed.name}: damaged"):
        models.ensure(shipped.names()[0])
    assert not list((folder / "cache" / "blobs").glob("*/*.w158"))


def test_too_large_a_model_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "LARGEST", 1000)
    with pytest.raises(UserError, match="more than 1000"):
        shipped.install(str(model))
    assert shipped.names() == []


def test_what_is_no_blob_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="not a whisper158 blob"):
        shipped.install(__file__)
    with pytest.raises(UserError, match="cannot be read"):
        shipped.install(str(folder / "absent.w158"))
