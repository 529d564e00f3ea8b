# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Our packages as .deb files: the recipes' packages, files, needs and scripts, in Debian's form."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from whisper158.build import layer
from whisper158.build.recipe import Package, packages
from whisper158.run import run

ARCHITECTURE = "arm64"
# Compressed, so that dpkg notices a damaged file, and by what emulated processors are quick to undo.
COMPRESSION = ("-Zgzip", "-z1")
NEEDED = re.compile(r"^ +NEEDED +(\S+)$", re.MULTILINE)

# What oe-core makes of SYSTEMD_SERVICE for a .deb (systemd.bbclass, package_deb.bbclass), with one difference: units
# are enabled when they come, and not again after somebody has disabled them. They run on until an upgrade is complete,
# so that one that fails harms nobody.
ENABLE = """
[ -n "$2" ] || systemctl --root="$D/" --quiet enable {units}
if [ -z "$D" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl --no-block restart {units}
fi
"""
DISABLE = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ]; then
    [ ! -d /run/systemd/system ] || systemctl stop {units}
    systemctl --quiet disable {units}
fi
"""
# BitBake's scripts call the root of a file system that does not run D.
CONFIGURED = """#!/bin/sh
set -e
D=$DPKG_ROOT
[ "$1" = configure ] || exit 0
"""


def build(installed: Path, blob: Path, out: Path, libraries: Mapping[str, str], revision: int = 0) -> list[Path]:
    """Makes all packages, as the folder `out`'s files, of what Meson has installed and of a model.

    `libraries` says which package has a shared library. A higher `revision` is an upgrade.
    """
    found = dict(libraries)
    debs = []
    for package in packages():
        with tempfile.TemporaryDirectory(prefix="whisper158-") as folder:
            root = Path(folder)
            if package.name == "whisper158-model":
                put_model(blob, root)
            else:
                copy(package, installed, root)
            found |= {path.name: package.name for path in root.glob("usr/lib/*.so.*")}
            write_control(package, root, found, revision)
            debs.append(pack(root, out / f"{package.name}_{version(package, revision)}_{architecture(package)}.deb"))
    return debs


def version(package: Package, revision: int) -> str:
    """As BitBake has it."""
    return f"{package.version}-r{revision}"


def architecture(package: Package) -> str:
    return "all" if package.for_all else ARCHITECTURE


def put_model(blob: Path, root: Path) -> None:
    """The recipe's do_install."""
    target = root / layer.INSTALLED_MODELS.relative_to("/")
    target.mkdir(parents=True)
    shutil.copyfile(blob, target / blob.name)
    if blob.name != layer.DEFAULT_MODEL:
        (target / layer.DEFAULT_MODEL).symlink_to(blob.name)


def copy(package: Package, source: Path, root: Path) -> None:
    for pattern in package.files:
        for path in source.glob(pattern.lstrip("/")):
            target = root / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, symlinks=True)
            else:
                shutil.copy2(path, target, follow_symlinks=False)


def write_control(package: Package, root: Path, libraries: Mapping[str, str], revision: int) -> None:
    depends = {*package.depends, *(libraries[name] for name in needed(root))} - {package.name}
    fields = {
        "Package": package.name,
        "Version": version(package, revision),
        "Architecture": architecture(package),
        # Else dpkg takes a package for all architectures for one of the machine's that makes the image.
        **({"Multi-Arch": "foreign"} if package.for_all else {}),
        "Depends": ", ".join(sorted(depends)),
        "Section": "sound",
        "Priority": "optional",
        "Maintainer": "the whisper158 authors",
        "Description": package.summary,
    }
    folder = root / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items() if value))
    if package.conffiles:
        (folder / "conffiles").write_text("".join(f"{path}\n" for path in package.conffiles))
    for name, text in scripts(package).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def scripts(package: Package) -> dict[str, str]:
    units = " ".join(package.services)
    found = {}
    if units or package.postinst:
        found["postinst"] = CONFIGURED + (ENABLE.format(units=units) if units else "") + package.postinst
    if units:
        found["prerm"] = DISABLE.format(units=units)
    return found


def needed(root: Path) -> set[str]:
    """The shared libraries that programs and libraries in `root` ask for."""
    files = filter(is_program, root.rglob("*"))
    return {name for path in files for name in NEEDED.findall(run(["aarch64-linux-gnu-objdump", "-p", path]))}


def is_program(path: Path) -> bool:
    """Or a library, but no link to one."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def pack(root: Path, deb: Path) -> Path:
    run(["dpkg-deb", "--root-owner-group", *COMPRESSION, "--build", root, deb])
    return deb


def install(debs: list[Path], tree: Path) -> None:
    """Has this machine's dpkg install `debs` into the root file system `tree`; of that no program is run."""
    force = ("--force-architecture", "--force-script-chrootless")
    run(["fakeroot", "--", "dpkg", f"--root={tree}", *force, "--install", *debs])
