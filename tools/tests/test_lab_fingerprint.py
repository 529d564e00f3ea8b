# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Which changes of the code have cells made anew, and which have not."""

import importlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from whisper158.paths import ROOT

for name in ("torch", "whisper"):
    pytest.importorskip(name, reason="needs PyTorch and OpenAI's Whisper: ./inv install oracle")

from whisper158.lab import fingerprint, registry, run  # noqa: E402
from whisper158.lab.job import FLOAT  # noqa: E402

CELLS = [FLOAT, *registry.METHODS]
Change = Callable[[str, str], set[str]]


def forget() -> None:
    for remembered in (run.program, fingerprint.imported, fingerprint._code, fingerprint._source):
        remembered.cache_clear()


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    """Adds to a module of a copy of the project's, and says whose cells are made anew for it."""
    package = tmp_path / "whisper158"
    shutil.copytree(ROOT / "tools" / "whisper158", package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "__file__", str(package / "lab" / "fingerprint.py"))

    def programs() -> dict[str, str]:
        forget()
        return {method: run.program("tiny.en", method) for method in CELLS}

    def change(module: str, code: str) -> set[str]:
        before = programs()
        path = package / module
        path.write_text((path.read_text() if path.exists() else "") + code)
        after = programs()
        return {method for method in CELLS if before[method] != after[method]}

    yield change
    forget()


@pytest.mark.parametrize(
    ("module", "methods"),
    [
        ("lab/methods/rtn.py", {"rtn", "smoothquant", "omniquant"}),
        ("lab/methods/gptq.py", {"gptq", "quarot", "spinquant"}),
        ("lab/methods/quarot.py", {"quarot", "spinquant"}),
        ("lab/methods/spinquant.py", {"spinquant"}),
        ("lab/methods/awq.py", {"awq", "tesseraq"}),
        ("lab/hadamard.py", {"quarot", "spinquant"}),
        ("lab/feedback.py", set(CELLS)),
        ("lab/method.py", set(CELLS)),
        ("lab/families/whisper.py", set(CELLS)),
        ("lab/cell.py", set(CELLS)),
        ("evaluate/original.py", set(CELLS)),
        ("evaluate/accuracy/greedy.py", set(CELLS)),
        ("train/tokenizer.py", set(CELLS)),
    ],
)
def test_what_a_cell_is_made_with_decides_it(module: str, methods: set[str], changed: Change) -> None:
    assert changed(module, "\nMORE = 1\n") == methods


@pytest.mark.parametrize(
    "module",
    [
        "lab/registry.py",
        "lab/config.py",
        "lab/run.py",
        "lab/report.py",
        "lab/packing.py",
        "lab/export.py",
        "lab/methods/another.py",
        "lab/families/another.py",
        "train/network.py",
        "model/pack.py",
    ],
)
def test_what_finds_shares_out_and_shows_work_does_not(module: str, changed: Change) -> None:
    assert changed(module, "\nMORE = 1\n") == set()


def test_words_for_readers_do_not(changed: Change) -> None:
    assert changed("lab/feedback.py", '\n# A remark.\n"""A string that nobody reads is code."""\n') == set(CELLS)
    assert changed("lab/fit.py", "\n# A remark.\n\n\n") == set()


def test_docstrings_do_not(changed: Change) -> None:
    assert changed("lab/another.py", 'def f() -> None:\n    """One."""\n') == set()
    assert "lab.another" not in fingerprint.reached(["whisper158.lab.cell"])
    one, other = Path(fingerprint.__file__).with_name("one.py"), Path(fingerprint.__file__).with_name("other.py")
    one.write_text('"""One."""\n\n\ndef f() -> None:\n    """Does nothing."""\n')
    other.write_text("def f() -> None:\n    pass  # nothing\n")
    assert fingerprint._code("whisper158.lab.one") == fingerprint._code("whisper158.lab.other")


def test_an_import_for_type_checkers_is_none(changed: Change) -> None:
    code = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import whisper158.lab.grid\n"
    assert changed("lab/typed.py", code) == set()
    assert fingerprint.imported("whisper158.lab.typed") == ()


@pytest.mark.parametrize("name", registry.METHODS)
def test_every_method_can_be_found(name: str) -> None:
    assert registry.method(name).name == name


def test_no_module_is_left_out_that_is_not_there() -> None:
    for module in fingerprint.BEYOND:
        assert importlib.util.find_spec(module), module
