# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper158.data import audio
from whisper158.data.manifest import Clip
from whisper158.errors import UserError


def tone(hertz: float, rate: int, seconds: float) -> audio.Floats:
    time = np.arange(round(seconds * rate)) / rate
    # Faded in and out, as an ideal filter rings at edges.
    return (0.5 * np.sin(2 * np.pi * hertz * time) * np.hanning(len(time))).astype(np.float32)


@settings(max_examples=50)
@given(
    rate=st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000, 25100]),
    hertz=st.integers(50, 3500),
    seconds=st.floats(0.2, 1.5),
)
def test_a_tone_is_the_same_tone_at_another_rate(rate: int, hertz: int, seconds: float) -> None:
    sound = audio.resample(tone(hertz, rate, seconds), rate, 16000)
    length = round(seconds * rate)
    assert len(sound) == -(-length * 16000 // rate)
    time = np.arange(len(sound)) / 16000
    window = np.interp(time * rate, np.arange(length), np.hanning(length))
    assert sound == pytest.approx(0.5 * np.sin(2 * np.pi * hertz * time) * window, abs=3e-3)


def test_what_the_new_rate_cannot_hold_is_left_out() -> None:
    assert np.abs(audio.resample(tone(10_000, 48000, 1.0), 48000, 16000)).max() < 1e-4


@given(st.integers(1, 1 << 20))
def test_lengths_for_transforms(n: int) -> None:
    found = audio.smooth(n)
    assert n <= found < 2 * n or n == 1 == found
    for prime in (2, 3, 5):
        while found % prime == 0:
            found //= prime
    assert found == 1


def test_the_smallest_length_is_found() -> None:
    assert [audio.smooth(n) for n in (1, 7, 11, 17, 49, 121, 1001)] == [1, 8, 12, 18, 50, 125, 1024]


def test_any_file_becomes_16_khz_and_one_channel(tmp_path: Path) -> None:
    left = tone(300, 44100, 1.0)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, 0 * left], axis=1), 44100)
    clip = Clip("a", tmp_path / "stereo.wav", None, "s", 1.0, "CC0", "here")
    sound = audio.samples(clip)
    assert sound.shape == (16000,) and sound.dtype == np.float32
    assert sound == pytest.approx(tone(300, 16000, 1.0) / 2, abs=2e-3)


def test_opus_keeps_length_and_sound(tmp_path: Path) -> None:
    sound = tone(300, 16000, 2.0)
    audio.save(tmp_path / "a.opus", sound)
    heard = audio.load(tmp_path / "a.opus")
    assert len(heard) == len(sound)
    assert np.corrcoef(sound, heard)[0, 1] > 0.95
    assert (tmp_path / "a.opus").stat().st_size < 12_000
    assert [path.name for path in tmp_path.iterdir()] == ["a.opus"], "no draft is left"


def test_what_cannot_be_heard_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not a sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan, np.float32), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "book.wav", np.zeros(601 * 800, np.float32), 800)
    for name, reason in {
        "text.wav": "cannot read the sound file",
        "none.wav": "cannot read the sound file",
        "empty.wav": "0 s is not between",
        "nan.wav": "not numbers",
        "book.wav": "601 s is not between 0 and 600 s",
    }.items():
        with pytest.raises(UserError, match=reason) as caught:
            audio.load(tmp_path / name)
        assert name in caught.value.message and "\n" not in caught.value.message
    with pytest.raises(UserError, match="cannot write the sound file"):
        audio.save(tmp_path / "nowhere" / "a.opus", tone(300, 16000, 0.1))
