# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How a real board hears what it is to hear."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from whisper158 import needs
from whisper158.board.person import ask
from whisper158.board.target import Target
from whisper158.data.audio import SAMPLE_RATE, load, resample
from whisper158.errors import die
from whisper158.evaluate.sounds import Clip
from whisper158.run import run

Voice = Callable[[Target, Clip], None]

# What every sound card can play.
RATE, CHANNELS = 48000, 2
# Some drivers drop the end of what they play; and a detector of speech wants to hear the end of it.
TAIL = 1.0
ON_TARGET = "/run/whisper158-said.wav"
LOOPBACK = "plughw:Loopback,0,0"


def voice(how: str) -> Voice:
    """cue, cable:PCM or aloop."""
    kind, _, pcm = how.partition(":")
    if kind == "cable" and pcm:
        return cable(pcm)
    voices: dict[str, Voice] = {"cue": cue, "aloop": aloop}
    return voices.get(how) or die(f"--audio: {how!r} is no way to be heard", "cue, cable:PCM (aplay -L), aloop")


def cue(target: Target, clip: Clip) -> None:
    ask(f"Speak into the board's microphone when you have pressed Enter: “{clip.text}”")


def cable(pcm: str) -> Voice:
    """Played by a sound card here, from whose output a cable leads to the board's input."""

    def say(target: Target, clip: Clip) -> None:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            file.write(wav(clip))
            file.flush()
            needs.debian("sound")
            run(["aplay", "--quiet", f"--device={pcm}", file.name])

    return say


def aloop(target: Target, clip: Clip) -> None:
    """Played on the board into a loopback card (snd-aloop), on whose other end the daemon has to listen."""
    status, _ = target.run("grep -q Loopback /proc/asound/cards || modprobe snd-aloop")
    if status != 0:
        die("the board has no loopback card", "its kernel needs CONFIG_SND_ALOOP")
    target.put(wav(clip), ON_TARGET)
    target.check(f"aplay -q -D {LOOPBACK} {ON_TARGET}")


def wav(clip: Clip) -> bytes:
    sound = np.concatenate([load(clip.path), np.zeros(int(TAIL * SAMPLE_RATE), np.float32)])
    stereo = np.repeat(resample(sound, SAMPLE_RATE, RATE)[:, None], CHANNELS, axis=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        soundfile.write(path, np.clip(stereo, -1, 1), RATE, subtype="PCM_16")
        return path.read_bytes()
