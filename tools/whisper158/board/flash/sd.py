# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Onto an SD card: only onto a removable disk that nobody uses, and read back afterwards.

The partition table is written last. A card whose writing was interrupted has none, so that nothing takes it for whole.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from whisper158.board.flash import bmap
from whisper158.board.flash.disks import REAL, Disk, System, WrongDisk, amount, check, look
from whisper158.board.flash.image import MIB, gzip_blocks
from whisper158.board.flash.people import confirm
from whisper158.console import console as terminal
from whisper158.console import say
from whisper158.errors import UserError, die

BLOCK = 4 * MIB
# What holds a partition table of either kind.
HEAD = MIB
BLKFLSBUF = 0x1261  # of linux/fs.h: forget what is cached of a device


class CardUnusable(UserError):
    """The card was touched, and what is on it now is nothing."""


class Interrupted(CardUnusable):
    """By the person."""

    status = 130


@dataclass(frozen=True)
class Written:
    start: int
    length: int
    digest: bytes


def write_card(image: Path, path: str, *, yes: bool = False, dry_run: bool = False, system: System = REAL) -> None:
    """Asks, writes `image` (.gz and .zst are unpacked) onto the disk `path`, and reads it back."""
    blocks = block_map(image)
    disk = look(path, system)
    check(disk, blocks.size if blocks else image.stat().st_size)
    say(f"{'Would write' if dry_run else 'To write'}: {image} onto {disk}")
    if dry_run:
        return
    confirm(f"Everything on {disk} will be lost.", disk.name, yes)
    descriptor = open_disk(disk)
    try:
        written = write(descriptor, image, blocks, disk)
        # Alone until the end: a desktop mounts a card that nobody holds as soon as there is a partition table on it,
        # and a mounted file system is not what was written any more.
        verify(descriptor, disk, written)
    finally:
        os.close(descriptor)
    say(
        f"{amount(sum(part.length for part in written))} were written to {disk.path} and read back without a difference"
    )


def block_map(image: Path) -> bmap.Map | None:
    """Which bytes are to be written; None for all of a compressed image, whose size only unpacking tells."""
    if not image.is_file():
        die(f"there is no image {image}")
    if image.suffix == ".zst" and shutil.which("zstd") is None:
        die(f"{image.name} needs the program zstd to be unpacked", "sudo apt-get install zstd")
    if found := bmap.beside(image):
        blocks = bmap.read(found)
        if not compressed(image) and blocks.size != image.stat().st_size:
            die(f"{found} is of another image: it says {blocks.size} bytes, {image.name} has {image.stat().st_size}")
        return blocks
    return None if compressed(image) else bmap.whole(image.stat().st_size)


def compressed(image: Path) -> bool:
    return image.suffix in (".gz", ".zst")


# ---- writing


def write(descriptor: int, image: Path, blocks: bmap.Map | None, disk: Disk) -> list[Written]:
    try:
        with bar(f"Writing {disk.path}", image.stat().st_size) as show:
            head = bytearray()
            pwrite(descriptor, bytes(min(HEAD, disk.size)), 0)
            os.fsync(descriptor)
            written = [body(descriptor, part, head) for part in parts(image, blocks, disk.size, show)]
            os.fsync(descriptor)
            pwrite(descriptor, bytes(head), 0)
            os.fsync(descriptor)
        return written
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {disk.path} is not usable now", "write it again") from None
    except (OSError, ValueError, zlib.error) as error:
        raise CardUnusable(f"writing failed, and {disk.path} is not usable now: {error}", "write it again") from error


def open_disk(disk: Disk) -> int:
    """Alone: the kernel refuses O_EXCL for a disk that is mounted or part of something, whatever /proc says."""
    try:
        descriptor = os.open(disk.path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        hint = "run this with sudo" if error.errno == errno.EACCES else None
        raise WrongDisk(f"{disk.path} cannot be opened for writing: {error.strerror}", hint) from error
    info = os.fstat(descriptor)
    if stat.S_ISBLK(info.st_mode) and disk.number != f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}":
        os.close(descriptor)
        raise WrongDisk(f"{disk.path} is another disk than a moment ago", "look again: ./inv flash --method sd")
    return descriptor


@dataclass(frozen=True)
class Part:
    """A stretch of the image, as it comes."""

    start: int
    blocks: Iterator[bytes]
    # What it must hash to, if anything says so: kind and digits.
    kind: str = ""
    digest: str = ""


def parts(image: Path, blocks: bmap.Map | None, room: int, show: Callable[[int], None]) -> Iterator[Part]:
    if blocks is None:
        yield Part(0, limited(stream(image, show), room))
        return
    reader = Reader(stream(image, show))
    for part in blocks.ranges:
        reader.skip_to(part.start)
        yield Part(part.start, reader.take(part.length), blocks.kind if part.digest else "", part.digest)


def limited(blocks: Iterator[bytes], room: int) -> Iterator[bytes]:
    """Stops when a compressed image turns out to be larger than the disk."""
    size = 0
    for block in blocks:
        size += len(block)
        if size > room:
            raise ValueError(f"the image is larger than the disk ({amount(room)})")
        yield block


class Reader:
    """A stream of blocks, taken by counts."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.rest = b""
        self.at = 0

    def take(self, count: int) -> Iterator[bytes]:
        while count:
            block = self.rest or next(self.blocks, b"")
            if not block:
                raise ValueError(f"the image ends at byte {self.at}, earlier than its block map says")
            block, self.rest = block[:count], block[count:]
            self.at += len(block)
            count -= len(block)
            yield block

    def skip_to(self, start: int) -> None:
        for _ in self.take(start - self.at):
            pass


def body(descriptor: int, part: Part, head: bytearray) -> Written:
    """Writes a part but for what lies within the head, which it keeps."""
    digest = hashlib.sha256()
    other = hashlib.new(part.kind) if part.kind else None
    at = part.start
    for block in part.blocks:
        digest.update(block)
        if other:
            other.update(block)
        kept = max(0, min(len(block), HEAD - at))
        if kept:
            head.extend(bytes(at - len(head)) + block[:kept])
        pwrite(descriptor, block[kept:], at + kept)
        at += len(block)
    if other and other.hexdigest() != part.digest.lower():
        raise ValueError(f"the image is damaged: bytes {part.start} to {at} are not what its block map says")
    return Written(part.start, at - part.start, digest.digest())


def pwrite(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, at)
        view, at = view[count:], at + count


def stream(image: Path, show: Callable[[int], None]) -> Iterator[bytes]:
    """The image's content, unpacked. `show` is told how far the file was read."""
    if image.suffix == ".zst":
        yield from zstd_blocks(image, show)
        return
    if image.suffix == ".gz":
        yield from gzip_blocks(image, show)
        return
    with image.open("rb") as file:
        while block := file.read(BLOCK):
            show(file.tell())
            yield block


def zstd_blocks(image: Path, show: Callable[[int], None]) -> Iterator[bytes]:
    with image.open("rb") as file:
        with subprocess.Popen(["zstd", "-dc"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            yield from pipe_blocks(process, file, show)
            assert process.stderr is not None
            error = process.stderr.read().decode(errors="replace").strip()
        if process.returncode != 0:
            raise ValueError(f"{image.name} cannot be unpacked: {error}")


def pipe_blocks(process: subprocess.Popen[bytes], file: IO[bytes], show: Callable[[int], None]) -> Iterator[bytes]:
    assert process.stdout is not None
    try:
        while block := process.stdout.read(BLOCK):
            # The position is that of the other program too, which reads through the same open file.
            show(os.lseek(file.fileno(), 0, os.SEEK_CUR))
            yield block
    finally:
        process.stdout.close()


# ---- reading back


def verify(descriptor: int, disk: Disk, written: list[Written]) -> None:
    try:
        forget_cache(descriptor)
        with bar(f"Reading {disk.path} back", sum(part.length for part in written)) as show:
            done = 0
            for part in written:
                digest = hashlib.sha256()
                for block in read_back(descriptor, part):
                    digest.update(block)
                    done += len(block)
                    show(done)
                if digest.digest() != part.digest:
                    end = part.start + part.length
                    raise CardUnusable(
                        f"{disk.path} gives back something else than was written (bytes {part.start} to {end})",
                        "the card is worn out, or pretends to be larger than it is: take another",
                    )
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {disk.path} was written, but not read back", "write it again") from None
    except OSError as error:
        raise CardUnusable(f"{disk.path} cannot be read back: {error.strerror}", "take another card") from error


def read_back(descriptor: int, part: Written) -> Iterator[bytes]:
    at, end = part.start, part.start + part.length
    while at < end:
        block = os.pread(descriptor, min(BLOCK, end - at), at)
        if not block:
            return
        yield block
        at += len(block)


def forget_cache(descriptor: int) -> None:
    """So that the card is read, and not what the kernel remembers of it."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        fcntl.ioctl(descriptor, BLKFLSBUF)
    except OSError:
        # A file that stands for a disk has no such thing; for a disk it needs root.
        return


@contextmanager
def bar(text: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that is told how many bytes are done; elsewhere than on a terminal, a line at every tenth."""
    if terminal.is_terminal:
        columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=terminal) as progress:
            task = progress.add_task(text, total=total)
            yield lambda done: progress.update(task, completed=done)
        return
    told = 0

    def show(done: int) -> None:
        nonlocal told
        if total and done * 10 // total > told:
            told = done * 10 // total
            say(f"{text}: {told * 10} %")

    yield show
