# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What of Debian goes into every image: fetched and unpacked once, kept in the cache."""

import hashlib
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from whisper158 import apt
from whisper158.build.emulator import database, modules, packages
from whisper158.cache import cache_dir, keyed_entry
from whisper158.console import say, step

# Counts what fill() makes of the same packages.
FORM = "2"
# Folders that Debian's packages of before 2025 fill under both names, and that are one since.
MERGED = ("bin", "lib", "sbin")


@dataclass(frozen=True)
class Base:
    """An entry of the cache."""

    folder: Path

    @property
    def tree(self) -> Path:
        """A root file system that nobody has configured yet, without a kernel."""
        return self.folder / "tree"

    @property
    def kernel(self) -> Path:
        """The kernel's package, unpacked: boot/vmlinuz-* and all modules."""
        return self.folder / "kernel"

    @property
    def busybox(self) -> Path:
        return self.folder / "busybox" / "bin" / "busybox"

    @property
    def versions(self) -> list[str]:
        """The packages' files, NAME_VERSION_ARCHITECTURE.deb."""
        return (self.folder / "packages.txt").read_text().split()


def base() -> Base:
    """Debian for the emulator. What was fetched once is used until it is deleted."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")
    wanted = (FORM, release, *packages.USERLAND, packages.KERNEL, packages.BUSYBOX, *packages.PRUNED)
    key = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:12]
    return Base(keyed_entry(cache_dir() / "emulator" / f"debian-{key}", fill))


def fill(folder: Path) -> None:
    made = Base(folder)
    with tempfile.TemporaryDirectory(prefix="whisper158-") as work:
        with step("Fetching Debian's packages for arm64"):
            fetcher = apt.Apt(Path(work), "arm64")
            busybox = fetcher.download(packages.BUSYBOX)
            kernel = fetcher.download(*fetcher.dependencies(packages.KERNEL))
            userland = fetcher.download_with_dependencies(*packages.USERLAND)
        with step(f"Unpacking {len(userland) + len(kernel) + len(busybox)} packages"):
            database.write(unpack(userland, made.tree), made.tree)
            unpack(kernel, made.kernel)
            unpack(busybox, folder / "busybox")
    merge_usr(made.tree)
    prune(made.tree)
    modules.index(made.kernel, modules.kernel_version(made.kernel))
    names = sorted(path.name.replace("%3a", ":") for path in (*userland, *kernel, *busybox))
    (folder / "packages.txt").write_text("".join(f"{name}\n" for name in names))
    say(f"Debian for the emulator: {len(names)} packages, {modules.kernel_version(made.kernel)}")


def unpack(debs: list[Path], tree: Path) -> dict[Path, list[str]]:
    """Returns what there was in each."""
    tree.mkdir()
    return {deb: apt.extract(deb, tree) for deb in debs}


def merge_usr(tree: Path) -> None:
    """Makes /bin, /lib and /sbin links into /usr, as on every Debian that is installed the ordinary way."""
    for name in MERGED:
        target = tree / "usr" / name
        target.mkdir(parents=True, exist_ok=True)
        if (tree / name).is_dir() and not (tree / name).is_symlink():
            merge(tree / name, target)
            shutil.rmtree(tree / name)
        if not (tree / name).is_symlink():
            (tree / name).symlink_to(f"usr/{name}")


def merge(source: Path, target: Path) -> None:
    """Moves what is in `source` to `target`, into folders that are there already."""
    for item in source.iterdir():
        there = target / item.name
        if item.is_dir() and not item.is_symlink() and there.is_dir():
            merge(item, there)
        else:
            item.rename(there)


def prune(tree: Path) -> None:
    for pattern in packages.PRUNED:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
