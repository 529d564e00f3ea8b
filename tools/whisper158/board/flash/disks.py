# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Disks, and which of them may be overwritten: removable ones that nobody uses."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whisper158.errors import UserError

SECTOR = 512  # bytes, whatever the disk's own sectors are, in /sys


class WrongDisk(UserError):
    """This disk must not be overwritten."""


@dataclass(frozen=True)
class System:
    """Where facts of disks come from; tests have others."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")

    def number(self, path: str) -> str | None:
        """The numbers of a block device, as /sys spells them."""
        info = os.stat(path)
        return f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}" if stat.S_ISBLK(info.st_mode) else None


REAL = System()


@dataclass(frozen=True)
class Disk:
    path: str
    name: str
    # Major and minor, as /sys spells them.
    number: str
    size: int
    model: str
    bus: str
    removable: bool
    read_only: bool
    # What uses it: where it is mounted, what is built on it.
    uses: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path} ({self.model or 'no model name'}, {self.bus or 'unknown bus'}, {amount(self.size)})"


def look(path: str, system: System = REAL) -> Disk:
    """The facts about the disk `path`."""
    try:
        number = system.number(path)
    except OSError as error:
        raise WrongDisk(f"{path}: {error.strerror}", candidates_hint(system)) from error
    if number is None:
        raise WrongDisk(f"{path} is no disk", candidates_hint(system))
    entry = system.sys / "dev" / "block" / number
    if (entry / "partition").exists():
        whole = entry.resolve().parent.name
        raise WrongDisk(f"{path} is a partition; the image has a partition table of its own", f"--disk /dev/{whole}")
    if not (entry / "size").exists():
        raise WrongDisk(f"{path} is not known to the system")
    return facts(path, entry.resolve(), system)


def facts(path: str, entry: Path, system: System) -> Disk:
    device = entry / "device"
    kind = text(device / "type")
    return Disk(
        path=path,
        name=entry.name,
        number=text(entry / "dev"),
        size=int(text(entry / "size") or 0) * SECTOR,
        model=" ".join(filter(None, (text(device / "vendor"), text(device / "model") or text(device / "name")))),
        bus=bus(entry),
        # A card's slot is not removable, but a card is; an eMMC is of the type MMC.
        removable=text(entry / "removable") == "1" or kind == "SD",
        read_only=text(entry / "ro") == "1",
        uses=tuple(uses(entry, system)),
    )


def bus(entry: Path) -> str:
    # Where the disk hangs is in the path that its link leads to.
    for name in ("usb", "mmc", "nvme", "ata", "virtio"):
        if any(part.startswith(name) for part in entry.parts):
            return name
    return ""


def uses(entry: Path, system: System) -> Iterator[str]:
    """Mounts, swap, and layers (LVM, RAID, encryption) on the disk or on a partition of it."""
    devices = [entry, *(child for child in sorted(entry.iterdir()) if (child / "partition").exists())]
    numbers = {text(device / "dev"): device.name for device in devices}
    names = {f"/dev/{device.name}": device.name for device in devices}
    for line in text(system.proc / "self" / "mountinfo").splitlines():
        fields = line.split(" ")
        source = fields[fields.index("-") + 2] if "-" in fields[:-2] else ""
        # Some file systems (btrfs) have numbers of their own, and tell the disk by its name only.
        if name := numbers.get(fields[2]) or names.get(source):
            yield f"{name} is mounted at {fields[4]}"
    for line in text(system.proc / "swaps").splitlines()[1:]:
        if name := names.get(line.split()[0]):
            yield f"{name} is used as swap"
    for device in devices:
        holders = device / "holders"
        for holder in sorted(holders.iterdir()) if holders.is_dir() else []:
            yield f"{device.name} is used by {holder.name}"


def check(disk: Disk, needed: int) -> None:
    """Raises WrongDisk unless the disk may be overwritten with `needed` bytes."""
    if disk.uses:
        raise WrongDisk(f"{disk} is in use: {'; '.join(disk.uses)}", f"unmount it first: umount {disk.path}?*")
    if not disk.removable:
        raise WrongDisk(f"{disk} is not removable, so it may be a disk that this computer needs")
    if disk.read_only:
        raise WrongDisk(f"{disk} is write-protected", "look for a slider on the card or its adapter")
    if disk.size == 0:
        raise WrongDisk(f"{disk.path} has no card in it")
    if disk.size < needed:
        raise WrongDisk(f"{disk} is too small: the image needs {amount(needed)}")


def candidates(system: System = REAL) -> list[Disk]:
    """The disks that could be meant."""
    block = system.sys / "block"
    entries = [entry.resolve() for entry in sorted(block.iterdir())] if block.is_dir() else []
    disks = [facts(f"/dev/{entry.name}", entry, system) for entry in entries]
    return [disk for disk in disks if disk.removable and disk.size and not disk.uses and not disk.read_only]


def candidates_hint(system: System) -> str:
    found = candidates(system)
    if not found:
        return "no removable disk is here that is not in use"
    return f"disks that could be meant: {', '.join(map(str, found))}"


def text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
