# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What `./inv flash` is asked to do."""

import re
import sys
from dataclasses import dataclass
from getpass import getpass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from whisper158 import flags
from whisper158.board import ports
from whisper158.board.flash.disks import REAL, candidates_hint
from whisper158.build import kas
from whisper158.errors import Usage, die

METHODS = ("usb", "sd", "tftp", "usb-stick", "check")
MACHINE = "sl1680"
FOLDER = "SYNAIMG"
WAIT = 300.0
TFTP_ROOT = "/srv/tftp"
# What only one of the methods knows.
BELONGS = {
    "--tool": ("usb",),
    "--boot-images": ("usb",),
    "--port": ("usb",),
    "--wait": ("usb",),
    "--disk": ("sd",),
    "--out": ("sd", "usb-stick"),
    "--server": ("tftp",),
    "--tftp-root": ("tftp",),
    "--full": ("tftp", "usb-stick"),
}


@dataclass(frozen=True)
class Job:
    image: Path
    method: str = "usb"
    serial: str = ""
    password: str | None = None
    tool: str = ""
    boot_images: str = ""
    port: str = ""
    wait: float = WAIT
    disk: str = ""
    out: str = ""
    server: str = ""
    tftp_root: Path = Path(TFTP_ROOT)
    full: bool = False
    yes: bool = False
    dry_run: bool = False


def job(
    *,
    image: str,
    method: str,
    serial: str,
    password_file: str,
    tool: str,
    boot_images: str,
    port: str,
    wait: str,
    disk: str,
    out: str,
    server: str,
    tftp_root: str,
    full: bool,
    yes: bool,
    dry_run: bool,
) -> Job:
    """The job that the flags describe, if they fit together."""
    flags.choice("--method", method, METHODS)
    words = {"--tool": tool, "--boot-images": boot_images, "--port": port, "--disk": disk, "--out": out}
    words["--wait"] = wait
    for flag, value in {**words, "--server": server, "--tftp-root": tftp_root, "--full": full}.items():
        if value and method not in BELONGS[flag]:
            die(f"{flag} says nothing to --method {method}", f"it belongs to {', '.join(BELONGS[flag])}")
    if password_file and not serial:
        raise Usage("--password-file says nothing without --serial", "--serial /dev/ttyUSB0")
    check_needed(method, Path(image), disk, out, serial)
    check_server(server)
    check_port(port)
    if serial and not dry_run:
        ports.check("--serial", serial)
    if out and method == "sd":
        flags.out_file("--out", out, make_folder=True)
    if method == "usb-stick" and not dry_run:
        flags.folder("--out", out, "mount the stick, and name where")
    return Job(
        image=Path(image) if image else built(),
        method=method,
        serial=serial,
        password=password(password_file),
        tool=tool,
        boot_images=boot_images,
        port=port,
        wait=flags.number("--wait", wait, 1, 86400) if wait else WAIT,
        disk=disk,
        out=out,
        server=server,
        tftp_root=Path(tftp_root or TFTP_ROOT),
        full=full,
        yes=yes,
        dry_run=dry_run,
    )


def built() -> Path:
    """Where ./inv build-image leaves its image."""
    return kas.folders(MACHINE).images(MACHINE) / FOLDER


def check_needed(method: str, image: Path, disk: str, out: str, serial: str) -> None:
    """What a method cannot do without; it would otherwise be missed only when the image has been read, or made."""
    if method == "sd" and not disk and (not out or image.is_file()):
        die("--method sd needs a disk", f"--disk /dev/NAME; {candidates_hint(REAL)}")
    if method == "usb-stick" and not out:
        die("--method usb-stick needs to know where the stick is mounted", "--out /media/you/STICK")
    if method == "check" and not serial:
        die("--method check asks the board over its serial console", "--serial /dev/ttyUSB0")


def password(file: str) -> str | None:
    """Root's, which the command line would show to everybody on this computer."""
    if not file:
        return None
    if file == "-":
        if not sys.stdin.isatty():
            die(
                "--password-file - asks for the password, and there is no terminal", "put it into a file, and name that"
            )
        return getpass("Root's password on the board: ")
    try:
        lines = Path(file).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        die(f"--password-file {file} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}")
    if not lines or not lines[0]:
        die(f"--password-file {file}: its first line, which is to be the password, is empty")
    return lines[0]


def check_server(server: str) -> None:
    try:
        address = IPv4Address(server) if server else None
    except AddressValueError:
        address = IPv4Address(0)
    if address is not None and (address.is_unspecified or address.is_loopback or address.is_multicast):
        die(f"--server {server}: U-Boot wants an address such as 192.168.1.10")


def check_port(port: str) -> None:
    if port and not re.fullmatch(r"\d+(?:-\d+(?:\.\d+)*)(?:,\d+(?:-\d+(?:\.\d+)*))*", port):
        die(f"--port {port}: it is where a board is plugged in, such as 1-2 or 1-2.3,3-1 (lsusb --tree)")
