# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the values of flags may be. They are judged here, and before any work begins: each check takes the name that
the user knows the value by, and what was typed, and returns what was meant or raises Usage.

That a value is not empty and that a flag is not given twice is judged for all flags at once (__main__.py).
"""

import ast
import math
import os
import re
from collections.abc import Iterable
from pathlib import Path

from whisper158.errors import Usage, UserError

# Digits that a whole number may have: no flag wants more, and Python refuses to read thousands of them.
DIGITS = 18


class Missing(UserError):
    """A file that is to be read, and is not there."""

    status = os.EX_NOINPUT


def whole(name: str, text: str, least: int, most: int) -> int:
    if not re.fullmatch(rf"-?[0-9]{{1,{DIGITS}}}", text) or not least <= int(text) <= most:
        raise Usage(f"{name} {brief(text)} is not a whole number from {least} to {most}")
    return int(text)


def number(name: str, text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise Usage(f"{name} {brief(text)} is not a number from {least:g} to {most:g}")
    return value


def choice(name: str, text: str, known: Iterable[str]) -> str:
    if text not in (names := list(known)):
        raise Usage(f"{name} {brief(text)} is none of {', '.join(names)}")
    return text


def words(name: str, text: str) -> list[str]:
    """What stands between commas, each once."""
    found = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not found:
        raise Usage(f"{name} {brief(text)} names nothing", "give one name, or several with commas")
    return found


def plain(name: str, text: str) -> str:
    """Text that ends up in lines of text, or at somebody's console."""
    if not text.isprintable():
        raise Usage(f"{name} {brief(text)} has control characters or line ends in it", "leave them out")
    return text


def expression(name: str, text: str) -> str:
    """What pytest's -k takes: parts of names, with and, or, not, and brackets."""
    tokens = re.findall(r"[\w:+.\\/[\]-]+|\S", text)
    spelled = " ".join(token if token in ("and", "or", "not", "(", ")") else "name" for token in tokens)
    known = (ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Name, ast.Load)
    try:
        right = all(isinstance(node, known) for node in ast.walk(ast.parse(spelled, mode="eval")))
    except (SyntaxError, RecursionError, MemoryError):
        right = False
    if not right or any(re.fullmatch(r"[^\w:+.\\/[\]()-]", token) for token in tokens):
        raise Usage(
            f"{name} {brief(text)} is no expression", "parts of names, with and, or, not between: 'boot and not ssh'"
        )
    return text


# ------------------------------------------------------------------------------------------------ files and folders

# os.path rather than Path: a name that is too long for any file is one that is not there.


def file(name: str, text: str | Path, hint: str | None = None) -> Path:
    """A file that is there, and may be read."""
    if os.path.isdir(text):
        raise Usage(f"{name} {brief(text)} is a folder, and must be a file", hint)
    if not os.path.exists(text):
        raise Missing(f"{name} {brief(text)}: there is no such file", hint)
    return readable(name, Path(text))


def folder(name: str, text: str | Path, hint: str | None = None) -> Path:
    """A folder that is there, and may be read."""
    if not os.path.exists(text):
        raise Missing(f"{name} {brief(text)}: there is no such folder", hint)
    if not os.path.isdir(text):
        raise Usage(f"{name} {brief(text)} is not a folder", hint)
    return readable(name, Path(text))


def readable(name: str, path: Path) -> Path:
    if not os.access(path, os.R_OK):
        raise Usage(f"{name} {brief(path)} may not be read by you", "become its owner, or name another")
    return path


def out_file(name: str, text: str | Path, make_folder: bool = False) -> Path:
    """A file that is to be written; one that is there is replaced. `make_folder`: who writes it makes its folder."""
    path = Path(text)
    if os.path.isdir(path):
        raise Usage(f"{name} {brief(path)} is a folder, and must be a file", "name a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise Usage(f"{name} {brief(path)} is no ordinary file, and cannot be replaced", "name another file")
    if not make_folder and not os.path.isdir(path.parent):
        raise Usage(f"{name} {brief(path)}: there is no folder {brief(path.parent)}", "make it, or name another")
    writable(name, path.parent)
    return path


def out_folder(name: str, text: str | Path) -> Path:
    """A folder that things are written to; where there is none, it can be made."""
    if os.path.exists(text) and not os.path.isdir(text):
        raise Usage(f"{name} {brief(text)} is not a folder", "name a folder; it is made where there is none")
    writable(name, Path(text))
    return Path(text)


def writable(name: str, wanted: Path) -> None:
    """Whether files may be made in the folder `wanted`, or where it is not there, it can."""
    there = next(path for path in (wanted, *wanted.absolute().parents) if os.path.exists(path))
    if not os.path.isdir(there):
        raise Usage(f"{name} {brief(wanted)}: {brief(there)} is not a folder", "name another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise Usage(
            f"{name} {brief(wanted)}: you may not write to {brief(there)}", "name a place that you may write to"
        )


# -------------------------------------------------------------------------------------------------------- combinations


def alone(flag: str, given: object, others: dict[str, object], why: str) -> None:
    """Refuses `flag` together with any of `others`, which then would say nothing."""
    if given and (idle := [other for other, value in others.items() if value]):
        raise Usage(f"{idle[0]} says nothing to {flag}", why)


def distinct(name: str, out: Path, inputs: Iterable[Path]) -> None:
    """Refuses to write to what is read."""
    for path in inputs:
        if os.path.realpath(path) == os.path.realpath(out):
            raise Usage(f"{name}: {brief(out)} would be written, and is what is to be read", "name another place")


def brief(typed: str | Path, most: int = 200) -> str:
    """On one line, however long it is and whatever is in it."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(typed))
    return text if len(text) <= most else f"{text[: most - 3]}..."
