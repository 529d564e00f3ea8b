# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The image itself: Debian, our runtime as Meson installs it, the model; as files that QEMU boots from."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper158 import needs
from whisper158.build import layer, recipe, runtime
from whisper158.build.emulator import configure, database, debs, initrd, keys, modules
from whisper158.build.emulator.base import Base, base
from whisper158.build.emulator.packages import MODULES
from whisper158.cache import cache_dir, keyed_entry
from whisper158.console import step
from whisper158.model import models
from whisper158.model.blob import read
from whisper158.run import run

# What is free for whoever uses the machine. The file is sparse: it takes no more than what was written.
ROOM = 256 << 20
# Frames of 20 ms, for models that were not validated for short windows: whoever speaks to an emulator is brief.
AUDIO_CONTEXT = 200
# Where the shortest context that a model was validated for stands in its section "config" (docs/blob-format.md).
SHORTEST = 10
# Days after which an image that nobody asked for is dropped: it is large, and every change of the daemon makes another.
KEPT_DAYS = 1


@dataclass(frozen=True)
class Image:
    """The folder that build() returns, file by file."""

    folder: Path

    @property
    def root(self) -> Path:
        """The root file system, ext4. QEMU writes to overlays on it, never to itself."""
        return self.folder / "rootfs.ext4"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.cpio"

    @property
    def kernel_line(self) -> str:
        """Nothing: the initial RAM disk knows the rest."""
        return ""

    @property
    def key(self) -> Path:
        """The private key that the guest's root lets in."""
        return self.folder / keys.OWNER

    @property
    def known_hosts(self) -> Path:
        """The guest's own key, under the name configure.HOST_NAME (ssh -o HostKeyAlias=)."""
        return self.folder / "known_hosts"

    @property
    def facts(self) -> dict[str, Any]:
        """Model (name, sha256), version, kernel, packages."""
        facts: dict[str, Any] = json.loads((self.folder / "image.json").read_text())
        return facts


def build(model: str = models.DEFAULT) -> Path:
    """The folder of an image with `model` (a name or a .w158 file), made now if there is none with this content."""
    needs.debian("native", "cross", "emulator")
    blob = models.ensure(model)
    debian = base()
    with tempfile.TemporaryDirectory(prefix="whisper158-") as folder:
        installed = runtime.install(runtime.BOARD, Path(folder) / "installed")
        facts = facts_of(blob, debian)
        entry = cache_dir() / "emulator" / f"image-{key_of(facts, installed)}"
        return keyed_entry(entry, filler(blob, debian, installed, facts), KEPT_DAYS)


def facts_of(blob: Path, debian: Base) -> dict[str, Any]:
    with blob.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "model": {"name": blob.stem, "sha256": digest, "bytes": blob.stat().st_size},
        "version": layer.version(),
        "kernel": modules.kernel_version(debian.kernel),
        "packages": debian.versions,
    }


def key_of(facts: dict[str, Any], installed: Path) -> str:
    """Stands for all that decides what is in an image: packages, model, runtime, recipes, keys, and the code here."""
    digest = hashlib.sha256(json.dumps([facts, repr(recipe.packages())], sort_keys=True).encode())
    for folder in (installed, keys.keys(), Path(__file__).parent):
        for path in contents(folder):
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def contents(folder: Path) -> Iterator[Path]:
    """All files in `folder` that are not Python's own."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc")


def filler(blob: Path, debian: Base, installed: Path, facts: dict[str, Any]) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        image, tree = Image(folder), folder / "tree"
        with step("Making the emulator's image"):
            shutil.copytree(debian.tree, tree, symlinks=True)
            install(blob, installed, tree)
            modules.take(debian.kernel, MODULES, tree)
            configure.configure(tree, keys.keys(), options_for(blob))
            make_filesystem(tree, image.root)
            shutil.rmtree(tree)
            shutil.copyfile(debian.kernel / "boot" / f"vmlinuz-{facts['kernel']}", image.kernel)
            image.initrd.write_bytes(initrd.initrd(debian.busybox, debian.kernel))
            shutil.copy2(keys.keys() / keys.OWNER, image.key)
            image.known_hosts.write_text(keys.known_host(keys.keys(), configure.HOST_NAME))
            (folder / "image.json").write_text(json.dumps(facts, indent=1) + "\n")

    return fill


def install(blob: Path, installed: Path, tree: Path) -> None:
    """Our packages, as dpkg would install them on a machine."""
    with tempfile.TemporaryDirectory(prefix="whisper158-") as folder:
        debs.install(debs.build(installed, blob, Path(folder), database.libraries(tree)), tree)


def options_for(blob: Path) -> tuple[str, ...]:
    """A model that was made for windows of half a minute would take the emulator many minutes for each."""
    shortest = int(read(blob).array("config")[SHORTEST])
    return (f"--audio-context={AUDIO_CONTEXT}",) if shortest > AUDIO_CONTEXT else ()


def make_filesystem(tree: Path, out: Path) -> None:
    """An ext4 file system with the content of `tree`, all of it root's: fakeroot says so to whoever asks."""
    size = sum(path.lstat().st_size for path in tree.rglob("*")) + ROOM
    options = ["-q", "-t", "ext4", "-m", "0", "-L", "whisper158"]
    run(["fakeroot", "--", "mke2fs", *options, "-d", tree, out, f"{size >> 10}k"])
