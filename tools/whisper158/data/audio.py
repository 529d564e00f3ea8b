# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Sound as Whisper hears it: 16 kHz, one channel, float32 from -1 to 1."""

import math
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from whisper158 import whole
from whisper158.data.manifest import Clip
from whisper158.errors import die
from whisper158.units import SAMPLE_RATE as SAMPLE_RATE

Floats = npt.NDArray[np.float32]

FORMATS = {".opus": ("OGG", "OPUS"), ".flac": ("FLAC", "PCM_16")}

# Longer files are not clips to train on, and are refused before their samples fill the memory.
LONGEST = 600.0


def samples(clip: Clip) -> Floats:
    return load(clip.path)


def load(path: Path) -> Floats:
    """The whole of a sound file of any rate and any number of channels (which are averaged)."""
    try:
        # libsndfile tells of what it cannot open as a "system error".
        path.open("rb").close()
        with soundfile.SoundFile(path) as file:
            if not 0 < file.frames <= LONGEST * file.samplerate:
                die(f"{path}: {file.frames / file.samplerate:.0f} s is not between 0 and {LONGEST:.0f} s")
            sound = file.read(dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.LibsndfileError, OSError) as error:
        die(f"cannot read the sound file {path}: {_reason(error)}")
    mono = sound.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        die(f"{path}: there are samples in it that are not numbers")
    return resample(mono, rate, SAMPLE_RATE)


def save(path: Path, sound: Floats) -> None:
    """Writes `sound` as .opus at about 30 kbit/s, or as .flac, ten times as large. The file gets its name when it is
    whole."""
    form, subtype = FORMATS[path.suffix]
    try:
        with whole.replacing(path) as draft:
            soundfile.write(draft, sound, SAMPLE_RATE, format=form, subtype=subtype)
    except soundfile.LibsndfileError as error:
        die(f"cannot write the sound file {path}: {_reason(error)}")


def resample(sound: Floats, old: int, new: int) -> Floats:
    """`sound` at another rate, by cutting or extending its spectrum: an ideal filter with no delay.

    The spectrum is that of blocks whose lengths are products of small numbers, so that any clip is quick.
    """
    if old == new or len(sound) == 0:
        return sound.astype(np.float32, copy=False)
    divisor = math.gcd(old, new)
    up, down = new // divisor, old // divisor
    # Zeros behind, so that the end of the clip does not ring into its beginning.
    padded = down * smooth(-(-len(sound) // down) + -(-64 // down))
    spectrum = np.fft.rfft(sound, padded)
    length = padded // down * up
    spectrum = spectrum[: min(padded, length) // 2 + 1]
    longer = np.fft.irfft(spectrum, length) * (length / padded)
    return longer[: -(-len(sound) * up // down)].astype(np.float32)


def smooth(n: int) -> int:
    """The least number from `n` on that has no prime factor above 5: Fourier transforms of such lengths are fast."""
    best = 1 << max(n - 1, 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            rest = -(-n // three)
            best = min(best, three << max(rest - 1, 0).bit_length())
            three *= 3
        five *= 5
    return best


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(getattr(error, "error_string", error))
