# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Over USB, through Synaptics' astra-update.

What the tool says is not trusted. It calls an update complete when the last file was sent, whatever U-Boot then made of
it; it waits for a board for ever; after a failure it goes on waiting, and ends with status 0 when it is interrupted. So
its output is followed line by line, with limits of time of our own, and the board's own word comes from its console.
"""

import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from whisper158.board.flash.image import CHIP, Image
from whisper158.board.flash.people import USB_BOOT
from whisper158.board.flash.tool import Tool
from whisper158.console import console as terminal
from whisper158.console import duration, say
from whisper158.errors import UserError
from whisper158.run import Command, end_with_us, spelled

BOARD = "rdk"
# While files are sent something is said all the time; U-Boot may take this long to write one.
STALL = 300.0
# After it has reported a failure, or what it has to do is done.
ENDING = 20.0

WAITING = re.compile(r"Waiting for Astra Device")
FOUND = re.compile(r"Detected Device: (?P<device>.+)|Booting Device: .+|Updating Device: .+")
PROGRESS = re.compile(r"Device: (?P<device>.*?) Image: (?P<image>.*?) Progress: (?P<percent>[\d.]+)")
COMPLETE = re.compile(r"Device: (?P<device>.*) Update Complete")
FAILED = re.compile(r"Device: (?P<device>.*?) (?:Boot|Update) Failed: (?P<why>.*)")
# It waits for another attempt after this one.
RETRY = re.compile(r"press RESET while holding USB_BOOT")
REFUSED = re.compile(r"(?:Failed to (?:load flash image|initialize update)|Error parsing options|Error reported).*")

# What the tool's refusals mean, where its own words do not tell.
MEANINGS = (
    (r"Chip name and boot bootImage ID missing", "it found neither --chip nor a TAG file with astra in its name"),
    (r"No boot image found for chip", f"the boot images have none of the {CHIP}: take those that came with the tool"),
    (r"Failed to (?:open|claim)|libusb|LIBUSB_ERROR_ACCESS", "you may not use the device: ./inv flash.udev, or sudo"),
    (r"image not found", "the image's list and its files do not agree, or the tool's boot images are not whole"),
)


class FlashError(UserError):
    """Writing did not work, or nobody can say that it did."""


class Interrupted(FlashError):
    """By the person."""

    status = 130


@dataclass
class Attempt:
    """What the tool has said so far."""

    waiting: bool = False
    found: bool = False
    complete: bool = False
    failure: str = ""
    refusal: str = ""
    images: dict[str, float] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        if not line.strip():
            return
        self.lines.append(line)
        if match := PROGRESS.search(line):
            self.found = True
            self.images[match["image"]] = float(match["percent"])
        elif match := FAILED.search(line):
            self.complete = False
            self.failure = "" if RETRY.search(line) else match["why"].strip() or line.strip()
            self.found = not RETRY.search(line)
        elif COMPLETE.search(line):
            self.complete = True
        elif match := REFUSED.search(line):
            self.refusal = match.group().strip()
        elif FOUND.search(line):
            self.found = True
        elif WAITING.search(line):
            self.waiting = True


def command(tool: Tool, image: Path, work: Path, port: str = "") -> Command:
    words = [str(tool.program), "-B", str(tool.boot_images), "-f", str(image), "--chip", CHIP, "--board", BOARD, "-S"]
    return [*words, "-T", str(work), "-l", str(work / "astra-update.log"), *(["-p", port] if port else [])]


@contextmanager
def plain_name(folder: Path, work: Path) -> Iterator[Path]:
    """The tool makes a command of U-Boot of the folder's name, so that must be a plain word."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,60}", folder.name):
        yield folder.absolute()
        return
    link = work / "SYNAIMG"
    link.symlink_to(folder.absolute())
    try:
        yield link
    finally:
        link.unlink()


def flash(tool: Tool, image: Image, wait: float, port: str, log: Path, idle: Callable[[], None]) -> None:
    """Runs the tool until it has sent all; raises FlashError otherwise. `idle` is called ever so often meanwhile."""
    with tempfile.TemporaryDirectory(prefix="whisper158-flash-") as folder:
        work = Path(folder)
        with plain_name(image.folder, work) as path:
            words = command(tool, path, work, port)
            say(spelled(words))
            attempt = Attempt()
            try:
                status = follow(words, work, attempt, wait, idle)
            finally:
                # Of an interrupted one, too: it tells what has reached the board.
                keep_log(work / "astra-update.log", attempt, log)
    judge(attempt, status, log)


def follow(words: Command, work: Path, attempt: Attempt, wait: float, idle: Callable[[], None]) -> int:
    """Returns the tool's status when it has ended, or was ended."""
    try:
        process = subprocess.Popen(
            words,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            # Nobody would end it otherwise if we were killed, and it would wait for a board, or write to one, for ever.
            preexec_fn=end_with_us,
        )
    except OSError as error:
        raise FlashError(f"{words[0]} cannot be run: {error.strerror}") from error
    try:
        with bars() as show:
            watch(process, attempt, wait, idle, show)
    except KeyboardInterrupt:
        if not attempt.found:
            raise Interrupted("interrupted before a board was found; nothing was written") from None
        raise Interrupted("interrupted: the board has got a part of the image only", "flash it again") from None
    finally:
        status = end(process)
    return status


def watch(
    process: subprocess.Popen[str],
    attempt: Attempt,
    wait: float,
    idle: Callable[[], None],
    show: Callable[[Attempt], None],
) -> None:
    """Until the tool ends, has done its work, has failed, or has been silent for too long."""
    lines = reader(process)
    heard = began = time.monotonic()
    ending: float | None = None
    while True:
        idle()
        now = time.monotonic()
        if ending is None and (attempt.failure or attempt.refusal or attempt.complete):
            ending = now + ENDING
        if ending is not None and now >= ending:
            return
        if not attempt.found and not attempt.complete and now - began > wait:
            attempt.failure = attempt.failure or f"no board in USB boot mode appeared within {duration(wait)}"
            return
        if attempt.found and not attempt.complete and now - heard > STALL:
            attempt.failure = attempt.failure or f"nothing happened for {duration(STALL)}"
            return
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            continue
        if line is None:
            return
        heard = time.monotonic()
        was_found, was_waiting = attempt.found, attempt.waiting
        attempt.hear(line)
        if attempt.waiting and not was_waiting:
            say(f"astra-update waits for the board. {USB_BOOT}")
        if was_found and not attempt.found:
            began = heard
            say(f"The board did not boot over USB. Once more: {USB_BOOT[0].lower()}{USB_BOOT[1:]}")
        show(attempt)


def reader(process: subprocess.Popen[str]) -> "queue.Queue[str | None]":
    """The lines of a process, and None at its end."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def end(process: subprocess.Popen[str]) -> int:
    """Ends the tool, gently at first: it resets USB devices on its way out."""
    for number, patience in ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, None)):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(patience)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                # Who interrupts again wants it to end sooner, and not to be left alone with it.
                continue
    return process.wait()


@contextmanager
def bars() -> Iterator[Callable[[Attempt], None]]:
    """A bar for each file on a terminal; a line for each file elsewhere."""
    if not terminal.is_terminal:
        yield lines_of_progress()
        return
    columns = (TextColumn("{task.description:24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def show(attempt: Attempt) -> None:
            for image, percent in attempt.images.items():
                if image not in tasks:
                    tasks[image] = progress.add_task(image, total=100)
                progress.update(tasks[image], completed=percent)

        yield show


def lines_of_progress() -> Callable[[Attempt], None]:
    told: set[str] = set()

    def show(attempt: Attempt) -> None:
        for image, percent in attempt.images.items():
            if percent >= 100 and image not in told:
                told.add(image)
                say(f"{image} was sent")

    return show


def keep_log(tool_log: Path, attempt: Attempt, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    detail = tool_log.read_text(errors="replace") if tool_log.is_file() else ""
    log.write_text("\n".join([*attempt.lines, "", detail]))


def judge(attempt: Attempt, status: int, log: Path) -> None:
    """Raises FlashError unless the tool has said that the update is complete, and nothing against it."""
    fault = attempt.failure or attempt.refusal
    if not fault and attempt.complete:
        return
    if not fault:
        last = attempt.lines[-1].strip() if attempt.lines else "nothing"
        fault = f"astra-update ended with status {status} without completing the update; it said last: {last}"
    meaning = next((text for pattern, text in MEANINGS if re.search(pattern, "\n".join([fault, *attempt.lines]))), None)
    advice = steps_again(attempt) if not attempt.found else []
    hints = [meaning, *advice, f"what the tool said is in {log}"]
    raise FlashError(f"the board was not flashed: {fault}", "\n  ".join(filter(None, hints)) or None)


def steps_again(attempt: Attempt) -> list[str]:
    if not attempt.waiting:
        return []
    return [
        "is the cable in the USB-C socket beside Ethernet, and was USB_BOOT held while RESET was pressed?",
        "`lsusb -d 06cb:00b1` shows a board in USB boot mode; where it does, ./inv flash.udev lets you use it",
    ]
