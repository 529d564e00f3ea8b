#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Speaks as astra-update 2.0 does, and fails as it does; there is no board.

$FAKE_ASTRA_FOLDER is where it leaves its arguments (arguments.json) and an empty file when all is sent (sent). The file
`story` there says what happens.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

FOLDER = Path(os.environ["FAKE_ASTRA_FOLDER"])
DEVICE = "device:1-2"
BOOT = ("gen3_erom.bin.usb", "gen3_uboot.bin.usb")


def main() -> None:
    (FOLDER / "arguments.json").write_text(json.dumps(sys.argv[1:]))
    story = (FOLDER / "story").read_text().strip()
    # The real one takes an interrupt as an order to end, and ends with status 0 even after a failure.
    signal.signal(signal.SIGINT, lambda number, frame: sys.exit(0))
    options = parse(sys.argv[1:])
    say("Astra Update\n")
    image = Path(options["-f"])
    if not image.is_dir():
        fail(f"Failed to load flash image: {image} not found")
    if "--chip" not in options and "astra" not in str(list(image.iterdir())):
        fail("Failed to initialize update: Chip name and boot bootImage ID missing!")
    say(f"Update Image: {options['--chip']} {options['--board']}\n    Image Type: emmc\n")
    Path(options["-l"]).write_text("[12:00:00] astra-update v2.0.3\n")
    if story == "wrong-chip":
        fail("Failed to initialize update: No boot image found for chip: sl1680")
    if story == "no-access":
        fail("Failed to initialize update: Failed to open device: LIBUSB_ERROR_ACCESS")
    say("Waiting for Astra Device(s): (06CB:00B1)\n")
    stories[story](image)


def parse(words: list[str]) -> dict[str, str]:
    if "-S" not in words:
        fail("Error parsing options: this test wants -S")
    words = [word for word in words if word != "-S"]
    return dict(zip(words[::2], words[1::2], strict=True))


def say(text: str) -> None:
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    print(text, file=sys.stderr, flush=True)
    sys.exit(255)


def wait() -> NoReturn:
    while True:
        time.sleep(60)


def boot() -> None:
    say(f"Detected Device: {DEVICE}\nBooting Device: {DEVICE}")
    for name in BOOT:
        send(name)
    say(f"Booting {DEVICE} is complete")
    say(f"Updating Device: {DEVICE}")


def send(name: str, steps: tuple[float, ...] = (0, 33.3333, 100)) -> None:
    for percent in steps:
        say(f"Device: {DEVICE} Image: {name} Progress: {percent:g}")


def files(image: Path) -> list[str]:
    lines = (image / "emmc_image_list").read_text().splitlines()
    return [name for line in lines if (name := line.split(",")[0]) not in ("erase", "format")]


def success(image: Path) -> None:
    time.sleep(float(os.environ.get("FAKE_ASTRA_DELAY", "0")))
    boot()
    for name in ("emmc_part_list", "emmc_image_list", *files(image)):
        send(name)
    (FOLDER / "sent").touch()
    say(f"Device: {DEVICE} Update Complete")


def second_try(image: Path) -> None:
    say(f"Detected Device: {DEVICE}\nBooting Device: {DEVICE}")
    say(f"Device: {DEVICE} Boot Failed: Timeout during boot, press RESET while holding USB_BOOT to try again")
    success(image)


def midway(image: Path) -> None:
    boot()
    send(files(image)[0], (0, 40))
    say(f"Device: {DEVICE} Update Failed: Device disconnected")
    wait()


def stuck(image: Path) -> None:
    boot()
    send(files(image)[0], (0, 40))
    wait()


def vanishes(image: Path) -> None:
    boot()
    send(files(image)[0])


def killed(image: Path) -> None:
    boot()
    os.kill(os.getpid(), signal.SIGSEGV)


def lingers(image: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait()


stories = {
    "success": success,
    "lie": success,
    "second-try": second_try,
    "no-device": lambda image: wait(),
    "midway": midway,
    "stuck": stuck,
    "vanishes": vanishes,
    "killed": killed,
    "lingers": lingers,
}

if __name__ == "__main__":
    main()
