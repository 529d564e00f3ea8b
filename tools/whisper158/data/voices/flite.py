# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Flite, as Debian has it: three people at 0.02 s of one processor for a second of speech, plain but clear."""

import functools
import tempfile
from pathlib import Path

import soundfile

from whisper158 import needs
from whisper158.data.audio import Floats
from whisper158.run import run


class Flite:
    name = "flite"
    voices = ("slt", "rms", "awb")
    licence = "BSD-style (CMU Arctic voices)"
    source = "Debian flite"

    def speak(self, text: str, voice: str, speed: float) -> tuple[Floats, int]:
        _install()
        with tempfile.TemporaryDirectory(prefix="whisper158-") as folder:
            out = Path(folder) / "speech.wav"
            run(["flite", "-voice", voice, "--setf", f"duration_stretch={1 / speed:.4f}", "-t", text, "-o", out])
            sound, rate = soundfile.read(out, dtype="float32")
        return sound, rate


@functools.cache
def _install() -> None:
    needs.debian("speech")
