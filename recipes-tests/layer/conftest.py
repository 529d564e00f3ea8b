# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The layer as a build would take it, with a model in it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from layer.bitbake import Build

from whisper158 import needs
from whisper158.model import golden, shipped
from whisper158.model.pack import FORMATS, pack
from whisper158.paths import LAYER, MODELS

MODEL = "golden"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of made-up weights, small enough to be packed at once."""
    path = tmp_path_factory.mktemp("model") / f"{MODEL}.w158"
    pack(golden.golden(), FORMATS["t158"], path)
    return path


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A copy of the layer, in which the model `golden` is installed."""
    copy = tmp_path_factory.mktemp("layer") / LAYER.name
    shutil.copytree(LAYER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "FOLDER", copy / MODELS.relative_to(LAYER))
        shipped.install(str(model))
    return copy


@pytest.fixture(scope="session")
def make_build(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> Callable[..., Build]:
    """`make_build(NAME="value")` is a fresh build with these settings, and the small model unless they choose one."""
    needs.debian("cross")

    def make(*others: Path, **settings: str) -> Build:
        chosen = {"WHISPER158_MODEL": MODEL, **settings}
        return Build(tmp_path_factory.mktemp("build"), layer, others, chosen)

    return make
