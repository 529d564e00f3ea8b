# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv kas.lock`: which commit of each layer's repository an image is built of, written beside the kas files."""

import re
from pathlib import Path
from typing import Any

from whisper158 import needs, whole
from whisper158.build import kas, preflight
from whisper158.console import say, step
from whisper158.errors import die
from whisper158.paths import ROOT
from whisper158.run import CommandError, run

# REUSE-IgnoreStart
HEAD = "# SPDX-FileCopyrightText: 2026 the whisper158 authors\n# SPDX-License-Identifier: MIT\n"
# REUSE-IgnoreEnd
FLOATING = re.compile(r"^[^#\n]*\$\{AUTOREV\}", re.MULTILINE)


def lock(update: bool) -> None:
    """Pins what is not pinned yet, or with `update` all that can move; tells what will be built, and what floats."""
    needs.python("image")
    before = {path: path.read_text() for path in locks()}
    for name in kas.machines():
        with step(f"Asking the repositories of {name}"):
            ask(name, update)
    for path in locks():
        put_head(path, before.get(path, ""))
    for repository, commit in sorted(pinned().items()):
        print(f"{repository:20} {commit}")
    for path in floating(kas.folders("").work):
        say(f"{path} says AUTOREV; kas/bsp/astra.yml tells what becomes of that")


def locks() -> list[Path]:
    return sorted(kas.FOLDER.rglob("*.lock.yml"))


def put_head(path: Path, before: str) -> None:
    """kas writes its lock files without comments. Of a file that says what it said, all of them stay."""
    import yaml

    now = path.read_text()
    same = before and yaml.safe_load(before) == yaml.safe_load(now)
    whole.write(path, before if same else HEAD + now)


def ask(name: str, update: bool) -> None:
    where = kas.folders(name)
    where.work.mkdir(parents=True, exist_ok=True)
    without = [f"--unset={variable}" for variable in kas.IGNORED]
    words = ["--update"] if update else []
    command = ["env", *without, *kas.command("lock", False, *words, kas.machine(name).file)]
    try:
        run(command, cwd=ROOT, env=kas.environment(where, preflight.jobs()))
    except CommandError as error:
        die(f"the repositories of {name} could not be asked", error.hint)


def pinned() -> dict[str, str]:
    """The commit of each repository, of all lock files."""
    found: dict[str, str] = {}
    for path in locks():
        content: Any = kas.load(path)
        found |= {name: str(repo["commit"]) for name, repo in content["overrides"]["repos"].items()}
    return found


def floating(work: Path) -> list[Path]:
    """Recipes of the board's layer that take whatever is newest, and would do so without our configuration."""
    layer = work / "meta-synaptics"
    files = (path for path in layer.rglob("*") if path.suffix in (".bb", ".bbappend", ".inc") and path.is_file())
    return sorted(path for path in files if FLOATING.search(path.read_text(errors="replace")))
