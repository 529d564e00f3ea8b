# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What `./inv flash` is asked to do. Apart from the rest, which needs packages that must be installed first."""

import math
import re
from dataclasses import dataclass
from importlib import import_module
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from whisper158 import needs
from whisper158.build import kas
from whisper158.errors import die

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
    password: str,
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
    if method not in METHODS:
        die(f"--method {method}: there is no such way to flash", f"there are {', '.join(METHODS)}")
    words = {"--tool": tool, "--boot-images": boot_images, "--port": port, "--disk": disk, "--out": out}
    for flag, value in {**words, "--server": server, "--tftp-root": tftp_root, "--full": full}.items():
        if value and method not in BELONGS[flag]:
            die(f"{flag} says nothing to --method {method}", f"it belongs to {', '.join(BELONGS[flag])}")
    check_server(server)
    check_port(port)
    return Job(
        image=Path(image) if image else built(),
        method=method,
        serial=serial,
        password=password or None,
        tool=tool,
        boot_images=boot_images,
        port=port,
        wait=seconds(wait),
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


def seconds(text: str) -> float:
    try:
        value = float(text or WAIT)
    except ValueError:
        value = math.nan
    if not 1 <= value <= 86400:
        die(f"--wait {text}: it is a number of seconds, from 1 to 86400")
    return value


def check_server(server: str) -> None:
    try:
        IPv4Address(server or "0.0.0.0")
    except AddressValueError:
        die(f"--server {server}: U-Boot wants an address such as 192.168.1.10")


def check_port(port: str) -> None:
    if port and not re.fullmatch(r"\d+(?:-\d+(?:\.\d+)*)(?:,\d+(?:-\d+(?:\.\d+)*))*", port):
        die(f"--port {port}: it is where a board is plugged in, such as 1-2 or 1-2.3,3-1 (lsusb --tree)")


def start(asked: Job) -> None:
    needs.python("board")
    import_module("whisper158.board.flash.flash").flash(asked)


def install_udev(dry_run: bool) -> None:
    import_module("whisper158.board.flash.udev").install(dry_run=dry_run)
