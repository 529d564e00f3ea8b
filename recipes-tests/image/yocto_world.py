# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A small world without a network: a checkout of ours, the layers' repositories, and a BitBake that only talks.

kas is the real one. It finds the repositories through KAS_PREMIRRORS, the lock files of the checkout are written by
`./inv kas.lock`, and what BitBake "builds" is a few files.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from whisper158.build.preflight import PACKAGES
from whisper158.paths import GOLDEN, ROOT

BITBAKE = Path(__file__).parent / "fake_bitbake.py"
REPOSITORIES = {
    "poky": ("git.yoctoproject.org/poky", "yocto-5.0.9", "master"),
    "meta-openembedded": ("github.com/openembedded/meta-openembedded", None, "scarthgap"),
    "meta-synaptics": ("github.com/synaptics-astra/meta-synaptics", "scarthgap_6.12_v2.5.0", "main"),
}
LAYERS = ("meta", "meta-poky", "meta-oe", "meta-python", "meta-networking", "meta-filesystems", "meta-multimedia")
# A person's git settings have no place here.
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"} | {
    f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "t"), ("EMAIL", "t@t"))
}

INIT = """\
BUILDDIR="$1"
mkdir -p "$1/conf"
PATH="$PWD/bitbake/bin:$PATH"
BB_ENV_PASSTHROUGH_ADDITIONS="DL_DIR"
export BUILDDIR PATH BB_ENV_PASSTHROUGH_ADDITIONS
cd "$1"
"""


@dataclass
class World:
    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    # Seconds for one command.
    patience: float = 300

    @property
    def checkout(self) -> Path:
        return self.home / "checkout"

    @property
    def work(self) -> Path:
        return self.checkout / "build" / "yocto"

    def folder(self, machine: str) -> Path:
        return self.work / f"build-{machine}"

    def told(self) -> str:
        """All that kas and BitBake said in the last build of the board's image."""
        return (self.work / "sl1680.log").read_text()

    def command(self, *words: str) -> list[str]:
        return [*as_person(), sys.executable, "-P", "-m", "whisper158", *words]

    def settings(self, **more: str) -> dict[str, str]:
        return {**self.environment, **more}

    def inv(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.home,
            env=self.settings(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience,
        )

    def build(self, machine: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        eula = ["--accept-eula"] if machine == "sl1680" else []
        given = ["--machine", machine, "--force", *eula, *words]
        # What a user says comes last, and wins.
        model = [] if "--model" in words else ["--model", str(GOLDEN)]
        return self.inv("build-image", *given, *model, **environment)


def as_person() -> list[str]:
    """What to put before a command so that it is not root, while all that is root's is still its own."""
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []


def can_be_person() -> bool:
    return subprocess.run([*as_person(), "true"], capture_output=True).returncode == 0


def make(home: Path) -> World:
    world = World(home)
    copy_checkout(world.checkout)
    search_on_path(world.checkout)
    premirrors = [
        f"https://{address} {make_repository(home / name, tag, branch).as_uri()}"
        for name, (address, tag, branch) in REPOSITORIES.items()
    ]
    world.environment = {
        "PATH": f"{make_programs(home / 'bin')}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(world.checkout / "tools"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "WHISPER158_CACHE": str(home / "cache"),
        "KAS_PREMIRRORS": "\n".join(premirrors),
        "LOCPATH": str(make_locale(home / "locale")),
        "COLUMNS": "200",
        **GIT,
    }
    return world


def copy_checkout(target: Path) -> None:
    """As much of our own checkout as build-image needs."""
    skip = shutil.ignore_patterns("__pycache__", "train", "runtime")
    for name in ("kas", "tools/whisper158", "requirements", "meta-whisper158"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=skip if name != "tools/whisper158" else None)
    for name in ("tasks.py", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, target)
    git(target, "init", "--quiet")


def search_on_path(checkout: Path) -> None:
    """Has build-image look for BitBake's programs on $PATH, where a test can put and hide them."""
    source = checkout / "tools" / "whisper158" / "build" / "preflight.py"
    text = source.read_text()
    changed = re.sub(r"^SEARCHED = .*$", 'SEARCHED = os.environ["PATH"]', text, flags=re.MULTILINE)
    assert changed != text
    source.write_text(changed)


def make_repository(folder: Path, tag: str | None, branch: str) -> Path:
    for layer in LAYERS:
        (folder / layer / "conf").mkdir(parents=True)
        (folder / layer / "conf" / "layer.conf").touch()
    if folder.name == "meta-synaptics":
        (folder / "recipes-x").mkdir()
        (folder / "recipes-x" / "newest_git.bb").write_text('SRCREV = "${AUTOREV}"\n')
        (folder / "recipes-x" / "pinned_git.bb").write_text('# not "${AUTOREV}"\nSRCREV = "${PINNED}"\n')
    if folder.name == "poky":
        (folder / "oe-init-build-env").write_text(INIT)
        program = folder / "bitbake" / "bin" / "bitbake"
        program.parent.mkdir(parents=True)
        # Under the name by which a process is known to be BitBake.
        program.write_text(f'#!/bin/bash\nexec -a bitbake "{sys.executable}" "{BITBAKE}" "$@"\n')
        program.chmod(0o755)
    git(folder, "init", "--quiet", f"--initial-branch={branch}")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=all")
    if tag:
        git(folder, "tag", tag)
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, env={**os.environ, **GIT}, check=True)


def make_programs(folder: Path) -> Path:
    """What BitBake needs of a machine and this one may lack: it will not be run, only looked for."""
    folder.mkdir()
    for name in PACKAGES:
        if shutil.which(name) is None:
            (folder / name).symlink_to("/bin/true")
    return folder


def make_locale(folder: Path) -> Path:
    """The locale that BitBake wants, on any machine: the C library's own by another name."""
    folder.mkdir()
    own = Path("/usr/lib/locale/C.utf8")
    if own.is_dir():
        (folder / "en_US.UTF-8").symlink_to(own)
    return folder
