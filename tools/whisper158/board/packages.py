# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The package manager of a machine, whichever it has, and newer packages for it."""

import re
from dataclasses import dataclass
from pathlib import Path

from whisper158.board.target import Target, Upgrade
from whisper158.build import layer
from whisper158.build.recipe import PACKAGES
from whisper158.errors import die

# Where packages wait on the machine: on its disk, for they are wanted after a power cut too.
FOLDER = "/var/lib/whisper158-test-packages"
# By these it is seen that a package manager has begun to write.
STARTED, ENDED, PROCESS, LOG = (f"/run/whisper158-test-{name}" for name in ("started", "ended", "process", "log"))


@dataclass(frozen=True)
class Manager:
    """Commands of a shell, with {} for a package. What somebody has edited, `install` leaves alone without asking."""

    program: str
    suffix: str  # of its packages
    name: re.Pattern[str]  # of its packages' files
    version: str  # prints the version of what is installed
    install: str
    broken: str  # prints what is installed only half
    altered: str  # prints what of a package is not as it came


UNDERSCORES = re.compile(r"(?P<name>[^_]+)_(?P<version>[^_]+)_[^_]+\.\w+")
DPKG = Manager(
    program="dpkg",
    suffix=".deb",
    name=UNDERSCORES,
    version="dpkg-query -W -f '${{Version}}' {}",
    install="dpkg --force-confdef --force-confold --install",
    broken="dpkg --audit",
    altered="dpkg --verify {}",
)
OPKG = Manager(
    program="opkg",
    suffix=".ipk",
    name=UNDERSCORES,
    version="opkg status {} | sed -n 's/^Version: //p'",
    install="opkg install",
    broken="opkg status | grep -E '^Status: .*(half-|unpacked)'; true",
    # It keeps no sums.
    altered="true",
)
RPM = Manager(
    program="rpm",
    suffix=".rpm",
    name=re.compile(r"(?P<name>.+)-(?P<version>[^-]+-[^-]+)\.\w+\.rpm"),
    version="rpm -q --queryformat '%{{VERSION}}-%{{RELEASE}}' {}",
    install="rpm --upgrade",
    # What it has not finished is not installed by its database.
    broken="true",
    altered="rpm --verify {}",
)
MANAGERS = (DPKG, OPKG, RPM)


def find(target: Target) -> Manager | None:
    """The one that has installed our packages."""
    for manager in MANAGERS:
        status, version = target.run(
            f"command -v {manager.program} >/dev/null && {manager.version.format(PACKAGES[0])} 2>/dev/null"
        )
        if status == 0 and version:
            return manager
    return None


@dataclass(frozen=True)
class Packages:
    """Newer packages, by their names, and what a machine's own package manager does with them."""

    target: Target
    manager: Manager
    files: dict[str, Path]

    def newer(self) -> dict[str, str]:
        return {name: self._told(path)["version"] for name, path in self.files.items()}

    def installed(self) -> dict[str, str]:
        """Without a version, what is not."""
        ask = (f"printf '%s ' {name}; {self.manager.version.format(name)} 2>/dev/null; echo" for name in self.files)
        said = (line.partition(" ") for line in self.target.check("; ".join(ask)).splitlines())
        return {name: version for name, _, version in said if name}

    def put(self, content: bytes, name: str) -> str:
        path = f"{FOLDER}/{name}"
        self.target.put(content, path, self.target.machine.budget.words)
        return path

    def put_all(self) -> list[str]:
        return [self.put(path.read_bytes(), path.name) for path in self.files.values()]

    def install(self, *paths: str) -> tuple[int, str]:
        """Status, and what it said."""
        return self.target.run(f"{self.manager.install} {' '.join(paths)}", self.target.machine.budget.words)

    def begin(self, *paths: str) -> None:
        """Installs, and stops in the middle: as soon as anything has been written to where models are."""
        script = f"echo $$ >{PROCESS}; exec {self.manager.install} {' '.join(paths)}"
        self.target.check(
            f"rm -f {ENDED}; touch {STARTED}; ( setsid sh -c '{script}'; touch {ENDED} ) >{LOG} 2>&1 </dev/null & "
            f'until [ -n "$(find {layer.INSTALLED_MODELS} -newer {STARTED})" ]; do '
            f"[ ! -e {ENDED} ] || {{ cat {LOG}; exit 1; }}; done; "
            f"kill -STOP -- -$(cat {PROCESS}) && sync",
            self.target.machine.budget.words,
        )

    def broken(self) -> str:
        return self.target.check(self.manager.broken)

    def altered(self) -> str:
        """What of our packages is not as it came, but for the file that is there to be edited."""
        _, said = self.target.run("; ".join(self.manager.altered.format(name) for name in self.files))
        return "\n".join(line for line in said.splitlines() if not line.endswith(str(layer.INSTALLED_CONFIGURATION)))

    def _told(self, path: Path) -> dict[str, str]:
        found = self.manager.name.fullmatch(path.name)
        return found.groupdict() if found else die(f"{path}: the name of a package says which it is, and this does not")


def for_manager(target: Target, manager: Manager, upgrade: Upgrade) -> Packages:
    found = ((manager.name.fullmatch(path.name), path) for path in upgrade.packages if path.suffix == manager.suffix)
    files = {told["name"]: path for told, path in found if told}
    # As somebody types them who knows what needs what.
    return Packages(target, manager, {name: files[name] for name in PACKAGES if name in files})


def in_folder(folder: Path) -> Upgrade:
    """What BitBake has left in its deploy folder: packages of ours, and many others."""
    suffixes = {manager.suffix: manager.name for manager in MANAGERS}
    files = tuple(
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in suffixes and (told := suffixes[path.suffix].fullmatch(path.name)) and told["name"] in PACKAGES
    )
    if not files:
        die(
            f"--packages: {folder} has none of our packages ({', '.join(PACKAGES)})",
            "it is BitBake's tmp/deploy/ipk, rpm or deb",
        )
    return Upgrade(files)
