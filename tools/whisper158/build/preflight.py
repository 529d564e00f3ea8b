# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What must be so before an image is built. A build takes hours; all that would end it is said at once, and first."""

import locale
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whisper158.build.kas import VARIABLES, Folders, Machine
from whisper158.console import say
from whisper158.needs import Unavailable
from whisper158.paths import ROOT

GB = 1_000_000_000

# What a first build takes of the disk, by the image's size class: Synaptics asks for 150 GB for an Astra image; that a
# small image for QEMU fits into a third of that is a guess on the safe side. What goes on needs less.
DISK = {True: 150 * GB, False: 50 * GB}
DISK_TO_GO_ON = 15 * GB
# BitBake gives up at 100,000; a first build makes millions of files.
INODES = 5_000_000
INODES_TO_GO_ON = 200_000
# The largest of the compiler's own sources want 2 GB for each job.
MEMORY = 8 * GB
MEMORY_PER_JOB = 2 * GB
NFS = "nfs"

# Which Debian package brings a program of BitBake's HOSTTOOLS, where that is not plain from its name.
PACKAGES = {
    "ar": "binutils",
    "as": "binutils",
    "bunzip2": "bzip2",
    "chrpath": "chrpath",
    "cpio": "cpio",
    "cpp": "gcc",
    "diffstat": "diffstat",
    "file": "file",
    "g++": "g++",
    "gawk": "gawk",
    "gcc": "gcc",
    "ld": "binutils",
    "lz4c": "lz4",
    "make": "make",
    "patch": "patch",
    "perl": "perl",
    "pzstd": "zstd",
    "python3": "python3",
    "rpcgen": "rpcsvc-proto",
    "unzstd": "zstd",
    "wget": "wget",
    "zstd": "zstd",
}


# Where kas lets BitBake look for them, whatever $PATH says.
SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Problem:
    what: str
    cure: str
    # Whether --force overrides it: it may go well nevertheless.
    soft: bool = False


@dataclass(frozen=True)
class Conditions:
    machine: Machine
    options: tuple[str, ...]
    eula: bool
    container: bool
    where: Folders


def ensure(conditions: Conditions, force: bool) -> None:
    """Raises Unavailable with everything that is wrong; with `force`, only tells what may go well nevertheless."""
    problems = list(find(conditions))
    tolerated = [problem for problem in problems if problem.soft and force]
    for problem in tolerated:
        say(f"Going on although {problem.what}")
    left = [problem for problem in problems if problem not in tolerated]
    if not left:
        return
    lines = [f"- {problem.what}{': ' if problem.cure else ''}{problem.cure}" for problem in left]
    if any(problem.soft for problem in left) and all(problem.soft for problem in left):
        lines.append("--force builds nevertheless")
    things = "thing stands" if len(left) == 1 else "things stand"
    raise Unavailable(f"cannot build yet; {len(left)} {things} in the way", "\n  ".join(lines))


def find(conditions: Conditions) -> Iterator[Problem]:
    yield from person(conditions)
    yield from checkout()
    yield from container() if conditions.container else native()
    for folder in distinct(conditions.where):
        yield from place(folder)
    yield from room(conditions)
    yield from memory()


def person(conditions: Conditions) -> Iterator[Problem]:
    if os.geteuid() == 0:
        yield Problem("you are root, and BitBake refuses to be run by root", "become a user who owns this checkout")
    if conditions.machine.needs_eula and not conditions.eula:
        yield Problem(
            "the image holds software under Synaptics' End User License Agreement, which nobody has accepted yet",
            "read EULA.rst in github.com/synaptics-astra/meta-synaptics, then say --accept-eula or ACCEPT_SYNA_EULA=1",
        )
    for option in conditions.options:
        if (variable := VARIABLES.get(option)) and not os.environ.get(variable):
            yield Problem(f"--with {option} needs ${variable}", f"kas/opt/{option}.yml says what to set it to")
    if "testimage" in conditions.options and not conditions.machine.name.startswith("qemu"):
        why = f"--with testimage boots the image in QEMU, which does not know {conditions.machine.name}"
        yield Problem(why, "leave it out; ./inv test-on-device tests a board")


def checkout() -> Iterator[Problem]:
    if shutil.which("git") is None:
        yield Problem("git is missing", "on Debian: sudo apt-get install git")
    elif not (ROOT / ".git").exists():
        yield Problem(f"{ROOT} is not a git checkout, which kas takes the paths of its files from", "clone it")


def container() -> Iterator[Problem]:
    engine = os.environ.get("KAS_CONTAINER_ENGINE") or next(filter(shutil.which, ("docker", "podman")), None)
    if engine is None or shutil.which(engine) is None:
        yield Problem(f"{engine or 'docker or podman'} is missing", "on Debian: sudo apt-get install podman")
    elif not answers([engine, "info"]):
        yield Problem(f"{engine} does not answer", f"see what `{engine} info` says; are you in its group?")


def native() -> Iterator[Problem]:
    if missing := [program for program in PACKAGES if shutil.which(program, path=SEARCHED) is None]:
        packages = sorted({PACKAGES[program] for program in missing})
        yield Problem(
            f"programs are missing: {' '.join(missing)}",
            f"on Debian: sudo apt-get install {' '.join(packages)}; or use --container",
        )
    if not has_locale():
        yield Problem(
            "the locale en_US.UTF-8 is missing, which BitBake switches to",
            "on Debian: sudo apt-get install locales && sudo localedef -i en_US -f UTF-8 en_US.UTF-8",
        )
    if os.geteuid() != 0 and not has_namespaces():
        yield Problem(
            "user namespaces are not to be had, by which BitBake keeps tasks off the network",
            "on Ubuntu: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0; or use --container",
        )
    if Path("/proc/version").is_file() and "Microsoft" in Path("/proc/version").read_text():
        yield Problem("this is the first Windows Subsystem for Linux, where BitBake does not work", "use WSL 2")
    if os.statvfs("/tmp").f_flag & os.ST_NOEXEC:
        yield Problem("/tmp is mounted noexec", "remount it: sudo mount -o remount,exec /tmp")


def distinct(where: Folders) -> list[Path]:
    return list(dict.fromkeys((where.work, where.build, where.downloads, where.sstate)))


def place(folder: Path) -> Iterator[Problem]:
    """Whether BitBake can work below `folder`, which need not exist yet."""
    if odd := sorted({c for c in str(folder) if not (c.isascii() and (c.isalnum() or c in "/._-"))}):
        yield Problem(f"{folder}: BitBake stumbles over {' '.join(map(repr, odd))} in a path", "choose another folder")
    if len(str(folder)) > 200:
        yield Problem(f"{folder} is too long for what will lie below it", "choose another folder")
    there = existing(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Problem(f"{there} cannot be written to", "choose another folder, or become its owner")
        return
    if not case_matters(there):
        yield Problem(f"{there} does not tell A from a", "use another file system (under WSL, none of Windows')")
    if file_system(there).startswith(NFS):
        yield Problem(f"{there} is on NFS, where BitBake's locks do not work", "use a local disk")


def existing(folder: Path) -> Path:
    """`folder`, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def case_matters(folder: Path) -> bool:
    with tempfile.NamedTemporaryFile(prefix=".whisper158-a", dir=folder) as file:
        return not Path(file.name.replace(".whisper158-a", ".whisper158-A")).exists()


def file_system(folder: Path) -> str:
    """The type of the file system that `folder` is on: the last of the longest mount points above it."""
    best = ("", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split(" ")
        if folder.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def room(conditions: Conditions) -> Iterator[Problem]:
    """Enough on the disk for the build; downloads and shared state mostly lie on the same one and are counted in."""
    there = existing(conditions.where.build)
    started = (conditions.where.build / "tmp").is_dir()
    needed = DISK_TO_GO_ON if started else DISK[conditions.machine.needs_eula]
    files = INODES_TO_GO_ON if started else INODES
    status = os.statvfs(there)
    free = status.f_bavail * status.f_frsize
    if free < needed:
        may = f"{'to go on' if started else 'a first build'} may take {needed // GB}"
        what = f"{there} has {free // GB} GB free, and {may}"
        cure = "make room, set $KAS_WORK_DIR to a larger disk" + ("" if started else ", or build --with rm-work")
        yield Problem(what, cure, soft=True)
    # File systems that make inodes as they go say 0.
    if status.f_files and status.f_favail < files:
        what = f"{there} has room for {status.f_favail} files, and {files} may be needed"
        yield Problem(what, "make room", soft=True)


def memory() -> Iterator[Problem]:
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size < MEMORY:
        yield Problem(f"this machine has {size / GB:.1f} GB of memory, and {MEMORY // GB} are needed", "", soft=True)


def jobs() -> int:
    """How many tasks at a time, and compilers in each: what processors and memory allow."""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), size // MEMORY_PER_JOB))


def has_locale() -> bool:
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "en_US.UTF-8")
    except locale.Error:
        return False
    locale.setlocale(locale.LC_ALL, before)
    return True


def has_namespaces() -> bool:
    return answers(["unshare", "--user", "--map-root-user", "--net", "true"])


def answers(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
