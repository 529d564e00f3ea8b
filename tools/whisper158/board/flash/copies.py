# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A copy of an image for those who cannot be sent one: a USB stick, or the folder of a TFTP server."""

import hashlib
import os
import shutil
from pathlib import Path

from whisper158.board.flash.disks import amount
from whisper158.board.flash.image import FULL_LIST, IMAGE_LIST, PART_LIST, Image
from whisper158.console import say, track
from whisper158.errors import die

# What U-Boot is told to look for.
NAME = "SYNAIMG"
FAT = ("vfat", "msdos")
BLOCK = 4 << 20


def contents(image: Image, full: bool) -> dict[str, Path]:
    """The files of the copy, and what each is copied from.

    With `full` the board's boot partitions are written too, by the list that releases have for that.
    """
    if full and not image.full_actions:
        die(
            f"{image.folder} has no {FULL_LIST}", "leave --full out: it is for release images, on a board's first flash"
        )
    actions = image.full_actions if full else image.actions
    files = {PART_LIST: image.folder / PART_LIST, IMAGE_LIST: image.folder / (FULL_LIST if full else IMAGE_LIST)}
    return files | {action.file: image.path(action) for action in actions if action.file}


def plan(image: Image, target: Path, full: bool) -> list[str]:
    return [f"cp {source} {target / NAME / name}" for name, source in contents(image, full).items()]


def copy(image: Image, target: Path, full: bool) -> Path:
    """Copies the image to `target`/SYNAIMG, whole or not at all, and compares what arrived."""
    files = contents(image, full)
    check_room(target, files)
    if (target / NAME).resolve() == image.folder.resolve():
        die(f"{image.folder} is the image itself, and would be replaced by its copy", "name another folder")
    folder, draft, old = (target / name for name in (NAME, f"{NAME}.new", f"{NAME}.old"))
    for left in (draft, old):
        shutil.rmtree(left, ignore_errors=True)
    draft.mkdir()
    try:
        for name, source in track(list(files.items()), f"Copying to {target}"):
            copy_file(source, draft / name)
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    os.sync()
    say(f"{folder} holds {len(files)} files, {amount(sum(source.stat().st_size for source in files.values()))}")
    return folder


def check_room(target: Path, files: dict[str, Path]) -> None:
    if not target.is_dir():
        die(f"there is no folder {target}", "mount the stick first, or make the folder")
    needed = sum(source.stat().st_size for source in files.values())
    free = shutil.disk_usage(target).free
    if free < needed:
        die(f"{target} has {amount(free)} free; the image needs {amount(needed)}")


def copy_file(source: Path, target: Path) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as incoming, target.open("wb") as outgoing:
        while block := incoming.read(BLOCK):
            digest.update(block)
            outgoing.write(block)
        outgoing.flush()
        os.fsync(outgoing.fileno())
        # What is read back is then the medium's, as far as the kernel can be asked for that.
        os.posix_fadvise(outgoing.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with target.open("rb") as copied:
        if hashlib.file_digest(copied, "sha256").digest() != digest.digest():
            die(f"{target} is not what was copied to it", "take another stick")


def check_stick(target: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """U-Boot reads FAT only. A folder that is no file system of its own is the person's to copy from."""
    for line in mounts.read_text().splitlines():
        device, where, kind, *_ = line.split(" ")
        # Blanks are spelled \040 there.
        if where.encode().decode("unicode_escape") == str(target.absolute()) and kind not in FAT:
            die(f"{target} has the file system {kind}; U-Boot reads FAT32 only", f"mkfs.vfat -F 32 {device}")
