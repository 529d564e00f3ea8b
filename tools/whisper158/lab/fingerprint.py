# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Which code decides what is in a cell, as a digest: the modules that making it imports, and what those import.

A method or a family that is added changes no other's cells, and neither does anything that finds work, shares it out
or shows it. Comments, docstrings and the way that lines are broken decide nothing.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = "whisper158"
# What is not followed, so that all else is: a new import counts until someone decides that it does not.
BEYOND = frozenset(
    {
        # A cell's key holds the checksums of what these bring: recordings with their words, and weights.
        "whisper158.evaluate.accuracy.sets",
        "whisper158.model.load",
        # Of blobs, and of the runtime: of these, a cell has a language's name and the form of an answer.
        "whisper158.evaluate.accuracy.cells",
        "whisper158.evaluate.accuracy.listeners",
        "whisper158.evaluate.simulate",
        "whisper158.model.blob",
        # Words for people.
        "whisper158.console",
        "whisper158.needs",
        "whisper158.errors",
    }
)
PACKAGES = ("torch", "openai-whisper")


def fingerprint(roots: Sequence[str]) -> str:
    """Of these modules, by name, and of all that they lead to"""
    state = hashlib.sha256()
    for module in sorted(reached(roots)):
        state.update(f"{module}\n{_code(module)}\n".encode())
    state.update(json.dumps({name: metadata.version(name) for name in PACKAGES}).encode())
    return state.hexdigest()


def reached(roots: Sequence[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in found and module not in BEYOND:
            found.add(module)
            waiting += imported(module)
    return found


@cache
def imported(module: str) -> tuple[str, ...]:
    """The project's modules that this one names in its imports, wherever they stand, but those for type checkers."""
    return tuple(sorted(name for name in set(_names(_tree(module))) if _source(name)))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from _names(node)


@cache
def _code(module: str) -> str:
    """Without what decides nothing"""
    tree = _tree(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _tree(module: str) -> ast.Module:
    source = _source(module)
    assert source
    return ast.parse(source.read_text())


@cache
def _source(module: str) -> Path | None:
    """None where the project has no module of this name."""
    if module.split(".")[0] != PACKAGE:
        return None
    folder = Path(__file__).parents[2].joinpath(*module.split("."))
    found = (path for path in (folder.with_suffix(".py"), folder / "__init__.py") if path.is_file())
    return next(found, None)
