# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import hashlib
import re
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


def fields(text: str) -> dict[str, str]:
    """Settings NAME = "VALUE" of a BitBake file, lines that go on joined."""
    return dict(re.findall(r'^(\w+) = "(.*)"$', text.replace("\\\n", ""), re.MULTILINE))


def test_the_recipe_is_told_what_to_fetch_and_by_whose_leave(model: Path, folder: Path) -> None:
    (name,) = [shipped.install(str(model)).name.removesuffix(shipped.SUFFIX)]
    told = fields((folder / "files" / f"{name}.inc").read_text())
    provenance = (folder / "files" / f"{name}.provenance").read_bytes()
    assert told["SRC_URI"].split() == [f"file://{name}.w158.xz", f"file://{name}.provenance"]
    assert told["WHISPER158_MODEL_SHA256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert told["LICENSE"] == "MIT"
    assert told["LIC_FILES_CHKSUM"] == f"file://{name}.provenance;md5={hashlib.md5(provenance).hexdigest()}"
    assert "source=generated" in told["DESCRIPTION"] and b"source=generated\n" in provenance


def test_it_can_be_done_again_and_undone(model: Path, folder: Path) -> None:
    shipped.install(str(model))
    first = {path.name: path.read_bytes() for path in (folder / "files").iterdir()}
    shipped.install(str(model))
    assert {path.name: path.read_bytes() for path in (folder / "files").iterdir()} == first
    shipped.remove(shipped.names()[0])
    assert list((folder / "files").iterdir()) == []
    with pytest.raises(UserError, match="the layer has no model 'golden'"):
        shipped.remove("golden")


def labelled(folder: Path, **provenance: str) -> str:
    path = folder / "labelled.w158"
    pack(golden.golden(), FORMATS["t158"], path, provenance=provenance)
    return str(path)


def test_nothing_that_a_model_says_of_itself_runs(folder: Path) -> None:
    shipped.install(labelled(folder, training='"${@os.system(1)}"\\'))
    text = (folder / "files" / "golden.inc").read_text()
    assert "training=?" in text and "$" not in text and "{" not in text
    assert set(fields(text)) == {"SRC_URI", "WHISPER158_MODEL_SHA256", "LICENSE", "LIC_FILES_CHKSUM", "DESCRIPTION"}


def test_licences_are_those_of_spdx(folder: Path) -> None:
    shipped.install(labelled(folder, licence="MIT AND CC-BY-4.0"))
    assert fields((folder / "files" / "golden.inc").read_text())["LICENSE"] == "MIT & CC-BY-4.0"
    for wrong in ("", "as you like", "${@1} AND MIT"):
        with pytest.raises(UserError, match="for a licence"):
            shipped.install(labelled(folder, licence=wrong))


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
