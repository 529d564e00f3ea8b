# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What an emulated machine costs its host, step by step: the numbers of docs/emulator.md.

    .venv/bin/python -m whisper158.board.cost [--model NAME] [--qemu PROGRAM]
"""

import argparse
import time
from pathlib import Path

from whisper158.board import hear, state
from whisper158.board.qemu import Emulator, Hardware
from whisper158.build import emulator
from whisper158.data import audio
from whisper158.evaluate.sounds import Clip, sounds
from whisper158.model import models

# A person's, of two seconds, which tiny.en hears right in short windows too.
CLIP = "conf-extended"
# How long the daemon is left alone, by the host's clock.
ALONE = 30.0


class Meter:
    """Prints what has been spent since it last did."""

    def __init__(self, board: Emulator) -> None:
        self.board = board
        self.cpu = self.guest = 0.0

    def read(self, what: str, words: str = "") -> None:
        cpu, guest = self.board.cpu_seconds(), uptime(self.board)
        print(f"{what:24} {cpu - self.cpu:8.1f} {guest - self.guest:8.1f}  {words}", flush=True)
        self.cpu, self.guest = self.board.cpu_seconds(), uptime(self.board)


def uptime(board: Emulator) -> float:
    """The guest's, in seconds."""
    return float(board.console.check("cat /proc/uptime", hear.ANSWER).split()[0])


def cost(image: Path, hardware: Hardware, clip: Clip) -> None:
    print(f"{'':24} {'CPU s':>8} {'guest s':>8}")
    sound = audio.load(clip.path)
    with Emulator(image, hardware=hardware) as board:
        board.boot()
        board.console.login(hear.LOGIN)
        meter = Meter(board)
        meter.read("power to shell")
        hear.make_ready(board.console)
        meter.read("model read, listening")
        time.sleep(ALONE)
        meter.read("listening to silence")
        for _ in range(2):
            event = hear.hear(board, sound)
            meter.read("a sentence", f"{event['text']!r}, latency {event['latency']:.1f} s")
    saved = state.ready(image, hardware)
    with Emulator(image, hardware=hardware) as board:
        board.power_on(state=saved)
        board.console.login(hear.LOGIN)
        print(f"{'saved state to shell':24} {board.cpu_seconds():8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what an emulated machine costs its host.")
    parser.add_argument("--model", default=models.DEFAULT, help="a model's name or a .w158 file")
    parser.add_argument("--qemu", default=Hardware.qemu, help="another QEMU")
    asked = parser.parse_args()
    clip = next(clip for clip in sounds() if clip.id == CLIP)
    cost(emulator.build(asked.model), Hardware(qemu=asked.qemu), clip)


if __name__ == "__main__":
    main()
