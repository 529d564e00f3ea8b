# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How the sources are built: nothing imports or includes in circles, and a function fits a screen."""

import ast
import re
from collections.abc import Iterator, Mapping, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from whisper158.check import tracked_files
from whisper158.paths import ROOT, RUNTIME

TOOLS = ROOT / "tools"
# Where a quoted include is looked for, after the folder of the file that has it.
INCLUDED_FROM = ("include", "src", "common", "daemon", "cli", "tests")

SCREEN = 60  # lines
# Longer functions, and why they are.
EXCUSED = {
    "meta-whisper158/runtime/cli/settings.c:parse_option": "a case for each option",
    "meta-whisper158/runtime/daemon/command_line.c:parse_option": "a case for each option",
}

Graph = Mapping[str, Set[str]]


def circle(graph: Graph) -> list[str] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return None


def folded(graph: Graph, whole: Mapping[str, str]) -> Graph:
    """The graph of larger parts: whole[node] is the part that it is in."""
    parts: dict[str, set[str]] = {part: set() for part in whole.values()}
    for node, others in graph.items():
        parts[whole[node]] |= {whole[other] for other in others} - {whole[node]}
    return parts


def modules() -> dict[str, Path]:
    """Of the package, by their names"""
    files = (TOOLS / "whisper158").rglob("*.py")
    return {".".join(path.relative_to(TOOLS).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imported(module: ast.AST) -> Iterator[str]:
    """In imports wherever they stand, and in strings, which importlib and `python -m` may take."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.]+", node.value):
            yield node.value


def module_of(name: str, known: Set[str]) -> str | None:
    """What it names, or what the thing that it names is in"""
    return next((found for found in (name, name.rpartition(".")[0]) if found in known), None)


@pytest.fixture(scope="module")
def python() -> Graph:
    files = modules()
    found: dict[str, set[str]] = {}
    for name, path in files.items():
        others = {module_of(other, files.keys()) for other in imported(ast.parse(path.read_text()))}
        found[name] = {other for other in others if other and other != name}
    return found


def included(path: Path) -> Iterator[Path]:
    for name in re.findall(r'^ *# *include +"([^"]+)"', path.read_text(), re.MULTILINE):
        folders = [path.parent, *(RUNTIME / folder for folder in INCLUDED_FROM)]
        yield next(found for folder in folders if (found := folder / name).is_file()).resolve()


@pytest.fixture(scope="module")
def c() -> Graph:
    files = [path for path in RUNTIME.rglob("*") if path.suffix in (".c", ".h")]
    return {
        str(path.relative_to(RUNTIME)): {str(other.relative_to(RUNTIME)) for other in included(path)} for path in files
    }


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert [module_of(name, {"a.b", "a.x"}) for name in ("a.b.C", "a.b", "a", "a.x y")] == ["a.b", "a.b", None, None]


def test_modules_import_in_no_circle(python: Graph) -> None:
    assert python["whisper158.train.start"] >= {"whisper158.needs", "whisper158.train.export"}
    assert circle(python) is None


def test_folders_import_in_no_circle(python: Graph) -> None:
    assert circle(folded(python, {name: ".".join(name.split(".")[:2]) for name in python})) is None


def test_units_include_in_no_circle(c: Graph) -> None:
    """A source with its header"""
    assert c["src/encoder.c"] >= {"src/encoder.h", "src/attend.h"}
    assert circle(folded(c, {name: name.rpartition(".")[0] for name in c})) is None


def test_folders_include_in_no_circle(c: Graph) -> None:
    assert circle(folded(c, {name: str(Path(name).parent) for name in c})) is None


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each with its length, of a file in Python or C: from its name to its end"""
    text = path.read_text()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                yield node.name, node.end_lineno - node.lineno + 1
        return
    for found in re.finditer(r"^\w[^;{}=]*?(\w+)\([^;{}]*\) \{\n.*?^\}", text, re.MULTILINE | re.DOTALL):
        yield found[1], found[0].count("\n") + 1


def test_functions_fit_a_screen() -> None:
    files = [ROOT / name for name in tracked_files() if name.endswith((".py", ".c", ".h"))]
    long = {f"{path.relative_to(ROOT)}:{name}" for path in files for name, lines in functions(path) if lines > SCREEN}
    assert long == EXCUSED.keys()
