# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Over U-Boot, which fetches the image itself: from a TFTP server or from a USB stick."""

import re
from collections.abc import Callable
from pathlib import Path

from whisper158.board.console import CTRL_C, CommandFailed, Console, ConsoleError
from whisper158.board.flash import tftp
from whisper158.board.flash.copies import NAME
from whisper158.board.flash.people import POWER, RESET, SERIAL, show_steps
from whisper158.board.flash.usb import FlashError, Interrupted
from whisper158.board.signs import Facing
from whisper158.console import say, step

# What `tftp2emmc` and its kin print at their ends.
SUCCESS = re.compile(r"list2emmc success")
FAILURES = (
    r"CMD_PART: \w+ failed",
    r"fail to write image",
    r"burn failed",
    r"import part_list fail",
    r"parse img_list fail",
    r"verify failed",
    r"gpt_restore failed",
    r"Invalid (?:part|image list) file",
    r"erase \S+ failed",
)
ACTION = re.compile(r"(?:WRITE|ERASE|FORMAT): start to (.+)")
WRITING = 3600.0  # seconds
CATCHING = 120.0
DHCP = 90.0

TFTP_COMMANDS = ("net_init", "setenv autoload no", "dhcp", "setenv serverip ADDRESS", f"tftp2emmc {NAME}")
STICK_COMMANDS = ("usb reset", f"usb2emmc {NAME}")


def steps(medium: str) -> list[str]:
    return [POWER, SERIAL, medium, f"{RESET} when asked to: keys are sent meanwhile, so that U-Boot stops"]


def catch(console: Console) -> None:
    """Gets U-Boot's prompt: it may be there already; else the person presses RESET."""
    try:
        if console.find_out(timeout=5.0, key=CTRL_C) is Facing.UBOOT:
            return
    except ConsoleError:
        # Nothing runs, or something boots: both end at a reset.
        console.forget()
    say(f"{RESET} now")
    with step("Waiting for U-Boot"):
        console.catch_uboot(CATCHING)


def flash_tftp(console: Console, folder: Path, server: str) -> None:
    """`folder` is what the TFTP server gives out as SYNAIMG; without `server` it is this computer."""
    catch(console)
    board = network(console)
    server = server or tftp.address_towards(board)
    with step(f"Asking the TFTP server at {server}"):
        tftp.check(server, folder)
    console.uboot(f"setenv serverip {server}")
    write(console, f"tftp2emmc {NAME}")


def network(console: Console) -> str:
    """Brings U-Boot's network up and returns its address. The U-Boot of the SPI flash has done that by itself."""
    try:
        console.uboot("net_init", DHCP)
    except CommandFailed as error:
        if "Unknown command" not in error.message:
            raise FlashError(f"U-Boot has no network: {error.message}", error.hint) from error
        if known := address(console):
            return known
    # Else it also fetches a program by TFTP, and where there is none, calls all of it a failure.
    console.uboot("setenv autoload no")
    said = console.uboot("dhcp", DHCP, status=False)
    if known := address(console):
        return known
    raise FlashError("U-Boot got no address from a DHCP server; it said", said)


def address(console: Console) -> str:
    """U-Boot's own, empty where it has none."""
    return console.uboot("echo ipaddr=${ipaddr}").partition("=")[2].strip()


def flash_stick(console: Console) -> None:
    catch(console)
    said = console.uboot("usb reset", 60.0, status=False)
    if re.search(r"\b0 Storage Device|No working controllers", said):
        raise FlashError("U-Boot sees no USB stick", "use one of the four USB-A sockets, and a stick of 32 GB or less")
    write(console, f"usb2emmc {NAME}")


def write(console: Console, command: str) -> None:
    """Runs the command that writes, says what it is at, and starts the board anew."""
    say(f"U-Boot: {command}")
    tell = teller()
    console.listeners.append(tell)
    try:
        # Its status says nothing in some versions; its last words do.
        said = console.uboot(command, WRITING, errors=FAILURES, status=False)
    except ConsoleError as error:
        raise FlashError(f"the board was not flashed: {error.message}", error.hint) from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted: U-Boot still writes, and the board may not boot", "flash it again") from None
    finally:
        console.listeners.remove(tell)
    if not SUCCESS.search(said):
        last = "\n  ".join(said.strip().splitlines()[-10:])
        raise FlashError("the board was not flashed: U-Boot does not say that it was a success; it said last", last)
    say("U-Boot says that all is written; it starts the board anew")
    console.send_line("reset")
    console.forget()


def teller() -> Callable[[str], None]:
    """Says each of U-Boot's actions once, from text that comes in pieces."""
    rest = ""

    def tell(text: str) -> None:
        nonlocal rest
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            if match := ACTION.search(line):
                say(f"  {match[1]}")

    return tell


def by_hand(commands: tuple[str, ...]) -> None:
    """What to type where there is no serial port for us."""
    say("At U-Boot's prompt (a key pressed all through a reset stops there) type:")
    for command in commands:
        say(f"  => {command}")


def show(medium: str) -> None:
    show_steps(steps(medium))
