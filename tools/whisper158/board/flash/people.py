# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the person at the board has to do, in order; and questions."""

import sys
from collections.abc import Sequence

from whisper158.console import console, say
from whisper158.errors import die

POWER = "Power: the 15 V adapter that came with the board, in the USB-C socket marked PWR_IN"
NO_JUMPER = "Jumper SD_BOOT (JP1) off"
JUMPER = "Jumper SD_BOOT (JP1) on"
SERIAL = "Serial adapter on the 40-pin header: its GND to pin 6, its RX to pin 8, its TX to pin 10 (3.3 V)"
USB_CABLE = "USB cable from this computer to the USB-C socket beside the Ethernet socket"
USB_BOOT = "Hold USB_BOOT, press and release RESET, and hold USB_BOOT for two more seconds"
RESET = "Press RESET"


def show_steps(steps: Sequence[str]) -> None:
    for number, text in enumerate(steps, 1):
        say(f"  {number}. {text}")


def confirm(question: str, answer: str, yes: bool) -> None:
    """Goes on only if the person types `answer`, or said yes beforehand."""
    if yes:
        return
    if not sys.stdin.isatty():
        die(f"{question} cannot be asked without a terminal", "--yes answers it beforehand")
    console.print(f"{question}\nType {answer} to go on: ", end="", markup=False)
    try:
        typed = input()
    except EOFError:
        typed = ""
    if typed.strip() != answer:
        die("nothing was written")


def pause(text: str, yes: bool) -> None:
    """Waits until the person has done something."""
    if yes or not sys.stdin.isatty():
        return
    console.print(f"{text}, then press Enter: ", end="", markup=False)
    input()
