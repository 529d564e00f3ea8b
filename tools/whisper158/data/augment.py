# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Clean recordings made worse in the ways of the world: rooms, noises, codecs, microphones, speakers in a hurry.

It runs inside the training loop, so everything is a few passes over the samples, and all chance comes from the caller's
generator: the same generator and settings give the same samples.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import soundfile

from whisper158.data.audio import SAMPLE_RATE, Floats, resample, smooth

Range = tuple[float, float]


@dataclass(frozen=True)
class Settings:
    """Probabilities of each change, and from where to where it goes (evenly)."""

    speed: float = 0.4
    speeds: Range = (0.9, 1.1)
    room: float = 0.3
    noise: float = 0.5
    signal_to_noise: Range = (3.0, 35.0)  # dB
    clip: float = 0.05
    clip_at: Range = (0.15, 0.7)  # of the peak
    telephone: float = 0.06  # a band of 4 kHz, then mu-law
    mu_law: float = 0.04
    lossy: float = 0.01  # Opus or MP3: slow
    gain: float = 0.5
    peak: Range = (-35.0, 0.0)  # dB of full scale
    silence: float = 0.3
    longest_silence: float = 1.0  # s, before and after
    voices: tuple[Floats, ...] = field(default=(), compare=False, repr=False)  # that murmur; else the clip's own


def augment(samples: Floats, rng: np.random.Generator, settings: Settings, longest: int | None = None) -> Floats:
    """`samples` as they might have been recorded elsewhere.

    There are at most `longest` samples in the result, by default no more than there were: whoever has cut a window to a
    clip must not lose its last words. So a clip is slowed down or delayed only where there is room for it.
    """
    longest = max(len(samples), longest or 0)
    if len(samples) == 0 or not samples.any():
        return samples
    sound = samples
    steps: tuple[tuple[float, Callable[[Floats], Floats]], ...] = (
        (settings.speed, lambda s: _speed(s, rng.uniform(*settings.speeds), longest)),
        (settings.room, lambda s: reverberate(s, impulse_response(int(rng.integers(ROOMS))))),
        (settings.noise, lambda s: _noisy(s, rng, settings)),
        (settings.clip, lambda s: _clipped(s, rng.uniform(*settings.clip_at))),
        (settings.telephone, lambda s: mu_law(telephone(s))),
        (settings.mu_law, mu_law),
        (settings.lossy, lambda s: lossy(s, rng)),
        (settings.gain, lambda s: _gain(s, rng.uniform(*settings.peak))),
        (settings.silence, lambda s: _silence(s, rng, round(settings.longest_silence * SAMPLE_RATE), longest)),
    )
    for probability, step in steps:
        if rng.random() < probability:
            sound = step(sound)
    return sound.astype(np.float32, copy=False)


def _speed(sound: Floats, factor: float, longest: int) -> Floats:
    """Faster and higher by `factor`, in steps of 1 %, which keep the transforms short."""
    percent = max(round(100 * factor), -(-100 * len(sound) // longest))
    return resample(sound, percent, 100)[:longest]


# ------------------------------------------------------------------------------------------------------------- rooms

# Rooms are numbered, and those met before are kept: to make one takes longer than to sound it.
ROOMS = 512

SPEED_OF_SOUND = 343.0  # m/s

# Reflections come from mirrored sources until this; from then on they are too dense to tell from noise.
EARLY = 0.05  # s


@lru_cache(maxsize=ROOMS)
def impulse_response(number: int) -> Floats:
    """What a microphone hears of a clap in a box-shaped room. The direct sound comes first and has a gain of 1."""
    rng = np.random.default_rng([158, number])
    size = rng.uniform((2.5, 2.5, 2.3), (10.0, 8.0, 4.0))
    source, microphone = (size * rng.uniform(0.1, 0.9, 3) for _ in range(2))
    decay = rng.uniform(0.15, 0.8)  # s, to a millionth of the energy
    return _response(size, source, microphone, decay, rng)


def _response(
    size: np.ndarray, source: np.ndarray, microphone: np.ndarray, decay: float, rng: np.random.Generator
) -> Floats:
    distances, bounces = _mirrored(size, source, microphone)
    direct = max(float(distances.min()), 0.2)
    # Sabine: what of a sound's pressure a wall gives back, for the whole to die away in time.
    surface = 2 * (size[0] * size[1] + size[1] * size[2] + size[2] * size[0])
    absorbed = min(0.95, 0.161 * float(np.prod(size)) / (surface * decay))
    gains = direct / np.maximum(distances, direct) * np.sqrt(1 - absorbed) ** bounces
    places = np.round((distances - distances.min()) / SPEED_OF_SOUND * SAMPLE_RATE).astype(np.int64)
    early, length = round(EARLY * SAMPLE_RATE), round(min(decay, 0.6) * SAMPLE_RATE)
    response = np.zeros(length + early, np.float32)
    np.add.at(response, places[places < early], gains[places < early])
    # Energy falls by 60 dB in `decay`; the noise goes on where the reflections left off.
    fall = 10.0 ** (-3.0 * np.arange(length) / (decay * SAMPLE_RATE))
    last = response[early // 2 : early]
    response[early:] = rng.standard_normal(length) * fall * float(np.sqrt((last**2).mean()))
    return response


def _mirrored(size: np.ndarray, source: np.ndarray, microphone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the microphone of the source's mirror images, and how many walls each was mirrored at."""
    reach = int(np.ceil((EARLY * SPEED_OF_SOUND + np.linalg.norm(size)) / (2 * size.min())))
    rooms = np.arange(-reach, reach + 1)
    # Along each axis, room n is the original (flip 0) moved by 2 n sizes, or its mirror image (flip 1).
    along = [
        np.concatenate([2 * rooms * extent + place, 2 * rooms * extent - place]) - ear
        for extent, place, ear in zip(size, source, microphone, strict=True)
    ]
    walls = np.concatenate([abs(2 * rooms), abs(2 * rooms - 1)])
    squares = np.add.outer(np.add.outer(along[0] ** 2, along[1] ** 2), along[2] ** 2)
    bounces = np.add.outer(np.add.outer(walls, walls), walls)
    return np.sqrt(squares).ravel(), bounces.ravel()


def reverberate(sound: Floats, response: Floats) -> Floats:
    """`sound` in a room; what rings on after its end is left out."""
    length = smooth(-(-(len(sound) + len(response)) // 2)) * 2
    spectrum = np.fft.rfft(sound, length) * np.fft.rfft(response, length)
    wet = np.fft.irfft(spectrum, length)[: len(sound)].astype(np.float32)
    return wet * np.float32(_peak(sound) / _peak(wet))


# ------------------------------------------------------------------------------------------------------------ noises


def noise(length: int, rng: np.random.Generator) -> Floats:
    """Nobody speaking: noise of any kind and level, or true silence once in a while."""
    if rng.random() < 0.1:
        return np.zeros(length, np.float32)
    sound = _coloured(length, rng, rng.uniform(0, 2)) if rng.random() < 0.85 else _hum(length, rng)
    return sound * np.float32(10 ** rng.uniform(-4, -1.2))


def _noisy(sound: Floats, rng: np.random.Generator, settings: Settings) -> Floats:
    kinds: tuple[Callable[[], Floats], ...] = (
        lambda: _coloured(len(sound), rng, rng.uniform(0, 0.3)),  # white
        lambda: _coloured(len(sound), rng, rng.uniform(0.7, 1.3)),  # pink
        lambda: _coloured(len(sound), rng, rng.uniform(1.7, 2.3)),  # brown
        lambda: _hum(len(sound), rng),
        lambda: _babble(len(sound), rng, settings.voices or (sound,)),
    )
    added = kinds[int(rng.choice(len(kinds), p=(0.2, 0.25, 0.15, 0.1, 0.3)))]()
    ratio = 10 ** (-rng.uniform(*settings.signal_to_noise) / 20)
    return sound + added * np.float32(ratio * _level(sound) / max(_level(added), 1e-9))


def _coloured(length: int, rng: np.random.Generator, slope: float) -> Floats:
    """Noise of level 1 whose power falls with the frequency to the `slope`: 0 is white, 1 pink, 2 brown."""
    padded = 2 * smooth(-(-length // 2))
    bins = padded // 2 + 1
    spectrum = rng.standard_normal(2 * bins, dtype=np.float32).view(np.complex64)
    # Below 20 Hz nothing is heard, but most of the power of brown noise would lie there.
    lowest = max(1, round(20 * padded / SAMPLE_RATE))
    spectrum[:lowest] = 0
    spectrum[lowest:] *= np.arange(lowest, bins, dtype=np.float32) ** np.float32(-slope / 2)
    sound = np.fft.irfft(spectrum, padded)[:length].astype(np.float32)
    return sound / np.float32(max(_level(sound), 1e-20))


def _hum(length: int, rng: np.random.Generator) -> Floats:
    """The mains, with harmonics, at level 1; a tenth of a second holds whole periods of 50 and of 60 Hz."""
    mains = 50 if rng.random() < 0.5 else 60
    time = np.arange(SAMPLE_RATE // 10) / SAMPLE_RATE
    period = sum(
        rng.uniform(0, 1) / harmonic * np.sin(2 * np.pi * (mains * harmonic * time + rng.random()))
        for harmonic in (1, 2, 3, 5, 7)
    )
    hum = np.resize(np.asarray(period, np.float32), length)
    return hum / np.float32(max(_level(hum), 1e-9))


def _babble(length: int, rng: np.random.Generator, voices: tuple[Floats, ...]) -> Floats:
    """Several voices at once, backwards, so that there is nothing in it to be written down."""
    crowd = np.zeros(length, np.float32)
    for _ in range(int(rng.integers(3, 8))):
        voice = voices[int(rng.integers(len(voices)))][::-1]
        if len(voice):
            crowd += np.resize(np.roll(voice, int(rng.integers(len(voice)))), length) * np.float32(rng.uniform(0.3, 1))
    return crowd


# --------------------------------------------------------------------------------------------- microphones and codecs


def _clipped(sound: Floats, share: float) -> Floats:
    limit = np.float32(share * _peak(sound))
    return np.clip(sound, -limit, limit)


def telephone(sound: Floats) -> Floats:
    """What a sample rate of 8 kHz leaves."""
    return resample(resample(sound, 2, 1), 1, 2)[: len(sound)]


def mu_law(sound: Floats) -> Floats:
    """8 bits a sample, finer where it is quiet (ITU-T G.711), at full scale."""
    peak = np.float32(_peak(sound))
    squeezed = np.log1p(255 * np.abs(sound / peak)) / np.float32(np.log(256))
    steps = np.round(squeezed * 127) / 127
    coded: Floats = np.sign(sound) * np.float32(peak / 255) * np.expm1(steps * np.float32(np.log(256)))
    return coded


def lossy(sound: Floats, rng: np.random.Generator) -> Floats:
    """Through Opus or MP3 at a low rate and back."""
    form, subtype = (("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"))[int(rng.integers(2))]
    file = io.BytesIO()
    peak = _peak(sound)
    level = rng.uniform(0.85, 0.98)
    soundfile.write(
        file, sound * np.float32(0.7 / peak), SAMPLE_RATE, format=form, subtype=subtype, compression_level=level
    )
    file.seek(0)
    heard: Floats = soundfile.read(file, dtype="float32")[0][: len(sound)]
    return np.pad(heard, (0, len(sound) - len(heard))) * np.float32(peak / 0.7)


def _gain(sound: Floats, peak: float) -> Floats:
    return sound * np.float32(10 ** (peak / 20) / _peak(sound))


def _silence(sound: Floats, rng: np.random.Generator, most: int, longest: int) -> Floats:
    before = int(rng.integers(min(most, longest - len(sound)) + 1))
    after = int(rng.integers(min(most, longest - len(sound) - before) + 1))
    return np.pad(sound, (before, after))


def _level(sound: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float32))))


def _peak(sound: Floats) -> float:
    """Never 0, so that it can be divided by."""
    return max(float(np.abs(sound).max()), 1e-9)
