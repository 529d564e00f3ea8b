# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the layer's recipes say of packages, read without BitBake: which there are, what is in each, and what runs when.

Only what our own recipes use is understood: assignments in quotes, a few of BitBake's folders, and shell functions.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from whisper158.build.layer import RECIPES
from whisper158.errors import die

# In the order in which each may take files.
PACKAGES = ("libwhisper158", "whisper158-daemon", "whisper158", "whisper158-conf", "whisper158-model")

FOLDERS = {
    "bindir": "/usr/bin",
    "datadir": "/usr/share",
    "libdir": "/usr/lib",
    "sysconfdir": "/etc",
    "systemd_system_unitdir": "/usr/lib/systemd/system",
    "SOLIBS": ".so.*",
}
# Packages for a board; what a build machine has stands under other names.
TARGET = ":class-target"

ASSIGNMENT = re.compile(r'^([A-Za-z_]\S*) \??\??= *"(.*)"$', re.MULTILINE)
# What BitBake would have Python work out depends on features that are off unless somebody asks for them.
EXPRESSION = re.compile(r"\$\{@.*?\}")
SCRIPT = re.compile(r"^pkg_postinst:(\S+)\(\) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    summary: str
    files: tuple[str, ...]  # patterns, from the root
    conffiles: tuple[str, ...]
    depends: tuple[str, ...]  # among ours; libraries are found by looking
    services: tuple[str, ...]  # units that are enabled
    postinst: str  # what a shell does when it has been installed
    for_all: bool  # architectures


def packages() -> tuple[Package, ...]:
    found = {package.name: package for file in sorted(RECIPES.glob("*/*.bb")) for package in read(file)}
    absent = [name for name in PACKAGES if name not in found]
    if absent:
        die(f"{RECIPES}: no recipe makes a package {absent[0]}")
    return tuple(found[name] for name in PACKAGES)


def read(file: Path) -> list[Package]:
    """All packages of one recipe that hold files on a board."""
    name, _, version = file.stem.partition("_")
    text = file.read_text().replace("\\\n", " ")
    words = {"PN": name, "BPN": name, **FOLDERS}
    values = {expand(key, words).removesuffix(TARGET): value for key, value in ASSIGNMENT.findall(text)}
    words["SUMMARY"] = values["SUMMARY"]
    scripts = {expand(key, words): script for key, script in SCRIPT.findall(text)}

    def listed(variable: str) -> tuple[str, ...]:
        return tuple(expand(values.get(variable, ""), words).split())

    def package(own: str) -> Package:
        return Package(
            name=own,
            version=version,
            summary=expand(values.get(f"SUMMARY:{own}", values["SUMMARY"]), words),
            # One that names no files consists of its configuration.
            files=listed(f"FILES:{own}") or listed(f"CONFFILES:{own}"),
            conffiles=listed(f"CONFFILES:{own}"),
            depends=listed(f"RDEPENDS:{own}"),
            services=listed(f"SYSTEMD_SERVICE:{own}"),
            postinst=scripts.get(own, ""),
            for_all=re.search(r"^inherit .*\ballarch\b", text, re.MULTILINE) is not None,
        )

    return [package(own) for own in (*listed("PACKAGE_BEFORE_PN"), name)]


def expand(text: str, words: dict[str, str]) -> str:
    """`text` with the variables `words` in place of their names; others stay."""
    return re.sub(r"\$\{(\w+)\}", lambda found: words.get(found[1], found[0]), EXPRESSION.sub("", text))
