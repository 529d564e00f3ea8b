# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Results of an evaluation or a measurement that other code would not have: they are told from what is wanted now."""

import shutil
from pathlib import Path

import pytest

from whisper158.errors import UserError
from whisper158.evaluate.accuracy import pytorch
from whisper158.evaluate.bench import bench, ggml_file, peer_files
from whisper158.evaluate.bench.store import FILE, Store
from whisper158.model import models

PACKAGE = Path(models.__file__).parents[1]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the project's modules, to be changed"""
    return Path(shutil.copytree(PACKAGE, tmp_path / "whisper158", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize(
    "module", ["model/weights", "model/ternary", "evaluate/simulate", "evaluate/accuracy/greedy", "evaluate/original"]
)
def test_what_pytorch_hears_is_known_by_the_code_that_decides_it(
    module: str, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pytorch.source()
    monkeypatch.setattr(pytorch, "PACKAGE", package)
    assert pytorch.source() == before
    with (package / f"{module}.py").open("a") as file:
        file.write("MORE = 1\n")
    assert pytorch.source() != before


@pytest.mark.parametrize(("module", "decides"), [("run_whispercpp", True), ("ggml_file", True), ("table", False)])
def test_a_measurement_is_known_by_the_code_that_takes_it(
    module: str, decides: bool, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.measuring()
    folder = package / "evaluate" / "bench"
    monkeypatch.setattr(bench, "__file__", str(folder / "bench.py"))
    with (folder / f"{module}.py").open("a") as file:
        file.write("MORE = 1\n")
    assert (bench.measuring() != before) == decides


def test_a_peers_file_is_known_by_the_code_that_reads_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    before = peer_files.entry("tiny.en-F16", ggml_file)
    assert peer_files.entry("tiny.en-F16", ggml_file) == before
    monkeypatch.setattr(models, "code_version", lambda: "another")
    assert peer_files.entry("tiny.en-F16", ggml_file) != before


def test_what_is_no_text_is_no_measurement(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe\n")
    with pytest.raises(UserError, match=f"{FILE} is damaged"):
        Store(tmp_path, {}, fresh=False)
