# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Debian packages, of any architecture, fetched and unpacked without being installed.

apt works on a state of its own in a temporary folder, with the machine's own sources and keys: it needs no root,
takes no lock, leaves the machine's lists and architectures alone, and verifies what it fetched as ever.
"""

import os
import shutil
import tempfile
from pathlib import Path

from whisper158.errors import die
from whisper158.run import run


def unpack(packages: tuple[str, ...], tree: Path, *, architecture: str = "", dependencies: bool = False) -> None:
    """Fetches `packages` and unpacks them into the empty folder `tree`, as if that were the root of a file system.

    `architecture` is Debian's name for it, by default the machine's own. With `dependencies`, all that the packages
    need comes along.
    """
    if shutil.which("apt-get") is None:
        die(f"cannot fetch {' '.join(packages)}: this is not a Debian system")
    with tempfile.TemporaryDirectory(prefix="whisper158-") as work:
        for package in fetch(packages, Path(work), architecture, dependencies):
            run(["dpkg-deb", "--extract", package, tree])
    make_links_relative(tree)
    # On Debian 13 no package brings /lib any more, where programs look for their loader.
    if (tree / "usr" / "lib").is_dir() and not (tree / "lib").exists():
        (tree / "lib").symlink_to("usr/lib")


def fetch(packages: tuple[str, ...], work: Path, architecture: str, dependencies: bool) -> list[Path]:
    """Has apt download `packages` below `work`; returns the .deb files."""
    archives = work / "cache" / "archives"
    for folder in (work / "state" / "lists" / "partial", archives / "partial"):
        folder.mkdir(parents=True)
    # An empty list of what is installed, so that no dependency counts as met.
    (work / "status").touch()
    settings = {
        "Dir::State": work / "state",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        # Root's apt would otherwise download as a user who may not write here.
        "APT::Sandbox::User": "",
    }
    if architecture:
        settings |= {"APT::Architecture": architecture, "APT::Architectures": architecture}
    apt = ["apt-get", "--quiet", "--yes", *(f"--option={key}={value}" for key, value in settings.items())]
    run([*apt, "update"])
    run([*apt, *(("install", "--download-only") if dependencies else ("download",)), *packages], cwd=archives)
    return sorted(archives.glob("*.deb"))


def make_links_relative(tree: Path) -> None:
    """Turns absolute symbolic links, which are meant for a root file system, to point into `tree`."""
    for link in [path for path in tree.rglob("*") if path.is_symlink() and path.readlink().is_absolute()]:
        target = tree / link.readlink().relative_to("/")
        link.unlink()
        link.symlink_to(os.path.relpath(target, link.parent))
