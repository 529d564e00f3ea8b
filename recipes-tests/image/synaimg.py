# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Small images in the form of Synaptics' SDK, and the tool beside them."""

import gzip
import shutil
import struct
import uuid
from pathlib import Path

FAKE_ASTRA_UPDATE = Path(__file__).parent / "fake_astra_update.py"
ROOT_ID = uuid.UUID("01580158-0158-4158-8158-015801580158")
TAG = "TAG--astra-whisper158-sl1680.rootfs-20261122120000--TAG"
# The layout of the SDK, with other sizes in MiB.
LAYOUT = {
    "factory_setting": 4,
    "key_a": 1,
    "tzk_a": 1,
    "key_b": 1,
    "tzk_b": 1,
    "bl_a": 1,
    "bl_b": 1,
    "boot_a": 2,
    "boot_b": 2,
    "firmware_a": 1,
    "firmware_b": 1,
    "rootfs_a": 4,
    "rootfs_b": 4,
    "fastlogo_a": 1,
    "fastlogo_b": 1,
    "devinfo": 1,
    "misc": 1,
    "home": 4,
}
START = 16


def part_list() -> str:
    start, lines = START, ["#GPT"]
    for name, size in LAYOUT.items():
        lines.append(f"{name}, {start}, {size}\t")
        start += size
    return "\n".join(lines) + "\n"


def image_list(boot: bool = False) -> str:
    lines = ["preboot.subimg.gz,b1", "preboot.subimg.gz,b2"] if boot else []
    for number, name in enumerate(LAYOUT, 1):
        stem = name.removesuffix("_a").removesuffix("_b")
        what = {"factory_setting": "format", "devinfo": "erase", "misc": "erase"}.get(name, f"{stem}.subimg.gz")
        lines.append(f"{what},sd{number}")
    return "\n".join(lines) + "\n"


def content(stem: str) -> bytes:
    """Of a partition: its name again and again; for the root file system, what looks like one."""
    data = bytearray((stem.encode() + b"\n") * 5000)
    if stem == "rootfs":
        data[1024:2048] = bytes(1024)
        struct.pack_into("<H", data, 1024 + 56, 0xEF53)
        data[1024 + 104 : 1024 + 120] = ROOT_ID.bytes
    return bytes(data)


def make(folder: Path, full: bool = False) -> Path:
    """An image as the build makes it (SYNAIMG); with `full`, as a release has it (eMMCimg)."""
    folder.mkdir(parents=True)
    (folder / TAG).touch()
    (folder / "emmc_part_list").write_text(part_list())
    (folder / "emmc_image_list").write_text(image_list())
    stems = {name.removesuffix("_a").removesuffix("_b") for name in LAYOUT} - {"factory_setting", "devinfo", "misc"}
    if full:
        (folder / "emmc_image_list_full").write_text(image_list(boot=True))
        stems.add("preboot")
    for stem in stems:
        (folder / f"{stem}.subimg.gz").write_bytes(gzip.compress(content(stem), 1))
    return folder


def make_tool(folder: Path) -> Path:
    """The repository of astra-update as people unpack it, with the made-up program."""
    program = folder / "bin" / "linux" / "x86_64" / "astra-update"
    program.parent.mkdir(parents=True)
    shutil.copy(FAKE_ASTRA_UPDATE, program)
    boot = folder / "astra-usbboot-images" / "sl1680"
    boot.mkdir(parents=True)
    (boot / "manifest.yaml").write_text("chip: sl1680\nboard: rdk\n")
    return folder


def sparse(blocks: list[bytes | int | None], block: int = 4096) -> bytes:
    """A sparse image: bytes are a block as it is, a number fills one, None is one that it says nothing about."""
    body = b""
    for what in blocks:
        if what is None:
            body += struct.pack("<HHII", 0xCAC3, 0, 1, 12)
        elif isinstance(what, int):
            body += struct.pack("<HHII", 0xCAC2, 0, 1, 16) + struct.pack("<I", what)
        else:
            body += struct.pack("<HHII", 0xCAC1, 0, 1, 12 + block) + what.ljust(block, b"\0")
    return struct.pack("<IHHHHIIII", 0xED26FF3A, 1, 0, 28, 12, block, len(blocks), len(blocks), 0) + body


def sparse_rootfs(folder: Path) -> None:
    """Makes the root file system of an image a sparse one in two parts, as the SDK does with large ones."""
    rootfs = content("rootfs").ljust(4096 * 10, b"\0")
    pieces = [rootfs[i * 4096 : (i + 1) * 4096] for i in range(10)]
    (folder / "rootfs.subimg.gz").unlink()
    (folder / "rootfs_s.subimg.0").write_bytes(sparse([*pieces[:5], *[None] * 5]))
    (folder / "rootfs_s.subimg.1").write_bytes(sparse([*[None] * 5, *pieces[5:9], 0xDEADBEEF]))
    path = folder / "emmc_image_list"
    lines = []
    for line in path.read_text().splitlines():
        name, target = line.split(",")
        split = name == "rootfs.subimg.gz"
        lines += [f"rootfs_s.subimg.{part},{target}" for part in (0, 1)] if split else [line]
    path.write_text("\n".join(lines) + "\n")
