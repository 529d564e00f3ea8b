# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The model's recipe: a model of the layer by name, or any file by path and sha256; what is wrong is one sentence."""

import hashlib
import lzma
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from layer.bitbake import Build
from layer.conftest import MODEL

from whisper158.build import layer as ours
from whisper158.model import shipped
from whisper158.paths import LAYER, MODELS

MakeBuild = Callable[..., Build]

PACKAGE = "whisper158-model"
ZEROS = "0" * 64
SHARED = str(ours.INSTALLED_MODELS)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_model_of_the_layer(make_build: MakeBuild, model: Path) -> None:
    root, files = make_build().run(PACKAGE)
    assert files == dict.fromkeys((f"{SHARED}/{MODEL}.w158", f"{SHARED}/default.w158"), PACKAGE)
    installed = root / SHARED.lstrip("/")
    assert (installed / f"{MODEL}.w158").read_bytes() == model.read_bytes()
    assert (installed / "default.w158").readlink() == Path(f"{MODEL}.w158")


def test_the_metadata_tell_where_it_comes_from(make_build: MakeBuild) -> None:
    recipe = make_build().recipes()[PACKAGE]
    assert (recipe["LICENSE"], recipe["PACKAGE_ARCH"]) == ("MIT", "all")
    assert "source=generated" in recipe["DESCRIPTION"]


def test_a_file_from_outside(make_build: MakeBuild, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.en-q8.w158"
    shutil.copy(model, file)
    settings = {"WHISPER158_MODEL_FILE": str(file), "WHISPER158_MODEL_SHA256": digest(file)}
    build = make_build(**settings)
    root, files = build.run(PACKAGE)
    assert files == dict.fromkeys((f"{SHARED}/tiny.en-q8.w158", f"{SHARED}/default.w158"), PACKAGE)
    assert (root / SHARED.lstrip("/") / "default.w158").read_bytes() == model.read_bytes()
    # Nobody said who may have it.
    assert build.recipes()[PACKAGE]["LICENSE"] == "CLOSED"


def test_a_file_called_default(make_build: MakeBuild, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "default.w158"
    shutil.copy(model, file)
    settings = {"WHISPER158_MODEL_FILE": str(file), "WHISPER158_MODEL_SHA256": digest(file)}
    _, files = make_build(**settings).run(PACKAGE)
    assert files == {f"{SHARED}/default.w158": PACKAGE}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"WHISPER158_MODEL": ""}, "WHISPER158_MODEL is empty: set it to the name of a model of the layer"),
        (
            {"WHISPER158_MODEL": "absent"},
            "the layer has no model absent (WHISPER158_MODEL): ./inv model.install puts",
        ),
        (
            {"WHISPER158_MODEL_FILE": "relative.w158"},
            "WHISPER158_MODEL_FILE is 'relative.w158', and must be the abs",
        ),
        ({"WHISPER158_MODEL_FILE": "/etc/a;b.w158"}, "and must be the absolute path of a file with a plain name"),
        ({"WHISPER158_MODEL_FILE": "/nowhere/a.w158"}, "there is no file /nowhere/a.w158 (WHISPER158_MODEL_FILE)"),
        ({"WHISPER158_MODEL_FILE": "{model}"}, "WHISPER158_MODEL_SHA256 must be the 64 digits that sha256sum prints"),
        (
            {
                "WHISPER158_MODEL_FILE": "{model}",
                "WHISPER158_MODEL_SHA256": ZEROS,
                "WHISPER158_MODEL_LICENSE": "Mine",
            },
            "WHISPER158_MODEL_LICENSE is 'Mine', and of Mine there is no text",
        ),
    ],
)
def test_what_cannot_be_is_a_sentence(
    make_build: MakeBuild, model: Path, settings: dict[str, str], sentence: str
) -> None:
    build = make_build(**{name: value.format(model=model) for name, value in settings.items()})
    skipped = build.recipes()[PACKAGE]["skipped"]
    assert sentence in skipped and "\n" not in skipped
    # Who asks for it all the same hears that, and no traceback.
    answer = build.ask("run", PACKAGE)
    assert answer.value is None and sentence in answer.said and "Traceback" not in answer.said


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_comes_later_is_seen(make_build: MakeBuild, model: Path, tmp_path: Path, there: bool) -> None:
    """BitBake keeps what it has parsed, also that a recipe was skipped."""
    path = model if there else tmp_path / "later.w158"
    recipe = make_build(WHISPER158_MODEL_FILE=str(path), WHISPER158_MODEL_SHA256=ZEROS).recipes()[PACKAGE]
    assert str(path) in recipe["parsed_from"]
    assert there or "there is no file" in recipe["skipped"]


def test_another_file_than_the_one_that_was_meant(make_build: MakeBuild, model: Path) -> None:
    settings = {"WHISPER158_MODEL_FILE": str(model), "WHISPER158_MODEL_SHA256": ZEROS}
    answer = make_build(**settings).ask("run", PACKAGE)
    assert answer.value is None
    assert f"has the sha256 {digest(model)}, and WHISPER158_MODEL_SHA256 says {ZEROS}: it is another" in answer.said


def test_a_damaged_model_of_the_layer(make_build: MakeBuild, layer: Path, tmp_path: Path) -> None:
    copy = tmp_path / layer.name
    shutil.copytree(layer, copy)
    recipe = copy / MODELS.relative_to(LAYER) / f"{MODEL}.inc"
    recipe.write_text(re.sub(r'(MODEL_SHA256 =) "\w+"', rf'\1 "{ZEROS}"', recipe.read_text()))
    answer = Build(tmp_path / "build", copy, (), {"WHISPER158_MODEL": MODEL}).ask("run", PACKAGE)
    assert answer.value is None and "it is another model, or damaged" in answer.said


def test_the_layer_s_own_models_are_what_it_says_of_them() -> None:
    names = shipped.names()
    # Where it comes with any, the one that nobody has to choose is among them.
    assert not names or ours.default_model() in names
    for name in names:
        told = (shipped.FOLDER / f"{name}.inc").read_text()
        content = lzma.decompress((shipped.FOLDER / f"{name}{shipped.SUFFIX}").read_bytes())
        provenance = (shipped.FOLDER / f"{name}.provenance").read_bytes()
        assert f'WHISPER158_MODEL_SHA256 = "{hashlib.sha256(content).hexdigest()}"\n' in told
        assert f'"file://{name}.provenance;md5={hashlib.md5(provenance).hexdigest()}"\n' in told
