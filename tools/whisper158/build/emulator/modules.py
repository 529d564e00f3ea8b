# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Which modules of a kernel are taken along: those that were asked for, and what they need."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from whisper158.errors import die
from whisper158.run import run


def parse_dependencies(text: str) -> dict[str, tuple[str, ...]]:
    """depmod's modules.dep: each module's file, and the files that it needs, those that load last first."""
    entries = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {file.strip(): tuple(needed.split()) for file, _, needed in entries}


def module_name(file: str) -> str:
    """As lsmod says it: the kernel makes no difference between - and _."""
    return file.rpartition("/")[2].partition(".")[0].replace("-", "_")


def in_order(dependencies: dict[str, tuple[str, ...]], names: Iterable[str]) -> list[str]:
    """The files of the modules `names` and of all that they need, in an order in which they can be loaded."""
    files = {module_name(file): file for file in dependencies}
    wanted: dict[str, None] = {}
    for name in names:
        file = files.get(name.replace("-", "_"))
        if file is None:
            die(f"Debian's kernel has no module {name}", "whisper158.build.emulator.packages names it")
        wanted.update(dict.fromkeys((*reversed(dependencies[file]), file)))
    return list(wanted)


def take(source: Path, names: Iterable[str], tree: Path) -> None:
    """Copies modules from the unpacked kernel package `source`, which depmod has seen, into the root file system."""
    version = kernel_version(source)
    origin = source / "lib" / "modules" / version
    target = tree / "usr" / "lib" / "modules" / version
    for file in in_order(parse_dependencies((origin / "modules.dep").read_text()), names):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / file, target / file)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copyfile(origin / name, target / name)
    index(tree, version)


def index(tree: Path, version: str) -> None:
    """Writes what modprobe and udev look modules up in."""
    run(["depmod", "--basedir", tree, version])


def kernel_version(source: Path) -> str:
    (folder,) = (source / "lib" / "modules").iterdir()
    return folder.name
