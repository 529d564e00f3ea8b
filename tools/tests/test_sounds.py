# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest
import soundfile

from whisper158.evaluate.sounds import VOICES, Clip, Voice, entries, synthesise


def test_the_list_of_words_is_read_as_it_is_meant() -> None:
    lines = [
        "; Core Sounds: English",
        "",
        "vm-goodbye: Goodbye.",
        "time: The time is: 3 o'clock.",
        "letters/dash: dash [-]",
        "beep: [this is a simple beep tone]",
        "silence/1: (1 second of silence)",
        "a line without words",
    ]
    assert dict(entries(iter(lines))) == {
        "vm-goodbye": "Goodbye.",
        "time": "The time is: 3 o'clock.",
        "letters/dash": "dash",
    }


@pytest.mark.network
def test_recordings_have_words_and_sound(sounds: tuple[Clip, ...]) -> None:
    assert len(sounds) > 500
    assert len({clip.id for clip in sounds}) == len(sounds)
    assert all(clip.text and clip.licence == "CC-BY-SA-3.0" for clip in sounds)
    # From a word to more than one window of Whisper's.
    assert min(clip.seconds for clip in sounds) < 1
    assert max(clip.seconds for clip in sounds) > 60
    samples, rate = soundfile.read(sounds[0].path)
    assert rate == 8000
    assert sounds[0].seconds == pytest.approx(len(samples) / rate)
    assert abs(samples).max() > 0.05


@pytest.mark.parametrize("voice", VOICES)
def test_voices_speak(voice: Voice, tmp_path: Path) -> None:
    path = synthesise("--- it's a $TEST; isn't it?", voice, tmp_path / "speech.wav")
    samples, rate = soundfile.read(path)
    assert rate == 16000
    assert samples.ndim == 1
    assert 0.5 < len(samples) / rate < 5
    assert abs(samples).max() > 0.05
