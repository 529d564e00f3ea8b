# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A release: one version everywhere, a bill of materials that is whole, the same bytes when it is made again."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from whisper158 import needs
from whisper158.build import layer, runtime
from whisper158.errors import UserError
from whisper158.model.pack import FORMATS
from whisper158.paths import LAYER, REQUIREMENTS, ROOT, RUNTIME
from whisper158.release import parts, reproduce
from whisper158.run import run


def test_the_version_is_one() -> None:
    """The recipes' names are held against it in recipes-tests/layer."""
    version = layer.version()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["version"] == version
    newest = re.search(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == version


# ---- what it is made of


def test_libraries_are_those_that_the_recipe_asks_for() -> None:
    (recipe,) = (layer.RECIPES / "whisper158").glob("whisper158_*.bb")
    text = recipe.read_text()
    asked = re.findall(r'^DEPENDS = "(.*)"', text, re.MULTILINE)
    asked += re.findall(r'^PACKAGECONFIG\[(?:cli|daemon)\] = "[^,]*,[^,]*,([^,"]*)"', text, re.MULTILINE)
    assert {name for names in asked for name in names.split()} == {library.recipe for library in parts.LIBRARIES}


def test_the_files_licences_are_what_reuse_says() -> None:
    toml = (ROOT / "REUSE.toml").read_text()
    for file in parts.FILES:
        if file.licence != parts.OURS:
            name = re.escape(str(file.path.relative_to(ROOT)))
            assert re.search(rf'path = "{name}"[^\[]*SPDX-License-Identifier = "{file.licence}"', toml)


def test_the_notice_of_what_is_compiled_in_is_the_header_s_own() -> None:
    """And the package that it is compiled into says so."""
    needs.debian("native")
    title, notice = (LAYER / "COPYING.xxhash").read_text().split("\n\n", 1)
    header = run(["gcc", "-E", "-CC", "-include", "xxhash.h", "-x", "c", "/dev/null"])
    assert "libwhisper158" in title
    assert " ".join(notice.split()) in " ".join(re.sub(r"^ \*", "", header, flags=re.MULTILINE).split())
    (recipe,) = (layer.RECIPES / "whisper158").glob("whisper158_*.bb")
    assert 'LICENSE:lib${BPN} = "MIT & BSD-2-Clause"\n' in recipe.read_text()


def test_the_packages_are_all_that_are_locked() -> None:
    locked = {
        name for lock in REQUIREMENTS.glob("*.lock") for name in re.findall(r"^([a-z0-9-]+)==", lock.read_text(), re.M)
    }
    packages = parts.packages()
    assert {package.name for package in packages} == locked
    assert all(package.hashes and package.groups for package in packages)


def test_the_document_on_licences_names_all_that_is_shipped() -> None:
    text = (ROOT / "docs" / "release.md").read_text()
    for library in parts.LIBRARIES:
        assert f"| {library.recipe} | {library.licence} |" in text
    for file in parts.FILES:
        assert f"| {file.path.name} | {file.licence} |" in text
    for model in parts.models():
        assert f"| {model.name}.w158 | {model.licence} |" in text


def test_the_bill_of_materials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sbom = pytest.importorskip("whisper158.release.sbom", reason="needs cyclonedx-python-lib: ./inv install release")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    out = tmp_path / "a folder" / "bill.json"
    sbom.write(out)
    first = out.read_bytes()
    sbom.write(out)
    assert out.read_bytes() == first
    assert [path.name for path in out.parent.iterdir()] == ["bill.json"]
    bill = json.loads(first)
    assert (bill["specVersion"], bill["metadata"]["component"]["version"]) == ("1.6", layer.version())
    known = {component["bom-ref"]: component for component in bill["components"]}
    assert known["libsndfile1"]["licenses"] == [{"license": {"id": "LGPL-2.1-only"}}]
    for model in parts.models():
        assert known[f"{model.name}.w158"]["hashes"][0]["content"] == model.sha256
        assert known[f"{model.name}:source"]["hashes"][0]["content"] == model.provenance["source_sha256"]
        assert "Silero" in known[f"{model.name}:vad_source"]["description"]
    assert all(f"pkg:pypi/{package.name}@{package.version}" in known for package in parts.packages())


def test_a_time_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    sbom = pytest.importorskip("whisper158.release.sbom", reason="needs cyclonedx-python-lib: ./inv install release")
    for value in ("soon", "-9999999999999999", "9" * 30):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
        with pytest.raises(UserError, match="is not a number of seconds"):
            sbom.commit_time()


# ---- the same bytes


def test_the_runtime_is_the_same_from_another_place(tmp_path: Path) -> None:
    """Without optimisation, which takes most of the time; ./inv release.reproduce builds as the board's image does."""
    plain = replace(runtime.NATIVE, options=("-Dbuildtype=plain", "-Ddaemon=disabled", "-Dman=disabled"))
    first, second = (reproduce.build(plain, tmp_path / place) for place in reproduce.PLACES)
    assert {"usr/local/bin/whisper158", "usr/local/include/whisper158.h"} < first.keys()
    assert reproduce.differences(first, second) == []


def test_a_difference_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="x is not the same when it is made again: b, c, d differ"):
        reproduce.report("x", {"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_a_model_is_the_same_packed_again(tmp_path: Path, format: str) -> None:
    first, second = reproduce.pack_twice(reproduce.PACK_GOLDEN, format, tmp_path)
    assert first == second


def test_nothing_of_the_runtime_asks_for_the_time_of_its_build() -> None:
    for path in RUNTIME.rglob("*.[ch]"):
        assert not re.search(r"__(DATE|TIME|TIMESTAMP)__", path.read_text(encoding="utf-8", errors="replace")), path
