# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Other people's code, imported from checkouts for as long as a test runs: nothing of it is here.

WHISPER158_REFERENCES names a folder of checkouts, each under its repository's name. What they import and we have not
installed (drivers of processors, models, data sets) is made up, for what is compared does not use it.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

VARIABLE = "WHISPER158_REFERENCES"


def checkout(repository: str, *within: str) -> Path:
    """The folder of a repository's code. Skips where it has not been given."""
    given = os.environ.get(VARIABLE)
    if not given:
        pytest.skip(f"{VARIABLE} names no folder of checkouts")
    folder = Path(given).joinpath(repository, *within).resolve()
    if not folder.is_dir():
        pytest.skip(f"{VARIABLE}: there is no {folder}")
    return folder


@contextmanager
def imported(folder: Path, *names: str) -> Iterator[Sequence[Any]]:
    """Modules by the names that they have to one another, and out of sight again afterwards."""
    before, path, silent = dict(sys.modules), list(sys.path), sys.dont_write_bytecode
    for name in {name.split(".")[0] for name in names}:
        sys.modules.pop(name, None)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    sys.meta_path.append(MadeUp())
    try:
        yield [importlib.import_module(name) for name in names]
    finally:
        sys.meta_path.pop()
        sys.dont_write_bytecode = silent
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if before.get(name) is not module and _belongs(module, folder):
                del sys.modules[name]
        sys.modules.update(before)


def _belongs(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(module, Nothing) or bool(file and Path(file).is_relative_to(folder))


class Nothing(ModuleType):
    """A module in which every name is a class of nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__getattr__": lambda *_: None}) if name[0].isupper() else Nothing(name)

    def __call__(self, *_arguments: Any, **_options: Any) -> Any:
        return lambda decorated: decorated


class MadeUp(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Has any module that nobody else finds."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return Nothing(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass
