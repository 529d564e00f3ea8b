# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the daemon takes for an utterance: nothing in ten minutes of noise, and what somebody says, in noise or not."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from whisper158.build import runtime
from whisper158.data.audio import SAMPLE_RATE, Floats, load
from whisper158.evaluate.accuracy import noises
from whisper158.evaluate.sounds import Clip
from whisper158.model import silero
from whisper158.model.golden import golden
from whisper158.model.pack import FORMATS, pack

# Silero's weights come from PyPI.
pytestmark = pytest.mark.network

TEN_MINUTES = 600 * SAMPLE_RATE
LEAD = 1.5  # seconds before and after what is said


@dataclass(frozen=True)
class Utterance:
    start: float
    end: float
    why: str


Hear = Callable[[npt.NDArray[np.floating]], list[Utterance]]


@pytest.fixture(scope="module")
def hear(tmp_path_factory: pytest.TempPathFactory) -> Hear:
    """The daemon's ear, with the settings that it has by default."""
    program, model = runtime.hear(), tmp_path_factory.mktemp("hearing") / "a.w158"
    pack(golden(), FORMATS["q8"], model, detector=silero.load())

    def listen(sound: npt.NDArray[np.floating]) -> list[Utterance]:
        samples = np.asarray(sound, "<f4").tobytes()
        lines = subprocess.run([program, model], input=samples, capture_output=True, check=True, timeout=300).stdout
        fields = (line.split() for line in lines.decode().splitlines())
        return [Utterance(float(start), float(end), why) for start, end, why in fields]

    return listen


@pytest.fixture(scope="module")
def nobody() -> list[noises.Noise]:
    """Ten minutes of silence, hum, fans, key clicks, music and more, of several levels."""
    clips = [*noises.silence(), *noises.noise()]
    assert sum(len(clip.samples) for clip in clips) >= TEN_MINUTES
    return clips


@pytest.fixture(scope="module")
def fan() -> Floats:
    """A minute, as loud as full scale allows."""
    wave = noises.fan(60 * SAMPLE_RATE, np.random.default_rng(158))
    return np.asarray(wave / wave.std(), np.float32)


def test_where_nobody_speaks_there_is_no_utterance(hear: Hear, nobody: list[noises.Noise]) -> None:
    """Each clip is the first thing that is heard, which is when the detector knows least."""
    assert {clip.id: heard for clip in nobody if (heard := hear(clip.samples))} == {}


def test_nor_is_there_in_ten_minutes_in_one_go(hear: Hear, nobody: list[noises.Noise]) -> None:
    assert hear(np.concatenate([clip.samples for clip in reversed(nobody)])) == []


def surrounded(sound: Floats) -> Floats:
    silence = np.zeros(int(LEAD * SAMPLE_RATE), np.float32)
    return np.concatenate([silence, sound, silence])


def spoken(sound: Floats) -> tuple[float, float]:
    """Where a clean recording has sound that counts: within 30 dB of its loudest tenth of a second."""
    step = SAMPLE_RATE // 10
    power = np.square(sound[: len(sound) // step * step].reshape(-1, step)).mean(axis=1)
    loud = np.flatnonzero(power > power.max() / 1000)
    return LEAD + loud[0] / 10, LEAD + (loud[-1] + 1) / 10


@pytest.mark.parametrize("ratio", [None, 20, 10], ids=["clean", "20 dB", "10 dB"])
def test_what_is_said_is_heard(ratio: float | None, hear: Hear, sounds: tuple[Clip, ...], fan: Floats) -> None:
    """From its first word to its last, and not much longer: noise may hide where a word ends."""
    for clip in [clip for clip in sounds if 2 < clip.seconds < 10][::10]:
        sound = load(clip.path)
        heard = surrounded(sound)
        if ratio is not None:
            heard += fan[: len(heard)] * np.sqrt(np.square(sound).mean() / 10 ** (ratio / 10))
        utterances = hear(heard)
        first, last = spoken(sound)
        assert utterances, clip.id
        assert first - 0.8 < utterances[0].start < first + 0.1, clip.id
        assert last - 0.3 < utterances[-1].end < last + 0.8, clip.id
        assert all(utterance.why == "silence" for utterance in utterances), clip.id


def test_a_long_speech_is_cut_in_pauses(hear: Hear, sounds: tuple[Clip, ...]) -> None:
    """Words with less than half a second between them, for longer than an utterance may be."""
    clips = [clip for clip in sounds if clip.id.startswith("digits/") and clip.seconds < 1]
    words = [load(clip.path) for clip in clips][:40]
    pause = np.zeros(SAMPLE_RATE // 5, np.float32)
    speech = np.concatenate([part for word in words for part in (word, pause)] * 2)
    assert len(speech) > 40 * SAMPLE_RATE
    utterances = hear(speech)
    assert len(utterances) > 1
    assert all(utterance.end - utterance.start <= 28 for utterance in utterances)
    cuts = [utterance.end for utterance in utterances if utterance.why == "maximum"]
    assert cuts
    for cut in cuts:
        at = round(cut * SAMPLE_RATE)
        around = speech[at - SAMPLE_RATE // 50 : at + SAMPLE_RATE // 50]
        assert np.abs(around).max() < 0.1 * np.abs(speech).max()
