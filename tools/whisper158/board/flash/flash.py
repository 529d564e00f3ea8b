# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv flash`: checks the image, has it written by one of four ways, and asks the board what it then runs."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from whisper158 import needs
from whisper158.board.console import Console, ConsoleError, Timeout
from whisper158.board.flash import copies, image, sd, sdimage, tool, uboot, usb
from whisper158.board.flash.confirm import EMMC, SD_CARD, Boot, NotConfirmed, confirm
from whisper158.board.flash.disks import amount, check, look
from whisper158.board.flash.image import Image
from whisper158.board.flash.job import Job
from whisper158.board.flash.people import (
    JUMPER,
    NO_JUMPER,
    POWER,
    RESET,
    SERIAL,
    USB_BOOT,
    USB_CABLE,
    pause,
    show_steps,
)
from whisper158.board.serial import open_console
from whisper158.console import say
from whisper158.paths import BUILD
from whisper158.run import spelled

WORK = BUILD / "flash"
# After the tool's last word U-Boot may still be writing.
FINISHING = 180.0


def flash(job: Job) -> None:
    """Runs the whole of it; what goes wrong is a UserError."""
    if job.method == "sd" and job.image.is_file():
        card(job, None, job.image)
        return
    found = image.load(job.image)
    describe(found)
    {"usb": over_usb, "sd": onto_card, "tftp": over_tftp, "usb-stick": over_stick, "check": only_check}[job.method](
        job, found
    )


def describe(found: Image) -> None:
    size = sum((found.folder / file).stat().st_size for file in found.files())
    last = found.partitions[-1]
    say(f"{found.name}: {len(found.files())} files, {amount(size)}; all of them are whole and fit")
    say(f"{len(found.partitions)} partitions, up to {amount(last.start + last.size)} of the eMMC")
    for note in found.notes:
        say(f"Note: {note}")


# ---- the console


@dataclass(frozen=True)
class Watched:
    """A console, and what was heard there of the kernel's."""

    console: Console
    boot: Boot


@contextmanager
def console_of(job: Job) -> Iterator[Watched | None]:
    """The board's console, with a log of its own; None without --serial."""
    if not job.serial:
        yield None
        return
    log = log_file("console")
    say(f"The console is kept in {log}")
    with open_console(job.serial, log=log, password=job.password) as console:
        boot = Boot()
        console.listeners.append(boot.hear)
        yield Watched(console, boot)


def log_file(what: str) -> Path:
    return WORK / f"{time.strftime('%Y%m%d-%H%M%S')}-{what}.log"


def tell_or_confirm(watched: Watched | None, found: Image, since: float | None, disk: str = EMMC) -> None:
    if watched is None:
        say("Nothing has confirmed it: the board's own word comes over its serial console (--serial DEVICE)")
        return
    confirm(watched.console, watched.boot, image.rootfs_id(found), since, disk)


# ---- the four ways


def over_usb(job: Job, found: Image) -> None:
    program = tool.find(job.tool, job.boot_images)
    say(f"Tool: {program.program}; boot images: {program.boot_images}")
    steps = [POWER, NO_JUMPER, USB_CABLE, *([SERIAL] if job.serial else []), USB_BOOT]
    if job.dry_run:
        say(f"Would run: {spelled(usb.command(program, found.folder.absolute(), Path('/tmp/WORK'), job.port))}")
        say(f"Then, within {job.wait:g} s, you would do:")
        show_steps(steps)
        would_confirm(job)
        return
    with console_of(job) as watched:
        say("Make ready, and when the tool waits for the board, do the last of these:")
        show_steps(steps)
        pause("Everything but the last is done", job.yes)
        since = time.monotonic()
        usb.flash(program, found, job.wait, job.port, log_file("astra-update"), idle(watched))
        say("astra-update says that all was sent")
        if watched is not None:
            await_end(watched.console)
        tell_or_confirm(watched, found, since)


def idle(watched: Watched | None) -> Callable[[], None]:
    """Takes in what the console says while the tool is at work, so that its log is whole. Nothing is sent."""

    def listen() -> None:
        # Neither the old system's death nor a pulled adapter is a reason to stop writing half-way.
        if watched is not None:
            with suppress(ConsoleError):
                watched.console.poll()

    return listen


def await_end(console: Console) -> None:
    """U-Boot writes on after the last file was sent. It says at the end how that went."""
    ends = re.compile("|".join((uboot.SUCCESS.pattern, *uboot.FAILURES, r"\blogin: ?\Z")), re.MULTILINE)
    try:
        _, match = console.expect(ends, FINISHING)
    except Timeout as error:
        say(f"U-Boot did not say how it went: {error.message}")
        return
    except ConsoleError as error:
        raise NotConfirmed(f"the board did not come up: {error.message}", error.hint) from error
    if any(re.search(failure, match.group()) for failure in uboot.FAILURES):
        raise usb.FlashError(
            f"astra-update says that all was sent, but U-Boot says {match.group()!r}",
            "flash again; the board may not boot",
        )


def onto_card(job: Job, found: Image) -> None:
    path = Path(job.out) if job.out else WORK / sdimage.NAME
    if job.disk:
        # Before minutes go into making the image.
        check(look(job.disk), sdimage.size(found))
    if job.dry_run:
        for text in sdimage.plan(found, path):
            say(f"Would do: {text}")
        if job.disk:
            say(f"Would write {path} onto {look(job.disk)}, and read it back")
        would_confirm(job)
        return
    needs.debian("card")
    path.parent.mkdir(parents=True, exist_ok=True)
    sdimage.make(found, path)
    say(f"Made {path} ({amount(sdimage.size(found))})")
    if job.disk:
        card(job, found, path)


def card(job: Job, found: Image | None, path: Path) -> None:
    sd.write_card(path, job.disk, yes=job.yes, dry_run=job.dry_run)
    show_steps([POWER, "The card in the slot on the core module's underside", JUMPER, RESET])
    if found is None or job.dry_run:
        return
    with console_of(job) as watched:
        if watched is not None:
            pause("The board has been started from the card", job.yes)
        tell_or_confirm(watched, found, None, SD_CARD)


def over_tftp(job: Job, found: Image) -> None:
    root = job.tftp_root
    medium = "An Ethernet cable to a network with a DHCP server, which this computer is on too"
    if job.dry_run:
        would_copy(found, root, job.full)
        would_type(medium, tuple(c.replace("ADDRESS", job.server or "ADDRESS") for c in uboot.TFTP_COMMANDS))
        would_confirm(job)
        return
    folder = copies.copy(found, root, job.full)
    with console_of(job) as watched:
        uboot.show(medium)
        if watched is None:
            uboot.by_hand(tuple(c.replace("ADDRESS", job.server or "ADDRESS") for c in uboot.TFTP_COMMANDS))
            return
        since = time.monotonic()
        uboot.flash_tftp(watched.console, folder, job.server)
        tell_or_confirm(watched, found, since)


def over_stick(job: Job, found: Image) -> None:
    target = Path(job.out)
    medium = "The stick in one of the four USB-A sockets"
    if job.dry_run:
        would_copy(found, target, job.full)
        would_type(medium, uboot.STICK_COMMANDS)
        would_confirm(job)
        return
    copies.check_stick(target)
    copies.copy(found, target, job.full)
    with console_of(job) as watched:
        say(f"Unmount the stick (umount {target})")
        uboot.show(medium)
        if watched is None:
            uboot.by_hand(uboot.STICK_COMMANDS)
            return
        pause("The stick is in the board", job.yes)
        since = time.monotonic()
        uboot.flash_stick(watched.console)
        tell_or_confirm(watched, found, since)


def only_check(job: Job, found: Image) -> None:
    if job.dry_run:
        would_confirm(job)
        return
    with console_of(job) as watched:
        tell_or_confirm(watched, found, None)


# ---- what would be done


def would_copy(found: Image, target: Path, full: bool) -> None:
    for text in copies.plan(found, target, full):
        say(f"Would do: {text}")


def would_type(medium: str, commands: tuple[str, ...]) -> None:
    show_steps(uboot.steps(medium))
    for command in commands:
        say(f"Would type at U-Boot's prompt: {command}")
    say("Would type at U-Boot's prompt: reset")


def would_confirm(job: Job) -> None:
    if job.serial:
        say(f"Would log in as root over {job.serial}, and compare the root file system's UUID with the image's")
    else:
        say("Nothing would confirm it: there is no --serial")
