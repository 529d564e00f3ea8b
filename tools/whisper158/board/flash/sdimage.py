# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""An image of an SD card, made from an image for the eMMC: the same partitions with the same content.

The card has no boot partitions (b1, b2), and needs none: with the jumper SD_BOOT on, the board starts U-Boot from its
SPI flash, and that looks for the kernel on the card.
"""

from pathlib import Path
from typing import BinaryIO

from whisper158 import whole
from whisper158.board.flash import sparse
from whisper158.board.flash.image import MIB, Action, Image, Partition, gzip_blocks
from whisper158.console import track
from whisper158.errors import die
from whisper158.run import Command, run, spelled

NAME = "SD.img"
SECTOR = 512
# Microsoft's basic data: the type that Synaptics' own script gives to all partitions.
TYPE = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
# For the second partition table.
TAIL = MIB


def size(image: Image) -> int:
    last = image.partitions[-1]
    return last.start + last.size + TAIL


def script(image: Image) -> str:
    """What sfdisk is to do."""
    lines = ["label: gpt", "unit: sectors", "first-lba: 34"]
    for partition in image.partitions:
        start, sectors = partition.start // SECTOR, partition.size // SECTOR
        lines.append(f"start={start}, size={sectors}, type={TYPE}, name={partition.name}")
    return "\n".join(lines) + "\n"


def format_command(path: Path, partition: Partition) -> Command:
    offset, blocks = partition.start, partition.size // 1024
    return ["mke2fs", "-q", "-F", "-t", "ext4", "-E", f"offset={offset},nodiscard", str(path), f"{blocks}k"]


def plan(image: Image, path: Path) -> list[str]:
    """What make() would do, for people."""
    steps = [f"truncate --size={size(image)} {path}", f"sfdisk {path} <<< '{script(image).strip()}'"]
    for action in on_card(image):
        partition = image.partition(action.target)
        assert partition is not None
        if action.verb == "format":
            steps.append(spelled(format_command(path, partition)))
        elif action.file:
            steps.append(f"# the content of {action.file} to byte {partition.start} ({partition.name})")
    return steps


def on_card(image: Image) -> list[Action]:
    return [action for action in image.actions if image.partition(action.target)]


def make(image: Image, path: Path) -> None:
    """Makes the file `path`, whole or not at all. What is zero takes no room in it."""
    with whole.replacing(path) as draft:
        with draft.open("wb") as file:
            file.truncate(size(image))
        partition_table(image, draft)
        for action in track(on_card(image), f"Making {path.name}"):
            put(image, action, draft)


def partition_table(image: Image, draft: Path) -> None:
    commands = draft.with_name(f"{draft.name}.sfdisk")
    commands.write_text(script(image))
    try:
        # sh, because sfdisk takes its script from its input, and ours takes none.
        run(["sh", "-c", 'exec sfdisk --quiet "$1" <"$2"', "sh", str(draft), str(commands)])
    finally:
        commands.unlink()


def put(image: Image, action: Action, draft: Path) -> None:
    partition = image.partition(action.target)
    assert partition is not None
    if action.verb == "format":
        run(format_command(draft, partition))
    elif action.file:
        with draft.open("r+b") as card:
            source = image.path(action)
            if source.name.endswith(".gz"):
                put_blocks(source, card, partition)
            elif sparse.is_sparse(source):
                put_sparse(source, card, partition)
            else:
                put_flat(source, card, partition)


def put_blocks(source: Path, card: BinaryIO, partition: Partition) -> None:
    at, end = partition.start, partition.start + partition.size
    for block in gzip_blocks(source):
        if at == partition.start and block[:4] == sparse.MAGIC.to_bytes(4, "little"):
            die(f"{source.name} is a sparse image within gzip, which only U-Boot unpacks", "take --method usb")
        if at + len(block) > end:
            die(f"{source.name} does not fit into {partition.name}")
        write_unless_zero(card, at, block)
        at += len(block)


def put_sparse(source: Path, card: BinaryIO, partition: Partition) -> None:
    with source.open("rb") as file:
        for extent in sparse.extents(source):
            if extent.source is not None:
                file.seek(extent.source)
            for done in range(0, extent.length, MIB):
                count = min(MIB, extent.length - done)
                data = file.read(count) if extent.source is not None else extent.fill * (count // 4)
                write_unless_zero(card, partition.start + extent.offset + done, data)


def put_flat(source: Path, card: BinaryIO, partition: Partition) -> None:
    at = partition.start
    with source.open("rb") as file:
        while data := file.read(MIB):
            write_unless_zero(card, at, data)
            at += len(data)


def write_unless_zero(card: BinaryIO, at: int, data: bytes) -> None:
    if data.count(0) != len(data):
        card.seek(at)
        card.write(data)
