# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The program for the board, on an emulated ARMv8.0 without dot product and half-precision arithmetic."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from whisper158 import needs
from whisper158.build import runtime, sysroot
from whisper158.evaluate.sounds import Clip


@pytest.mark.network
@pytest.mark.slow
def test_real_weights_hear_real_words(sounds: tuple[Clip, ...], model: Callable[[str], Path]) -> None:
    clip = next(clip for clip in sounds if clip.id == "agent-loginok")
    needs.debian("cross")
    program = runtime.build(runtime.AARCH64) / "cli" / "whisper158"
    emulator: list[str | Path] = ["qemu-aarch64", "-cpu", sysroot.EMULATED_CPU, "-L", sysroot.sysroot()]
    # Three seconds of context: emulated, the encoder's floats are a hundred times slower than on the machine itself.
    options: list[str | Path] = ["--model", model("tiny.en-q8"), "--threads", "1", "--audio-context", "150"]
    result = subprocess.run([*emulator, program, "transcribe", *options, clip.path], capture_output=True, timeout=800)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == "Agent, logged in.\n"
