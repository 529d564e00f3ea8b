# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper158.data import augment as a
from whisper158.data.audio import SAMPLE_RATE, Floats
from whisper158.data.augment import Settings, augment

STEPS = [f.name for f in fields(Settings) if isinstance(f.default, float) and f.name != "longest_silence"]
NEVER = Settings(**{name: 0.0 for name in STEPS})  # type: ignore[arg-type]


def always(name: str, **more: object) -> Settings:
    return replace(NEVER, **{name: 1.0, **more})  # type: ignore[arg-type]


def tone(hertz: float, seconds: float = 1.0) -> Floats:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def level(sound: Floats) -> float:
    return float(np.sqrt((sound.astype(np.float64) ** 2).mean()))


def loudest(sound: Floats) -> float:
    """The frequency with the most power in it."""
    return float(np.abs(np.fft.rfft(sound)).argmax() * SAMPLE_RATE / len(sound))


@settings(max_examples=60)
@given(
    length=st.integers(0, 20_000),
    room=st.none() | st.integers(0, 40_000),
    seed=st.integers(0, 2**32),
    scale=st.sampled_from([0.0, 1e-8, 0.1, 1.0]),
)
def test_anything_goes_and_nothing_is_cut(length: int, room: int | None, seed: int, scale: float) -> None:
    sound = (scale * np.random.default_rng(seed).standard_normal(length)).clip(-1, 1).astype(np.float32)
    often = Settings(**{name: 0.6 if name != "lossy" else 0.02 for name in STEPS})  # type: ignore[arg-type]
    before = sound.copy()
    worse = augment(sound, np.random.default_rng(seed), often, room)
    assert worse.dtype == np.float32 and np.isfinite(worse).all()
    assert len(worse) <= max(length, room or 0)
    assert len(worse) >= length / 1.1 - 1
    assert (sound == before).all(), "what was given is not changed"
    assert (augment(sound, np.random.default_rng(seed), often, room) == worse).all()


def test_nothing_happens_where_nothing_is_asked_for() -> None:
    sound = tone(440)
    assert augment(sound, np.random.default_rng(1), NEVER) is sound


def test_speed_moves_the_pitch() -> None:
    rng = np.random.default_rng(1)
    fast = augment(tone(1000), rng, always("speed", speeds=(1.1, 1.1)))
    assert len(fast) == pytest.approx(SAMPLE_RATE / 1.1, abs=1)
    assert loudest(fast) == pytest.approx(1100, rel=0.002)
    slow = augment(tone(1000), rng, always("speed", speeds=(0.9, 0.9)), longest=SAMPLE_RATE * 2)
    assert len(slow) == pytest.approx(SAMPLE_RATE / 0.9, abs=1)
    assert loudest(slow) == pytest.approx(900, rel=0.002)
    unslowed = augment(tone(1000), rng, always("speed", speeds=(0.9, 0.9)))
    assert len(unslowed) == SAMPLE_RATE and loudest(unslowed) == pytest.approx(1000, rel=0.002)


@pytest.mark.parametrize("ratio", [0.0, 20.0])
@pytest.mark.parametrize("seed", range(8))
def test_noise_has_the_level_that_was_asked_for(ratio: float, seed: int) -> None:
    sound = tone(440)
    worse = augment(sound, np.random.default_rng(seed), always("noise", signal_to_noise=(ratio, ratio)))
    assert 20 * np.log10(level(sound) / level(worse - sound)) == pytest.approx(ratio, abs=0.2)


def test_the_colours_of_noise() -> None:
    def slope(colour: float) -> float:
        """Decibels an octave, from 250 Hz to 4 kHz."""
        power = np.abs(np.fft.rfft(a._coloured(1 << 18, np.random.default_rng(5), colour))) ** 2
        low, high = (power[int(f * 16) : int(2 * f * 16)].mean() for f in (250, 2000))
        return float(10 * np.log10(high / low) / 3)

    assert [slope(colour) for colour in (0, 1, 2)] == pytest.approx([0, -3, -6], abs=0.3)


def test_other_voices_murmur() -> None:
    sound, other = tone(440), tone(3000, 0.3)
    settings = always("noise", signal_to_noise=(0.0, 0.0), voices=(other,))
    spectra = [
        np.abs(np.fft.rfft(augment(sound, np.random.default_rng(seed), settings) - sound))[[440, 3000]]
        for seed in range(12)
    ]
    assert any(high > 100 * low for low, high in spectra)


@pytest.mark.parametrize("number", range(0, a.ROOMS, 40))
def test_rooms(number: int) -> None:
    response = a.impulse_response(number)
    assert response[0] >= 1, "the direct sound comes first"
    assert np.isfinite(response).all() and len(response) < SAMPLE_RATE
    halves = np.array_split(response.astype(np.float64), 4)
    energies = [float((part**2).sum()) for part in halves]
    assert energies == sorted(energies, reverse=True), "it dies away"


def test_walls_reflect_as_geometry_says() -> None:
    """A source 1 m and a microphone 2 m from a wall, in line: its image is 3 m away, the source 1 m."""
    size, source, microphone = np.array([50.0, 50, 50]), np.array([1.0, 25, 25]), np.array([2.0, 25, 25])
    distances, bounces = a._mirrored(size, source, microphone)
    nearest = np.argsort(distances)[:2]
    assert distances[nearest] == pytest.approx([1, 3])
    assert bounces[nearest].tolist() == [0, 1]


def test_an_echo_is_where_the_response_says() -> None:
    click, response = np.zeros(100, np.float32), np.zeros(50, np.float32)
    click[10], response[[0, 30]] = 1, (1, 0.5)
    wet = a.reverberate(click, response)
    assert wet[[10, 40]] == pytest.approx([1, 0.5], abs=1e-5)
    assert np.delete(np.abs(wet), [10, 40]).max() < 1e-5


def test_a_telephone_has_no_treble() -> None:
    assert level(a.telephone(tone(6000))[200:-200]) < 1e-3
    assert a.telephone(tone(1000))[200:-200] == pytest.approx(tone(1000)[200:-200], abs=2e-3)


def test_mu_law_has_255_levels_and_is_finer_below() -> None:
    sound = np.linspace(-0.8, 0.8, 20_001, dtype=np.float32)
    coded = a.mu_law(sound)
    assert len(np.unique(np.round(coded, 7))) == 255
    assert np.abs(coded - sound).max() < 0.02
    quiet = np.abs(sound) < 0.008
    assert np.abs(coded - sound)[quiet].max() < 4e-4


@pytest.mark.parametrize("seed", range(4))
def test_codecs_keep_the_sound_in_its_place(seed: int) -> None:
    sound = tone(440) * np.hanning(SAMPLE_RATE).astype(np.float32)
    coded = a.lossy(sound, np.random.default_rng(seed))
    assert len(coded) == len(sound)
    assert np.corrcoef(sound, coded)[0, 1] > 0.9


def test_clipping_and_gain() -> None:
    clipped = augment(tone(440), np.random.default_rng(1), always("clip", clip_at=(0.5, 0.5)))
    assert np.abs(clipped).max() == pytest.approx(0.25)
    assert (np.abs(clipped) == np.abs(clipped).max()).mean() > 0.5
    quiet = augment(tone(440), np.random.default_rng(1), always("gain", peak=(-20.0, -20.0)))
    assert np.abs(quiet).max() == pytest.approx(0.1)


def test_silence_goes_around_the_sound_where_there_is_room() -> None:
    sound = tone(440)
    longer = augment(sound, np.random.default_rng(1), always("silence"), longest=2 * SAMPLE_RATE)
    before = int(np.flatnonzero(longer)[0]) - 1
    assert 0 < before < SAMPLE_RATE < len(longer) <= 2 * SAMPLE_RATE
    assert (longer[before : before + SAMPLE_RATE] == sound).all()
    assert (augment(sound, np.random.default_rng(1), always("silence")) == sound).all()


def test_noise_by_itself() -> None:
    sounds = [a.noise(8000, np.random.default_rng(seed)) for seed in range(100)]
    assert all(len(sound) == 8000 and sound.dtype == np.float32 and np.isfinite(sound).all() for sound in sounds)
    assert 2 <= sum(not sound.any() for sound in sounds) <= 25
    assert max(level(sound) for sound in sounds) > 100 * min(level(sound) for sound in sounds if sound.any())
