# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Is what the board runs what was written? Asked of the board itself, over its serial console.

The UUID of the root file system is made when an image is made, and is in the image. So what has booted says by its
own root which image it is from, and it must have booted after we began. Where nobody may log in (an image without
`--with debug`), the kernel's message when it mounts the file system says the same.
"""

import re
import time
import uuid
from dataclasses import dataclass, field

from whisper158.board.console import Console, ConsoleError, LoginRefused
from whisper158.console import say, step
from whisper158.errors import UserError

BOOT = 240.0  # seconds until a login, which the first boot may take
EMMC = "mmcblk0"
SD_CARD = "mmcblk1"
# Both are there in BusyBox and in coreutils, but not always both.
DUMP = "{ od -An -v -tx1 || hexdump -v -e '1/1 \"%02x \"'; } 2>/dev/null"
ROOT_DEVICE = r"sed -n 's/^DEVNAME=//p' /sys/dev/block/$(mountpoint -d /)/uevent"


class NotConfirmed(UserError):
    """Something boots, or nothing does, but it is not what was written."""


@dataclass(frozen=True)
class System:
    name: str
    kernel: str
    root: str
    root_id: uuid.UUID
    uptime: float


# Linux has said the UUID since 6.2.
MOUNTED = re.compile(r"EXT4-fs \((\w+)\): mounted filesystem ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass
class Boot:
    """What the kernel says at the console while it boots: which file systems it has mounted."""

    mounted: dict[str, uuid.UUID] = field(default_factory=dict)
    rest: str = ""

    def hear(self, text: str) -> None:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            if match := MOUNTED.search(line):
                self.mounted[match[1]] = uuid.UUID(match[2])


def confirm(console: Console, boot: Boot, expected: uuid.UUID | None, since: float | None, disk: str = EMMC) -> None:
    """Waits for a login on `console`; raises NotConfirmed unless the system comes from the image `expected`.

    `since` is when writing began (time.monotonic()); None where nothing was written.
    """
    try:
        with step("Waiting for the board to boot"):
            console.login(timeout=BOOT)
        system = ask(console)
    except LoginRefused as error:
        judge_boot(boot, expected, disk, error)
        return
    except ConsoleError as error:
        raise NotConfirmed(f"the board did not come up: {error.message}", error.hint) from error
    if since is not None and system.uptime > time.monotonic() - since:
        raise NotConfirmed(
            f"the board has been running for {system.uptime:.0f} s, so it did not boot what was written",
            "press RESET, and ask it again: ./inv flash --method check",
        )
    judge(system, expected, disk)


def judge_boot(boot: Boot, expected: uuid.UUID | None, disk: str, refused: LoginRefused) -> None:
    """Of a system that lets nobody in."""
    for device, found in boot.mounted.items():
        if found == expected and device.startswith(disk):
            say(f"Confirmed by the kernel's own message: it has mounted the image's root, {device} ({found})")
            return
    seen = ", ".join(f"{device} ({found})" for device, found in boot.mounted.items())
    raise NotConfirmed(
        f"the board came up, but {refused.message}, and the kernel has not said that it mounted the image's root",
        f"it mounted {seen}" if seen else "an image built --with debug lets root in; --password-file gives a password",
    )


def judge(system: System, expected: uuid.UUID | None, disk: str) -> None:
    say(f"The board runs {system.name}, Linux {system.kernel}, from {system.root}")
    if expected is None:
        raise NotConfirmed(
            "the image's root file system has no UUID, so nothing tells whether this is it",
            "compare the versions above with those you built",
        )
    if not system.root.startswith(disk):
        raise NotConfirmed(f"the board has booted from {system.root}, not from {disk}", jumper(disk))
    if system.root_id != expected:
        raise NotConfirmed(
            f"the board runs another image: its root is {system.root_id}, the image's is {expected}",
            "nothing was written, or not all of it; the log of the console tells what U-Boot did",
        )
    say(f"Confirmed: its root file system is the image's ({expected})")


def jumper(disk: str) -> str:
    return "the jumper SD_BOOT must be off" if disk == EMMC else "the jumper SD_BOOT must be on"


def ask(console: Console) -> System:
    release = console.check(". /etc/os-release; echo \"$PRETTY_NAME\"; uname -r; cut -d' ' -f1 /proc/uptime")
    name, kernel, uptime = release.splitlines()[-3:]
    root = console.check(ROOT_DEVICE).strip()
    superblock = console.check(f"dd if=/dev/{root} bs=8 skip=141 count=2 2>/dev/null | {DUMP}")
    digits = superblock.replace(" ", "").replace("\n", "")
    try:
        return System(name, kernel, root, uuid.UUID(hex=digits), float(uptime))
    except ValueError as error:
        raise NotConfirmed(f"the board's root file system cannot be identified: {superblock!r}") from error
