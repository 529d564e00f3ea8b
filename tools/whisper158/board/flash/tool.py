# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Where Synaptics' astra-update is, and the programs that it first sends to the board."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whisper158.board.flash.image import CHIP
from whisper158.errors import die
from whisper158.paths import ROOT

PROGRAM = "astra-update"
# Our own variable for the program; the other one is the tool's own.
PROGRAM_VARIABLE = "WHISPER158_ASTRA_UPDATE"
BOOT_IMAGES_VARIABLE = "ASTRA_USBBOOT_IMAGES"
BOOT_IMAGES = "astra-usbboot-images"
SOURCE = "https://github.com/synaptics-astra/usb-tool"


@dataclass(frozen=True)
class Tool:
    program: Path
    boot_images: Path


def find(program: str = "", boot_images: str = "") -> Tool:
    """Flags come first, then the environment, $PATH, and where people unpack the repository of the tool."""
    found = find_program(program or os.environ.get(PROGRAM_VARIABLE, ""))
    return Tool(found, find_boot_images(boot_images or os.environ.get(BOOT_IMAGES_VARIABLE, ""), found))


def find_program(given: str) -> Path:
    if given:
        path = Path(given).expanduser()
        # The whole repository may be given, too.
        for candidate in (path, *programs_under(path)):
            if is_program(candidate):
                return candidate.absolute()
        die(f"{given} is not {PROGRAM}, nor a folder that has it", f"it comes from {SOURCE}")
    if on_path := shutil.which(PROGRAM):
        return Path(on_path)
    for folder in usual_folders():
        for candidate in programs_under(folder):
            if is_program(candidate):
                return candidate
    die(
        f"{PROGRAM}, which writes to the board over USB, was not found",
        f"git clone {SOURCE} ~/usb-tool; or name the program with --tool or ${PROGRAM_VARIABLE}",
    )


def usual_folders() -> Iterator[Path]:
    for parent in (Path.cwd(), ROOT.parent, home(), home() / "Downloads", Path("/opt")):
        for name in ("usb-tool", "usb-tool-main", "astra-update"):
            yield parent / name


def home() -> Path:
    return Path(os.path.expanduser("~"))


def programs_under(folder: Path) -> list[Path]:
    """Where the program lies in the repository, for this machine."""
    system = {"Darwin": "mac"}.get(platform.system(), "linux")
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return [folder / "bin" / system / machine / PROGRAM, folder / PROGRAM]


def is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def find_boot_images(given: str, program: Path) -> Path:
    """The folder with a folder a chip."""
    candidates = [Path(given).expanduser()] if given else [parent / BOOT_IMAGES for parent in program.resolve().parents]
    for candidate in candidates:
        if (candidate / CHIP / "manifest.yaml").is_file():
            return candidate.absolute()
    where = given or f"beside {program}"
    die(
        f"there are no boot images of the {CHIP} in {where}",
        f"the folder {BOOT_IMAGES} of {SOURCE} has them; name it with --boot-images or ${BOOT_IMAGES_VARIABLE}",
    )
