# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A microphone that is taken off its bus and put back, without hands.

For a USB device the kernel's `authorized` does to drivers what unplugging does; PCI has `remove` and `rescan`.
"""

from dataclasses import dataclass

from whisper158.board.target import Target

# Prints bus and device of the first card that records and sits on such a bus.
FIND = """
for card in CLASS/card*; do
    ls "PROC/${card##*/}" 2>/dev/null | grep -q '^pcm.*c$' || continue
    device=$(readlink -f "$card/device") || continue
    bus=$(basename "$(readlink -f "$device/subsystem")")
    case $bus in usb) echo "usb $(dirname "$device")"; break;; pci) echo "pci $device"; break;; esac
done
"""


@dataclass(frozen=True)
class Card:
    bus: str
    device: str  # a path in /sys

    def unplug(self, target: Target) -> None:
        target.check(f"echo 0 > {self.device}/authorized" if self.bus == "usb" else f"echo 1 > {self.device}/remove")

    def plug_in(self, target: Target) -> None:
        target.check(f"echo 1 > {self.device}/authorized" if self.bus == "usb" else "echo 1 > /sys/bus/pci/rescan")


def find(target: Target, devices: str = "/sys/class/sound", streams: str = "/proc/asound") -> Card | None:
    bus, _, device = target.check(FIND.replace("CLASS", devices).replace("PROC", streams)).partition(" ")
    return Card(bus, device) if device else None
