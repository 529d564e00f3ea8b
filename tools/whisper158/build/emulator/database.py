# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""dpkg's database in a root file system whose packages were only unpacked: that they are there, and what they own.

The guest's dpkg then knows what our packages need, and would not let two packages have one file.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from whisper158.run import run

FOLDER = Path("var/lib/dpkg")
# Of info/, where packages of several architectures may be called the same.
FORMAT = "1\n"
STATUS = "Status: install ok installed\n"


def write(debs: Mapping[Path, list[str]], tree: Path) -> None:
    """All of `debs` count as installed in `tree`; their files are as tar lists them."""
    create(tree)
    for deb, members in debs.items():
        add(deb, members, tree)


def create(tree: Path) -> None:
    (tree / FOLDER / "info").mkdir(parents=True, exist_ok=True)
    (tree / FOLDER / "info" / "format").write_text(FORMAT)
    for name in ("updates", "triggers", "parts"):
        (tree / FOLDER / name).mkdir(exist_ok=True)
    for name in ("available", "diversions", "statoverride"):
        (tree / FOLDER / name).touch()


def add(deb: Path, members: list[str], tree: Path) -> None:
    control = run(["dpkg-deb", "--field", deb])
    with (tree / FOLDER / "status").open("a") as status:
        status.write(re.sub(r"^(Package: .*\n)", rf"\g<1>{STATUS}", control, flags=re.MULTILINE).rstrip("\n") + "\n\n")
    paths = ["/" + member.removeprefix("./").rstrip("/") for member in members]
    listing = "".join(f"{path}\n" for path in ("/.", *paths) if path != "/")
    info = tree / FOLDER / "info" / file_name(control)
    info.with_name(f"{info.name}.list").write_text(listing)
    # dpkg calls a package broken that has none. What is left out of the image would be missing by them.
    info.with_name(f"{info.name}.md5sums").touch()


def file_name(control: str) -> str:
    """What a package's files in info/ are called."""
    fields = dict(line.split(": ", 1) for line in control.splitlines() if re.match(r"[A-Z]\S*: ", line))
    same = fields.get("Multi-Arch") == "same"
    return f"{fields['Package']}:{fields['Architecture']}" if same else fields["Package"]


def libraries(tree: Path) -> dict[str, str]:
    """Which package has the shared library of that name."""
    return {
        path.rpartition("/")[2]: listing.stem.partition(":")[0]
        for listing in sorted((tree / FOLDER / "info").glob("*.list"))
        for path in listing.read_text().splitlines()
        if ".so." in path
    }
