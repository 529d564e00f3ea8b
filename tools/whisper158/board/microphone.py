# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A microphone of an emulated machine, into which the host speaks, sample by sample.

QEMU records through alsa-lib, and alsa-lib can be told to take a file for a sound card (its `file` plugin over `null`,
which keeps time). The file is a day of silence, which takes no room on the disk. Where QEMU reads it can be seen in
/proc, and what is to be said is written a little ahead of that.
"""

import os
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from whisper158.data.audio import SAMPLE_RATE, Floats
from whisper158.errors import UserError

# What the emulated card records: 16 bits, two channels.
CHANNELS = 2
FRAME = 2 * CHANNELS
DAY = 24 * 3600 * SAMPLE_RATE * FRAME  # bytes

# Between what QEMU has read and what is said: it must not get there while that is written.
AHEAD = 0.3  # seconds
# Whoever records reads every few milliseconds of the guest's time, of which a busy host makes seconds.
STALLED = 60.0  # seconds
POLL = 0.02  # seconds

Samples = npt.NDArray[np.int16]


class MicrophoneError(UserError):
    """What was said was not heard, or not all of it."""


class Microphone:
    """For one QEMU at a time. Its files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.file = (folder / "microphone.raw").absolute()
        self.configuration = (folder / "asound.conf").absolute()
        with self.file.open("wb") as file:
            file.truncate(DAY)
        self.configuration.write_text(
            'pcm.microphone { type file slave.pcm { type null } file "/dev/null" '
            f'infile "{self.file}" format "raw" }}\n'
            "pcm.nowhere { type null }\n"
        )

    @property
    def environment(self) -> dict[str, str]:
        """What alsa-lib in QEMU must find in its environment."""
        return {"ALSA_CONFIG_PATH": str(self.configuration)}

    @property
    def arguments(self) -> list[str]:
        """QEMU's: a sound card with a microphone. What it plays goes nowhere."""
        backend = {
            "in.dev": "microphone",
            "in.try-poll": "off",
            # The file is read as it is: what the guest asks for is what it gets.
            "in.fixed-settings": "off",
            "in.mixing-engine": "off",
            "out.dev": "nowhere",
            "out.try-poll": "off",
        }
        audiodev = ",".join(["alsa,id=sound", *(f"{key}={value}" for key, value in backend.items())])
        return ["-audiodev", audiodev, "-device", "intel-hda", "-device", "hda-micro,audiodev=sound"]

    def position(self, pid: int) -> int | None:
        """How far the QEMU with that process id has read, in bytes; None while its guest does not record."""
        descriptors = Path(f"/proc/{pid}/fd")
        try:
            for descriptor in descriptors.iterdir():
                if os.path.realpath(descriptor) == str(self.file.resolve()):
                    return read_position((descriptors.parent / "fdinfo" / descriptor.name).read_text())
        except OSError:
            # The descriptor was closed, or the process has ended, between two looks.
            return None
        return None

    def say(self, pid: int, sound: Floats) -> None:
        """Says `sound` (16 kHz, -1 to 1) and returns when QEMU has read it all."""
        content = frames(sound)
        read = self.await_recording(pid)
        begin = starting_point(read)
        with self.file.open("r+b") as file:
            try:
                file.seek(begin)
                file.write(content)
                file.flush()
                self.await_position(pid, begin + len(content))
            finally:
                # A card that is opened again may read the file from its beginning: nothing may be heard twice.
                file.seek(begin)
                file.write(bytes(len(content)))

    def await_recording(self, pid: int) -> int:
        end = time.monotonic() + STALLED
        while (read := self.position(pid)) is None:
            if time.monotonic() > end:
                raise MicrophoneError("nobody records from the emulated microphone")
            time.sleep(POLL)
        return read

    def await_position(self, pid: int, wanted: int) -> None:
        last, moved = -1, time.monotonic()
        while True:
            read = self.position(pid)
            if read is not None and read >= wanted:
                return
            if read is not None and read < last:
                raise MicrophoneError("the emulated microphone was closed and opened again while somebody spoke")
            if read is not None and read != last:
                last, moved = read, time.monotonic()
            elif time.monotonic() > moved + STALLED:
                raise MicrophoneError("nobody records from the emulated microphone any more")
            time.sleep(POLL)


def read_position(text: str) -> int | None:
    """The line `pos:` of a file in /proc/PID/fdinfo."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == "pos" and value.strip().isdigit():
            return int(value)
    return None


def starting_point(read: int) -> int:
    """Where to write, in bytes, if QEMU has read so many: a whole frame, AHEAD of that."""
    return (read // FRAME + round(AHEAD * SAMPLE_RATE)) * FRAME


def frames(sound: Floats) -> bytes:
    """`sound` as the card's format, the same in both channels. Samples that came from 16 bits are so again."""
    samples = np.clip(np.rint(np.asarray(sound, np.float64) * 32768), -32768, 32767).astype("<i2")
    return np.repeat(samples[:, None], CHANNELS, axis=1).tobytes()
