# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a verb needs before it can start: Debian packages and groups of Python packages.

All lists stand here, but for the Python that runs this, which `inv` looks after.
"""

import fcntl
import os
import shutil
import sys
import tomllib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whisper158 import pip
from whisper158.console import step
from whisper158.errors import UserError, die
from whisper158.paths import REQUIREMENTS, ROOT
from whisper158.run import CommandError, run

DEBIAN: dict[str, tuple[str, ...]] = {
    "native": (
        "gcc",
        "libasound2-dev",
        "libc6-dev",
        "libjson-c-dev",
        "libmicrohttpd-dev",
        "libsamplerate0-dev",
        "libsndfile1-dev",
        "libxxhash-dev",
        "pkgconf",
    ),
    "cross": ("gcc-aarch64-linux-gnu", "qemu-user"),
    "emulator": (
        "e2fsprogs",
        "fakeroot",
        "kmod",
        "openssh-client",
        "qemu-system-arm",
        "qemu-utils",
        "systemd",
    ),
    "fuzz": ("clang", "libclang-rt-14-dev"),
    "sound": ("alsa-utils",),
    "speech": ("flite",),
    "voices": ("libespeak-ng1",),
    "npm": ("npm",),
    "card": ("e2fsprogs", "fdisk"),
    "check": ("git", "libmagic1", "shellcheck"),
    "opinions": ("llvm",),
    # What OpenEmbedded-Core wants of a host, for recipes-tests/layer/test_oe_core.py.
    "layer": (
        *("build-essential", "chrpath", "cpio", "diffstat", "file", "g++-aarch64-linux-gnu", "gawk", "git", "locales"),
        *("lz4", "quilt", "rpcsvc-proto", "wget", "xz-utils", "zstd"),
    ),
    "tests": ("fish", "mount", "scdoc", "systemd", "zsh"),
    "uboot": ("qemu-system-arm", "u-boot-qemu"),
}

# Groups of Python packages ([dependency-groups] in pyproject.toml), and which of them must come before.
PYTHON: dict[str, tuple[str, ...]] = {
    "dev": (),
    "torch": (),
    "oracle": ("torch",),
    "opinions": (),
    "bench": (),
    "speech": (),
    "train": ("torch",),
    "evaluate": (),
    "moonshine": (),
    "transformers": ("torch", "moonshine"),
    "references": ("torch",),
    "image": (),
    "board": (),
    "layer": (),
    "release": (),
    "ray": (),
}


class Unavailable(UserError):
    """Something must be installed first, and that is not ours to do."""

    status = os.EX_UNAVAILABLE


def debian(*sets: str) -> None:
    """Makes sure of the Debian packages of `sets`: root gets them installed, anyone else the command to type."""
    missing = missing_packages(sorted({package for name in sets for package in DEBIAN[name]}))
    if not missing:
        return
    install = ["apt-get", "install", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise Unavailable(f"Debian packages are missing: {' '.join(missing)}", f"sudo {' '.join(install)}")
    with step(f"Installing {' '.join(missing)}"):
        apt_get([*install, "--yes"])


def missing_packages(packages: list[str]) -> list[str]:
    """Those of `packages` that dpkg does not call installed. On systems without dpkg the compiler has to complain."""
    if shutil.which("dpkg-query") is None:
        return []
    known = run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n"])
    installed = {line.removesuffix(" installed") for line in known.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def apt_get(command: list[str]) -> None:
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    command = [command[0], "--quiet", "--option", "DPkg::Lock::Timeout=300", *command[1:]]
    try:
        run(command, env=env)
    except CommandError:
        # The lists of packages are absent (a fresh container) or name versions that are gone.
        run(["apt-get", "--quiet", "update"], env=env)
        run(command, env=env)


def python(group: str) -> None:
    """Makes sure of a group of Python packages in the environment we run in."""
    if group not in PYTHON:
        die(f"there is no group of Python packages named {group!r}", f"the groups are {', '.join(PYTHON)}")
    for earlier in PYTHON[group]:
        python(earlier)
    if has_python(group):
        return
    with one_at_a_time(), step(f"Installing the Python packages of {group}"):
        if not has_python(group):
            stamp(group).unlink(missing_ok=True)
            try:
                run(
                    [
                        sys.executable,
                        "-m",
                        "pip",
                        "--quiet",
                        "--disable-pip-version-check",
                        "install",
                        *requirements(group),
                    ]
                )
            except CommandError as error:
                cause, cure = pip.why(error.hint or "")
                hint = cure or "connect to a network, or put the packages into a folder and set PIP_FIND_LINKS to it"
                die(f"the Python packages of {group} could not be installed: {cause}", hint)
            stamp(group).write_text(wanted(group))


def requirements(group: str) -> list[str]:
    """pip's arguments: the group's lock file, or where it has none, its requirements as they stand."""
    lock = REQUIREMENTS / f"{group}.lock"
    if lock.exists():
        return ["--no-deps", "--require-hashes", f"--requirement={lock}"]
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return list(map(str, groups[group]))


def has_python(group: str) -> bool:
    return stamp(group).is_file() and stamp(group).read_text() == wanted(group)


def wanted(group: str) -> str:
    """What the stamp says: the same in every checkout that wants the same."""
    lock = REQUIREMENTS / f"{group}.lock"
    return f"{zlib.crc32(lock.read_bytes())}\n" if lock.exists() else f"{requirements(group)}\n"


def stamp(group: str) -> Path:
    return Path(sys.prefix) / f"installed-{group}"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """The same lock that `inv` holds while it makes the environment."""
    with Path(f"{sys.prefix}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
