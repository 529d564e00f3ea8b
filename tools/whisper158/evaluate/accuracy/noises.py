# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Sound in which nobody speaks: silence of three kinds and noise of seven, ten minutes of it, made by seed.

Whisper was trained on captions, and hears words in such sound.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from whisper158.units import SAMPLE_RATE

Samples = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float64]
Rng = np.random.Generator

SEED = 158
SECONDS = (5, 5, 10, 10, 30)  # of the clips of each kind
LEVELS = (-60.0, -50.0, -40.0, -30.0, -20.0)  # root mean square, in dB of full scale
ROOM_LEVELS = (-78.0, -75.0, -72.0, -69.0, -66.0)
STEP = 1 / 32768  # of 16-bit audio
LOWEST = 20.0  # Hz


@dataclass(frozen=True)
class Noise:
    id: str
    samples: Samples


@dataclass(frozen=True)
class Kind:
    """`make` gives so many samples; where there are `levels`, they are brought to these, one for each clip."""

    name: str
    make: Callable[[int, Rng], Wave]
    levels: tuple[float, ...] = ()


def digital(n: int, rng: Rng) -> Wave:
    return np.zeros(n)


def dither(n: int, rng: Rng) -> Wave:
    """The last bit of a converter with nothing plugged in."""
    return np.asarray(rng.integers(-1, 2, n) * STEP, np.float64)


def coloured(n: int, rng: Rng, slope: float) -> Wave:
    """Power falls with the frequency to the power of `slope`: 0 is white, 1 pink, 2 brown."""
    frequencies = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    audible = frequencies >= LOWEST
    spectrum = np.fft.rfft(rng.standard_normal(n))
    shaped = spectrum * audible * np.maximum(frequencies, LOWEST) ** (-slope / 2)
    return np.asarray(np.fft.irfft(shaped, n), np.float64)


def hum(n: int, rng: Rng) -> Wave:
    """The mains and its harmonics, over a faint hiss."""
    t = np.arange(n) / SAMPLE_RATE
    mains = rng.choice([50.0, 60.0])
    wave = 0.01 * rng.standard_normal(n)
    for k in (1, 2, 3, 4, 5, 6, 8, 10):
        wave += np.sin(2 * np.pi * (k * mains * t + rng.random())) / k
    return wave


def fan(n: int, rng: Rng) -> Wave:
    """Moving air, louder whenever a blade passes, and the motor's tone."""
    t = np.arange(n) / SAMPLE_RATE
    blades = rng.uniform(40, 120)
    air = coloured(n, rng, 1.5)
    tone = np.sin(2 * np.pi * rng.uniform(200, 400) * t)
    wave: Wave = air / air.std() * (1 + 0.3 * np.sin(2 * np.pi * blades * t)) + 0.1 * tone
    return wave


def keys(n: int, rng: Rng) -> Wave:
    """Somebody types: bursts of some milliseconds, two to nine in a second, in a quiet room."""
    wave = coloured(n, rng, 1.0)
    wave *= 0.01 / wave.std()
    at = 0
    while (at := at + int(SAMPLE_RATE * rng.uniform(0.11, 0.5))) < n:
        length = min(n - at, int(SAMPLE_RATE * rng.uniform(0.01, 0.04)))
        decay = np.exp(-np.arange(length) / (SAMPLE_RATE * rng.uniform(0.001, 0.006)))
        wave[at : at + length] += rng.uniform(0.3, 1.0) * decay * rng.standard_normal(length)
    return wave


def music(n: int, rng: Rng) -> Wave:
    """Plucked notes of one scale, a new one every fifth of a second or so, over a bass."""
    scale = 220 * 2 ** (np.array([0, 2, 4, 7, 9, 12, 14, 16]) / 12)
    wave = np.zeros(n)
    at = 0
    while at < n:
        length = min(n - at, SAMPLE_RATE)
        t = np.arange(length) / SAMPLE_RATE
        for tone in (rng.choice(scale), rng.choice(scale[:3]) / 2):
            wave[at : at + length] += sum(np.sin(2 * np.pi * k * tone * t) / k**2 for k in range(1, 7)) * np.exp(-3 * t)
        at += int(SAMPLE_RATE * rng.choice([0.2, 0.2, 0.4]))
    return wave


SILENCES = (Kind("digital", digital), Kind("dither", dither), Kind("room", partial(coloured, slope=1.0), ROOM_LEVELS))
NOISES = (
    Kind("white", partial(coloured, slope=0.0), LEVELS),
    Kind("pink", partial(coloured, slope=1.0), LEVELS),
    Kind("brown", partial(coloured, slope=2.0), LEVELS),
    Kind("hum", hum, LEVELS),
    Kind("fan", fan, LEVELS),
    Kind("keys", keys, LEVELS),
    Kind("music", music, LEVELS),
)


def silence() -> list[Noise]:
    return [clip for kind in SILENCES for clip in clips(kind, 0)]


def noise() -> list[Noise]:
    """Each kind has its levels turned, so that no length belongs to one level."""
    return [clip for turn, kind in enumerate(NOISES) for clip in clips(kind, turn)]


def clips(kind: Kind, turn: int) -> Iterator[Noise]:
    for i, seconds in enumerate(SECONDS):
        # Seeded by the name, so that another kind in the list changes nobody else's sound.
        rng = np.random.default_rng([SEED, i, *kind.name.encode()])
        wave = kind.make(seconds * SAMPLE_RATE, rng)
        if not kind.levels:
            yield Noise(f"{kind.name}-{i}-{seconds}s", in_16_bits(wave))
            continue
        level = kind.levels[(i + turn) % len(kind.levels)]
        wave *= 10 ** (level / 20) / np.sqrt(np.mean(wave**2))
        yield Noise(f"{kind.name}-{i}-{seconds}s-{-level:.0f}dB", in_16_bits(wave))


def in_16_bits(wave: Wave) -> Samples:
    """As a sound file would hold it; peaks above full scale are clipped."""
    return np.asarray(np.clip(np.rint(wave / STEP), -32768, 32767) * STEP, np.float32)
