# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The initial RAM disk: one program and the modules that reach the root file system. Written here, byte by byte.

The kernel takes the "new ASCII" format of cpio (Documentation/driver-api/early-userspace/buffer-format.rst).
"""

import stat
from collections.abc import Iterable
from pathlib import Path

from whisper158.build.emulator import modules
from whisper158.build.emulator.packages import BOOT_MODULES

Entry = tuple[str, int, bytes]

# The kernel command line's `ro` is for whoever wants to look at a root file system without touching it.
INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for module in /modules/*; do $b insmod "$module"; done
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 200 ]; do $b usleep 50000; tries=$((tries + 1)); done
mode=rw
for word in $($b cat /proc/cmdline); do [ "$word" = ro ] && mode=ro; done
# An init that ends is a panic, which whoever watches the console knows.
$b mount -t ext4 -o $mode /dev/vda /root || { echo "initrd: there is no root file system on /dev/vda"; exit 1; }
$b mount --move /dev /root/dev
$b umount /proc
exec $b switch_root /root /sbin/init
"""


def initrd(busybox: Path, kernel: Path) -> bytes:
    """The RAM disk for the unpacked kernel package `kernel`."""
    origin = kernel / "lib" / "modules" / modules.kernel_version(kernel)
    needed = modules.in_order(modules.parse_dependencies((origin / "modules.dep").read_text()), BOOT_MODULES)
    entries: list[Entry] = [(name, stat.S_IFDIR | 0o755, b"") for name in ("bin", "dev", "modules", "proc", "root")]
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes()))
    entries.append(("init", stat.S_IFREG | 0o755, INIT.encode()))
    for number, file in enumerate(needed):
        name = f"modules/{number:02}-{Path(file).name}"
        entries.append((name, stat.S_IFREG | 0o644, (origin / file).read_bytes()))
    return archive(entries)


def archive(entries: Iterable[Entry]) -> bytes:
    """Entries (name, mode, content), folders before what is in them, as a cpio archive."""
    numbered = [*entries, ("TRAILER!!!", 0, b"")]
    return b"".join(member(number, *entry) for number, entry in enumerate(numbered, 1))


def member(number: int, name: str, mode: int, content: bytes) -> bytes:
    label = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(label), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return padded(header + label) + padded(content)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)
