# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What `--help` says, of every verb and of both programs; and the copy that tests hold it against.

Who changes a flag sees in the difference what a user will read: `./inv help-texts` writes the copy anew.
"""

import io
from contextlib import redirect_stdout
from pathlib import Path

from invoke import Collection
from invoke.loader import FilesystemLoader

from whisper158.__main__ import Inv
from whisper158.build import runtime
from whisper158.paths import ROOT
from whisper158.run import run

FOLDER = ROOT / "tools" / "tests" / "data" / "help"


def inv(*words: str) -> str:
    """What `./inv` says to these words, as on a terminal of 80 columns."""
    said = io.StringIO()
    with redirect_stdout(said):
        Inv(name="whisper158", binary="./inv", binary_names=["inv"]).run(
            ["./inv", "--search-root", str(ROOT), *words], exit=False
        )
    return said.getvalue()


def verbs() -> list[str]:
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    return sorted(Collection.from_module(module).task_names)


def of_verbs() -> str:
    return "".join(f"$ ./inv {verb} --help\n{inv(verb, '--help')}" for verb in verbs())


def of_program(program: Path, commands: list[str]) -> str:
    """Of a program and its commands, at the place where it is installed by default."""
    texts = [f"$ {program.name} --help\n{run([program, '--help'])}"]
    texts += [f"$ {program.name} {command} --help\n{run([program, command, '--help'])}" for command in commands]
    return "\n".join(texts)


def commands(program: Path) -> list[str]:
    table = run([program, "--help"]).partition("Commands\n")[2]
    return [line.split()[0] for line in table.splitlines() if line.strip() and not line.startswith("  -")]


def now() -> dict[str, str]:
    """By the name of the file in FOLDER."""
    program = runtime.program()
    return {
        "inv.txt": of_verbs(),
        "whisper158.txt": of_program(program, commands(program)),
        "whisper158d.txt": of_program(program.parent.parent / "daemon" / "whisper158d", []),
    }


def write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in now().items():
        (FOLDER / name).write_text(text)
