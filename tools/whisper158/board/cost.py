# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What an emulated machine costs its host, step by step: the numbers of docs/emulator.md.

.venv/bin/python -m whisper158.board.cost [--model NAME] [--qemu PROGRAM]
"""

import argparse
import time
from contextlib import closing
from pathlib import Path

from whisper158.board import emulated
from whisper158.board.machine import EMULATOR
from whisper158.board.qemu import Emulator, Hardware
from whisper158.board.service import Service
from whisper158.board.target import Target
from whisper158.build import emulator
from whisper158.build.emulator.image import Image
from whisper158.evaluate.sounds import Clip, sound
from whisper158.model import models

# A person's, of two seconds, which tiny.en hears right in short windows too.
CLIP = "conf-extended"
# How long the daemon is left alone, by the host's clock.
ALONE = 30.0


class Meter:
    """Prints what has been spent since it last did."""

    def __init__(self, target: Target, board: Emulator) -> None:
        self.target = target
        self.board = board
        self.cpu = self.guest = 0.0

    def read(self, what: str, words: str = "") -> None:
        cpu, guest = self.board.cpu_seconds(), self.uptime()
        print(f"{what:24} {cpu - self.cpu:8.1f} {guest - self.guest:8.1f}  {words}", flush=True)
        self.cpu, self.guest = self.board.cpu_seconds(), self.uptime()

    def uptime(self) -> float:
        """The guest's, in seconds."""
        return float(self.target.check("cat /proc/uptime").split()[0])


def cost(image: Path, hardware: Hardware, clip: Clip) -> None:
    print(f"{'':24} {'CPU s':>8} {'guest s':>8}")
    bench = emulated.at_console(Image(image), hardware)
    with closing(Target(EMULATOR, bench)) as target:
        target.start()
        meter = Meter(target, bench.board)
        meter.read("power to shell")
        service = Service(target)
        service.wait_listening()
        meter.read("model read, listening")
        time.sleep(ALONE)
        meter.read("listening to silence")
        for _ in range(2):
            event = next(service.hear(clip))
            meter.read("a sentence", f"{event['text']!r}, latency {event['latency']:.1f} s")
    emulated.ready(image, hardware)
    bench = emulated.at_console(Image(image), hardware)
    with closing(Target(EMULATOR, bench)) as target:
        target.restore()
        print(f"{'saved state to shell':24} {bench.board.cpu_seconds():8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what an emulated machine costs its host.")
    parser.add_argument("--model", default=models.DEFAULT, help="a model's name or a .w158 file")
    parser.add_argument("--qemu", default=Hardware.qemu, help="another QEMU")
    asked = parser.parse_args()
    cost(emulator.build(asked.model), Hardware(qemu=asked.qemu), sound(CLIP))


if __name__ == "__main__":
    main()
