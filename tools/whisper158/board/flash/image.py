# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A folder that Synaptics' SDK makes for the eMMC (SYNAIMG; eMMCimg in a release): what is in it, and whether a board
would come up with it.

Everything is checked before a board is touched, because the board's U-Boot begins by writing a new partition table and
only then looks at the files. Its limits are checked too, which it does not tell of: it reads a list into 4 KiB, a name
into 32 bytes, and takes an empty line for the end of a list.
"""

import re
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from whisper158.board.flash import sparse
from whisper158.console import step
from whisper158.errors import UserError, die

PART_LIST = "emmc_part_list"
IMAGE_LIST = "emmc_image_list"
# What a release has besides: writes the eMMC's boot partitions too.
FULL_LIST = "emmc_image_list_full"
CHIP = "sl1680"

MIB = 1 << 20
LONGEST_LIST = 4095  # bytes, and a NUL
LONGEST_NAME = 31  # bytes of a file's name, and a NUL
LONGEST_TARGET = 7
MOST_PARTITIONS = 128
# U-Boot trusts the last four bytes of gzip for the length.
LARGEST_GZIP = 1 << 32
# astra-update counts in 32 bits with a sign, and adds a header.
LARGEST_FILE = (1 << 31) - 64
# The eMMC's own boot partitions, b1 and b2: how large they are is known to the chip only, and this is the most.
BOOT_PARTITION = 32 * MIB
# Without these nothing boots.
ESSENTIAL = ("key", "tzk", "bl", "boot", "rootfs")
SLOT = re.compile(r"_[ab]\Z")
# The parts of a sparse image that was split.
PART = re.compile(r"(.+)\.(\d+)\Z")
TAG = re.compile(r"TAG--(.+)--TAG\Z")
CHIP_NAME = re.compile(r"sl\d{4}")
MOST_PROBLEMS = 20


class BadImage(UserError):
    """Flashing it would leave a board that does not boot, or not all of it."""


@dataclass(frozen=True)
class Partition:
    number: int
    name: str
    start: int  # bytes
    size: int


@dataclass(frozen=True)
class Action:
    """A line of the image list: write a file to a target, or erase or format it."""

    verb: str
    target: str
    file: str = ""


@dataclass
class Image:
    folder: Path
    name: str
    partitions: tuple[Partition, ...] = ()
    actions: tuple[Action, ...] = ()
    full_actions: tuple[Action, ...] = ()
    # Of each file that is written, what it is when it is unpacked.
    unpacked: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def path(self, action: Action) -> Path:
        return self.folder / action.file

    def partition(self, target: str) -> Partition | None:
        """None for the eMMC's own boot partitions."""
        return self.partitions[int(target[2:]) - 1] if target.startswith("sd") else None

    def files(self) -> list[str]:
        """What has to reach the board, each once."""
        return list(dict.fromkeys(action.file for action in (*self.actions, *self.full_actions) if action.file))


def load(folder: Path) -> Image:
    """Reads and checks the image in `folder`; raises BadImage with all that is wrong with it."""
    image = read(folder)
    problems = [*structure(image), *contents(image)]
    refuse(folder, problems)
    return image


def read(folder: Path) -> Image:
    """Reads the lists, which must be well formed."""
    if not folder.is_dir():
        die(f"there is no image folder {folder}", "./inv build-image --machine sl1680 makes one; --image names another")
    try:
        partitions = parse_partitions(list_text(folder / PART_LIST))
        actions = parse_actions(list_text(folder / IMAGE_LIST), IMAGE_LIST)
        has_full = (folder / FULL_LIST).exists()
        full = parse_actions(list_text(folder / FULL_LIST), FULL_LIST) if has_full else ()
    except ValueError as error:
        raise BadImage(f"{folder} cannot be flashed: {error}") from error
    name, notes = identity(folder)
    return Image(folder, name, partitions, actions, full, notes=notes)


def refuse(folder: Path, problems: list[str]) -> None:
    if not problems:
        return
    shown = problems[:MOST_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    raise BadImage(f"{folder} cannot be flashed: {shown[0]}", "\n  ".join(shown[1:]) or None)


def identity(folder: Path) -> tuple[str, list[str]]:
    """The name of the image by its tag, an empty file whose name holds it; and what is to be said about that."""
    names = sorted(match[1] for path in folder.iterdir() if (match := TAG.match(path.name)))
    if not names:
        return folder.name, ["there is no TAG file, so nothing says which board the image is for"]
    if len(names) > 1:
        raise BadImage(f"{folder} cannot be flashed: it has several TAG files: {', '.join(names)}")
    chips = set(CHIP_NAME.findall(names[0]))
    if chips and chips != {CHIP}:
        raise BadImage(f"{folder} cannot be flashed: its TAG file says {', '.join(sorted(chips))}, not {CHIP}")
    return names[0], []


# ---- the lists


def list_text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path.name} is missing")
    if path.stat().st_size > LONGEST_LIST:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes; U-Boot reads {LONGEST_LIST}")
    data = path.read_bytes()
    if not data.isascii() or b"\0" in data:
        raise ValueError(f"{path.name} is not ASCII text")
    return data.decode()


def list_lines(text: str, name: str) -> list[list[str]]:
    """The fields of each line, as U-Boot reads them: blanks count nowhere, and the first empty line is the end."""
    lines = [re.sub(r"[ \t\r]", "", line) for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        if len(line) <= 1:
            raise ValueError(f"{name}, line {number}: U-Boot takes an empty line for the end, and {len(lines)} follow")
    return [line.split(",") for line in lines]


def parse_partitions(text: str) -> tuple[Partition, ...]:
    lines = list_lines(text, PART_LIST)
    if not lines or not lines[0][0].startswith("#GPT"):
        raise ValueError(f"{PART_LIST} does not begin with #GPT")
    if len(lines) - 1 > MOST_PARTITIONS:
        raise ValueError(f"{PART_LIST} has {len(lines) - 1} partitions; a table holds {MOST_PARTITIONS}")
    partitions: list[Partition] = []
    for number, fields in enumerate(lines[1:], 1):
        where = f"{PART_LIST}, line {number + 1}"
        if len(fields) < 3:
            raise ValueError(f"{where}: it is not NAME,START,SIZE")
        name, start, size = fields[:3]
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,35}", name):
            raise ValueError(f"{where}: {name!r} cannot be a partition's name")
        if name in (partition.name for partition in partitions):
            raise ValueError(f"{where}: there are two partitions named {name}")
        if not re.fullmatch(r"\d{1,7}", size) or int(size) == 0:
            raise ValueError(f"{where}: {name} has the size {size!r}, which is no number of MiB")
        if number == 1 and not re.fullmatch(r"\d{1,7}", start):
            raise ValueError(f"{where}: {name} starts at {start!r}, which is no number of MiB")
        # U-Boot looks at the first start only; the others follow one another.
        begin = partitions[-1].start + partitions[-1].size if partitions else int(start) * MIB
        partitions.append(Partition(number, name, begin, int(size) * MIB))
    if not partitions:
        raise ValueError(f"{PART_LIST} names no partition")
    if partitions[0].start < MIB:
        raise ValueError(f"{PART_LIST}: the first partition starts within the partition table")
    return tuple(partitions)


def parse_actions(text: str, name: str) -> tuple[Action, ...]:
    lines = list_lines(text, name)
    if not lines:
        raise ValueError(f"{name} is empty")
    if len(lines) > MOST_PARTITIONS:
        raise ValueError(f"{name} has {len(lines)} lines; U-Boot has room for {MOST_PARTITIONS}")
    return tuple(parse_action(fields, f"{name}, line {number}") for number, fields in enumerate(lines, 1))


def parse_action(fields: list[str], where: str) -> Action:
    if len(fields) != 2:
        raise ValueError(f"{where}: it is not FILE,TARGET")
    what, target = fields
    if not re.fullmatch(r"sd[1-9]\d{0,2}|b[12]", target) or len(target) > LONGEST_TARGET:
        raise ValueError(f"{where}: {target!r} is neither sd1, sd2, ... nor b1 or b2")
    if what in ("erase", "format"):
        return Action(what, target)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", what):
        raise ValueError(f"{where}: {what!r} cannot be the name of a file in the image's folder")
    if len(what) > LONGEST_NAME:
        raise ValueError(f"{where}: {what} has {len(what)} characters; U-Boot has room for {LONGEST_NAME}")
    return Action("write", target, what)


# ---- whether they fit


def structure(image: Image) -> list[str]:
    """What is wrong with the lists and the files as such."""
    problems = []
    for name, actions in ((IMAGE_LIST, image.actions), (FULL_LIST, image.full_actions)):
        problems += targets(image, name, actions)
    problems += [f"nothing is written to {name}" for name in unwritten(image)]
    for file in image.files():
        path = image.folder / file
        if path.is_symlink() or not path.is_file():
            problems.append(f"{file} is missing")
        elif path.stat().st_size == 0:
            problems.append(f"{file} is empty")
        elif path.stat().st_size > LARGEST_FILE:
            problems.append(f"{file} has {path.stat().st_size} bytes; astra-update sends at most {LARGEST_FILE}")
    return problems


def unwritten(image: Image) -> Iterator[str]:
    """Partitions that must have content and get none."""
    names = {partition.name for partition in image.partitions}
    written = {p.name for action in image.actions if action.file and (p := within(image, action.target))}
    for stem in ESSENTIAL:
        if stem == "rootfs" and not {"rootfs", "rootfs_a"} & names:
            yield "a partition named rootfs or rootfs_a, which is not there"
        yield from sorted({stem, f"{stem}_a"} & names - written)


def within(image: Image, target: str) -> Partition | None:
    number = int(target[2:]) if target.startswith("sd") else 0
    return image.partitions[number - 1] if 0 < number <= len(image.partitions) else None


def targets(image: Image, name: str, actions: tuple[Action, ...]) -> list[str]:
    """Targets that are not there, and what one line does and another undoes."""
    problems = []
    done: dict[str, Action] = {}
    for action in actions:
        if action.target.startswith("sd") and within(image, action.target) is None:
            problems.append(f"{name} wants {action.target}; {PART_LIST} has {len(image.partitions)} partitions")
        expected = following(done.get(action.target))
        part = PART.match(action.file)
        if part and int(part[2]) > 0 and action.file != expected:
            problems.append(f"{name} writes {action.file} to {action.target} without the part before it just before")
        elif action.target in done and action.file != expected:
            problems.append(f"{name} uses {action.target} twice: {what(done[action.target])}, then {what(action)}")
        done[action.target] = action
    return problems


def what(action: Action) -> str:
    return action.file or action.verb


def following(action: Action | None) -> str | None:
    """The name of the next part, after a part of a split image."""
    if action is None or not (part := PART.match(action.file)):
        return None
    return f"{part[1]}.{int(part[2]) + 1}"


def contents(image: Image) -> list[str]:
    """What is wrong inside the files: each is unpacked once, as far as its partition goes."""
    rooms: dict[str, int] = {}
    for action in (*image.actions, *image.full_actions):
        if action.file and image.path(action).is_file() and not image.path(action).is_symlink():
            partition = within(image, action.target)
            room = partition.size if partition else BOOT_PARTITION
            rooms[action.file] = min(room, rooms.get(action.file, room))
    with step("Checking the image"):
        return [fault for file, room in rooms.items() if (fault := unpack(image, file, room))]


def unpack(image: Image, file: str, room: int) -> str:
    """Notes how large a file's content is; returns what is wrong with it."""
    try:
        image.unpacked[file] = unpacked_size(image.folder / file, room)
    except (ValueError, zlib.error) as error:
        return f"{file}: {error}"
    return ""


def unpacked_size(path: Path, room: int) -> int:
    """How large a file's content is on the board; ValueError if it is damaged, or larger than `room`."""
    if path.name.endswith(".gz"):
        return gzip_size(path, room)
    if sparse.is_sparse(path):
        for _ in sparse.extents(path):
            pass
        size = sparse.size(path)
    else:
        size = path.stat().st_size
    if size > room:
        raise ValueError(f"its {size} bytes do not fit into the {room} of its partition")
    return size


def gzip_size(path: Path, room: int) -> int:
    """Unpacks all of it, which checks its CRC; a bomb is put down when its partition is full."""
    size = 0
    for block in gzip_blocks(path):
        size += len(block)
        if size > room:
            raise ValueError(f"its content does not fit into the {room} bytes of its partition")
    if size >= LARGEST_GZIP:
        raise ValueError(f"its content has {size} bytes; U-Boot unpacks less than {LARGEST_GZIP}")
    if size == 0:
        raise ValueError("there is nothing in it")
    return size


def gzip_blocks(path: Path, show: Callable[[int], None] = lambda done: None) -> Iterator[bytes]:
    """The content of a file of one gzip member, as U-Boot's gunzip takes it, in bounded memory.

    `show` is told how many bytes of the file were read.
    """
    unpacker = zlib.decompressobj(wbits=31)
    with path.open("rb") as file:
        while not unpacker.eof:
            data = unpacker.unconsumed_tail or file.read(MIB)
            if not data:
                raise ValueError("the file ends too early")
            if block := unpacker.decompress(data, 4 * MIB):
                show(file.tell())
                yield block
        if unpacker.unused_data.strip(b"\0") or file.read().strip(b"\0"):
            raise ValueError("something follows its end that is not part of it")


# ---- which system it is


def rootfs_id(image: Image) -> uuid.UUID | None:
    """The UUID of the root file system, by which the system that boots from it is known."""
    for action in image.actions:
        partition = within(image, action.target)
        if action.file and partition and SLOT.sub("", partition.name) == "rootfs":
            return ext4_id(beginning(image.path(action), 2048))
    return None


def beginning(path: Path, count: int) -> bytes:
    """The first bytes of a file's content on the board."""
    if path.name.endswith(".gz"):
        head = b""
        for block in gzip_blocks(path):
            head += block
            if len(head) >= count:
                break
        return head[:count]
    with path.open("rb") as file:
        if sparse.is_sparse(path):
            first = next(sparse.extents(path), None)
            if first is None or first.offset or first.source is None:
                return b""
            file.seek(first.source)
        return file.read(count)


EXT4_MAGIC = 0xEF53


def ext4_id(head: bytes) -> uuid.UUID | None:
    """The UUID in a superblock, which begins at byte 1024."""
    if len(head) < 2048 or struct.unpack_from("<H", head, 1024 + 56)[0] != EXT4_MAGIC:
        return None
    return uuid.UUID(bytes=head[1024 + 104 : 1024 + 120])
