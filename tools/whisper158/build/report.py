# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a build has made: where it is, how large, what is in it; the same for every machine, for people and programs."""

import json
from dataclasses import dataclass
from pathlib import Path

from whisper158 import whole
from whisper158.build.kas import Model, digest
from whisper158.console import say
from whisper158.errors import die
from whisper158.paths import BUILD

# Files beside an image that nobody starts or flashes.
ASIDE = (".manifest", ".testdata.json", ".spdx.tar.zst", ".json", ".env")
# What QEMU boots the emulator's image from.
BOOTED = ("rootfs.ext4", "vmlinuz", "initrd.cpio")
OURS = "whisper158"


@dataclass(frozen=True)
class Image:
    machine: str
    # The recipe, or for the emulator a name.
    target: str
    # What `./inv flash` or an emulator is pointed at.
    folder: Path
    files: dict[str, Path]
    packages: dict[str, str]
    model: Model

    @property
    def ours(self) -> dict[str, str]:
        return {name: version for name, version in self.packages.items() if OURS in name}


def of_yocto(machine: str, target: str, deployed: Path, model: Model) -> Image:
    """The image that BitBake left in its folder of images."""
    stem = f"{target}-{machine}"
    # Synaptics' images are taken by their flasher as a folder; all others are files.
    flashed = deployed / "SYNAIMG"
    folder = flashed if flashed.is_dir() else deployed
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    files = {path.name: path for path in there if path.is_file() and matters(path, stem, flashed)}
    manifest = next(iter(sorted(deployed.glob(f"{stem}*.manifest"))), None)
    if not files or manifest is None:
        die(f"BitBake ended well, yet there is no image of {target} in {deployed}", "was another image built there?")
    return Image(machine, target, folder, files, read_manifest(manifest), model)


def of_emulator(folder: Path) -> Image:
    """The emulator's image, which tells in a file what is in it."""
    facts = json.loads((folder / "image.json").read_text())
    files = {name: folder / name for name in BOOTED}
    # Of Debian's, the names of their files: NAME_VERSION_ARCHITECTURE.deb.
    packages = dict(file.split("_")[:2] for file in facts["packages"]) | {OURS: facts["version"]}
    model = Model(facts["model"]["name"], None, facts["model"]["sha256"])
    return Image("emulator", "emulator", folder, files, packages, model)


def matters(path: Path, stem: str, flashed: Path) -> bool:
    if path.parent == flashed:
        return True
    if path.name.endswith(ASIDE):
        return False
    # Of each there is a file with the time in its name, and a link without.
    return path.is_symlink() and path.name.startswith((stem, "Image"))


def read_manifest(path: Path) -> dict[str, str]:
    """Package, architecture and version on each line, as OpenEmbedded writes it."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return {words[0]: words[-1] for words in lines if len(words) >= 2}


def close(image: Image) -> None:
    """Tells a person what there is now, and writes it down for the verbs that come after."""
    sums = {name: digest(path) for name, path in image.files.items()}
    write(image, sums)
    sizes = {name: path.stat().st_size for name, path in image.files.items()}
    for name, size in sizes.items():
        say(f"{sums[name]} {size:>15,}  {name}")
    ours = ", ".join(f"{name} {version}" for name, version in image.ours.items()) or "none"
    say(f"{sum(sizes.values()) / 1e6:,.1f} MB; {len(image.packages)} packages, ours: {ours}")
    say(f"Model {image.model.name}, sha256 {image.model.sha256}")
    print(image.folder)


def record(machine: str) -> Path:
    """Where it is written what was built last for `machine`."""
    return BUILD / "images" / f"{machine}.json"


def write(image: Image, sums: dict[str, str]) -> None:
    path = record(image.machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    files = {name: {"bytes": file.stat().st_size, "sha256": sums[name]} for name, file in image.files.items()}
    said = {
        "machine": image.machine,
        "target": image.target,
        "folder": str(image.folder),
        "model": {"name": image.model.name, "sha256": image.model.sha256},
        "files": files,
        "packages": image.packages,
    }
    whole.write(path, json.dumps(said, indent=1) + "\n")
