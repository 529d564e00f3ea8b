# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""whisper158d with a microphone of alsa-lib's making: PCMs that need no card, read through alsa-lib itself.

What can befall a real card is played through in C (runtime/tests/test_microphone.c).
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.daemon_process import Daemon, running
from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip

RATE = 16000

# "quiet" delivers zeros, "mic" what stands in a file.
CONFIGURATION = """
pcm.quiet {{ type null }}
pcm.mic {{ type file slave.pcm {{ type null }} file /dev/null infile "{recording}" format raw }}
"""


@pytest.fixture
def recording(tmp_path: Path, sounds: tuple[Clip, ...]) -> Path:
    """Quiet noise and somebody who speaks, again and again, as samples without a header."""
    samples, rate = soundfile.read(next(clip for clip in sounds if clip.id == "agent-loginok").path, dtype="float64")
    speech = np.interp(np.arange(0, len(samples), rate / RATE), np.arange(len(samples)), samples)
    noise = np.random.default_rng(1).normal(0, 1e-3, 2 * RATE)
    path = tmp_path / "recording.raw"
    path.write_bytes((np.tile(np.concatenate([noise, speech]), 40) * 32767).astype("<i2").tobytes())
    return path


@contextmanager
def listening(model: Path, recording: Path, *options: str | Path) -> Iterator[Daemon]:
    folder = recording.parent
    configuration = folder / "asound.conf"
    configuration.write_text(CONFIGURATION.format(recording=recording))
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    with running(program, model, folder, *options, environment={"ALSA_CONFIG_PATH": str(configuration)}) as daemon:
        yield daemon


def test_what_is_said_into_a_microphone_is_heard_and_kept(babbler: Path, recording: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with listening(babbler, recording, "--device=mic", f"--record-dir={kept}") as daemon:
        client = daemon.connect()
        client.until("speech-start")
        client.until("final")
        daemon.terminate()
        assert daemon.end() == 0
        assert "listening to mic: 16000 Hz, 1 channel, 16 bits" in daemon.log
    (file,) = kept.iterdir()
    samples, rate = soundfile.read(file, dtype="int16")
    assert rate == RATE
    said = np.frombuffer(recording.read_bytes(), "<i2")[: len(samples)]
    assert len(said) > 2 * RATE
    assert np.abs(samples[: len(said)].astype(int) - said).max() <= 1


def test_a_dead_microphone_is_called_dead(babbler: Path, recording: Path) -> None:
    with listening(babbler, recording, "--device=quiet") as daemon:
        daemon.until_logged("the input is nothing but zeros")


def test_an_absent_microphone_is_waited_for(babbler: Path, recording: Path) -> None:
    with listening(babbler, recording, "--device=absent") as daemon:
        daemon.until_logged("there is no sound card absent; waiting for it")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.terminate()
        assert daemon.end() == 0
    assert daemon.log.count("there is no sound card absent") == 1


def test_what_was_tuned_is_not_asked_for_where_it_is_not_wanted(babbler: Path, recording: Path) -> None:
    with listening(babbler, recording, "--device=quiet", "--cache=/nowhere/tuned.json") as daemon:
        daemon.connect().until("hello")
    assert "tuned" not in daemon.log


def test_the_number_of_a_card_is_refused(babbler: Path, recording: Path) -> None:
    with (
        pytest.raises(AssertionError, match="1 is the number of a sound card"),
        listening(babbler, recording, "--device=1"),
    ):
        pass
