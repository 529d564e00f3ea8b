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

SOURCES = "WHISPER158_APT_SOURCES"


class Apt:
    """apt with a state of its own below the folder `work`, and fresh lists of packages.

    `architecture` is Debian's name for it, by default the machine's own. Where $WHISPER158_APT_SOURCES names a file of
    apt's (*.list or *.sources), that is read in place of all the machine's own.
    """

    def __init__(self, work: Path, architecture: str = "") -> None:
        if shutil.which("apt-get") is None:
            die("cannot fetch Debian packages: this is not a Debian system")
        self.archives = work / "cache" / "archives"
        for folder in (work / "state" / "lists" / "partial", self.archives / "partial"):
            folder.mkdir(parents=True)
        # An empty list of what is installed, so that no dependency counts as met.
        (work / "status").touch()
        settings = {
            "Dir::State": str(work / "state"),
            "Dir::State::status": str(work / "status"),
            "Dir::Cache": str(work / "cache"),
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            # Root's apt would otherwise download as a user who may not write here.
            "APT::Sandbox::User": "",
        }
        if architecture:
            settings |= {"APT::Architecture": architecture, "APT::Architectures": architecture}
        if sources := os.environ.get(SOURCES):
            if not Path(sources).is_file():
                die(f"there is no file {sources}, which ${SOURCES} names")
            settings |= {"Dir::Etc::sourcelist": str(Path(sources).absolute()), "Dir::Etc::sourceparts": "/dev/null"}
        self.options = [f"--option={key}={value}" for key, value in settings.items()]
        self.get("update")

    def get(self, *arguments: str) -> None:
        run(["apt-get", "--quiet", "--yes", *self.options, *arguments], cwd=self.archives)

    def download(self, *packages: str) -> list[Path]:
        """The .deb files of `packages`, and of nothing else."""
        return self.added("download", *packages)

    def download_with_dependencies(self, *packages: str) -> list[Path]:
        """The .deb files of `packages` and of all that they need."""
        return self.added("install", "--download-only", *packages)

    def added(self, *arguments: str) -> list[Path]:
        before = set(self.archives.glob("*.deb"))
        self.get(*arguments)
        return sorted(set(self.archives.glob("*.deb")) - before)

    def dependencies(self, package: str) -> list[str]:
        """What `package` itself says that it needs."""
        listed = run(["apt-cache", *self.options, "depends", "--important", package])
        return [line.split()[1] for line in listed.splitlines() if line.strip().startswith("Depends:")]


def unpack(packages: tuple[str, ...], tree: Path, *, architecture: str = "", dependencies: bool = False) -> None:
    """Fetches `packages` and unpacks them into the empty folder `tree`, as if that were the root of a file system.

    `architecture` is as Apt has it. With `dependencies`, all that the packages need comes along.
    """
    with tempfile.TemporaryDirectory(prefix="whisper158-") as work:
        for package in fetch(packages, Path(work), architecture, dependencies):
            extract(package, tree)
    make_links_relative(tree)
    # On Debian 13 no package brings /lib any more, where programs look for their loader.
    if (tree / "usr" / "lib").is_dir() and not (tree / "lib").exists():
        (tree / "lib").symlink_to("usr/lib")


def fetch(packages: tuple[str, ...], work: Path, architecture: str, dependencies: bool) -> list[Path]:
    """Has apt download `packages` below `work`; returns the .deb files."""
    apt = Apt(work, architecture)
    return apt.download_with_dependencies(*packages) if dependencies else apt.download(*packages)


def extract(package: Path, tree: Path) -> list[str]:
    """Unpacks the content of a .deb file into `tree`; it does not belong to the owners that it has in the package.

    Returns what there was, as tar lists it.
    """
    return run(["dpkg-deb", "--vextract", package, tree]).splitlines()


def make_links_relative(tree: Path) -> None:
    """Turns absolute symbolic links, which are meant for a root file system, to point into `tree`."""
    for link in [path for path in tree.rglob("*") if path.is_symlink() and path.readlink().is_absolute()]:
        target = tree / link.readlink().relative_to("/")
        link.unlink()
        link.symlink_to(os.path.relpath(target, link.parent))
