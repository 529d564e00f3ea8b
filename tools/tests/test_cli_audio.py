# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What `whisper158 transcribe` takes: the same sound says the same, whatever it is wrapped in.

That every sample arrives as it should is the matter of runtime/tests/test_audio.c.
"""

import json
import os
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from whisper158.evaluate.sounds import Clip

Cli = Callable[..., subprocess.CompletedProcess[bytes]]
RATE = 16000


@pytest.fixture(scope="module")
def noise() -> NDArray[np.int16]:
    """Three seconds in which the golden model hears something."""
    return np.random.default_rng(158).integers(-8000, 8000, 3 * RATE, dtype=np.int16)


@pytest.fixture(scope="module")
def wav(noise: NDArray[np.int16], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    soundfile.write(path, noise, RATE)
    return path


def sparse_wav(path: Path, seconds: int, bits: int) -> Path:
    """Silence that takes no room on the disk."""
    data = seconds * RATE * bits // 8
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * bits // 8, bits // 8, bits)
    header = struct.pack("<4sI8sI16s4sI", b"RIFF", 36 + data, b"WAVEfmt ", 16, form, b"data", data)
    path.write_bytes(header)
    os.truncate(path, len(header) + data)
    return path


def heard(cli: Cli, golden: Path, *arguments: str | Path, **options: Any) -> dict[str, Any]:
    """What the golden model makes of a file: the JSON, without what differs from file to file and run to run."""
    result = cli("transcribe", "--model", golden, "--json", *arguments, **options)
    assert result.stderr == b""
    assert result.returncode == 0
    answer: dict[str, Any] = json.loads(result.stdout)
    del answer["file"], answer["timings"]
    return answer


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_24"),
        ("a.wav", "PCM_32"),
        ("a.wav", "FLOAT"),
        ("a.wav", "DOUBLE"),
        ("a.flac", "PCM_16"),
        ("a.flac", "PCM_24"),
        ("a.rf64", "PCM_16"),
        ("a.aiff", "PCM_16"),
        ("a.au", "PCM_16"),
    ],
)
def test_container_and_depth_do_not_matter(
    cli: Cli, golden: Path, wav: Path, noise: NDArray[np.int16], tmp_path: Path, name: str, subtype: str
) -> None:
    soundfile.write(tmp_path / name, noise / 32768, RATE, subtype=subtype)
    answer = heard(cli, golden, tmp_path / name)
    assert answer["text"]
    assert answer == heard(cli, golden, wav)


@pytest.mark.parametrize("channels", range(2, 9))
def test_equal_channels_are_one(
    cli: Cli, golden: Path, wav: Path, noise: NDArray[np.int16], tmp_path: Path, channels: int
) -> None:
    soundfile.write(tmp_path / "many.wav", np.stack([noise] * channels, axis=1), RATE)
    assert heard(cli, golden, tmp_path / "many.wav") == heard(cli, golden, wav)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_any_rate_keeps_the_duration(cli: Cli, golden: Path, tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).uniform(-0.3, 0.3, (2 * rate, 2)), rate)
    assert heard(cli, golden, tmp_path / "a.wav")["duration"] == pytest.approx(2.0, abs=1e-3)


def test_standard_input_is_a_file_or_a_pipe(cli: Cli, golden: Path, wav: Path) -> None:
    with wav.open("rb") as file:
        assert heard(cli, golden, "-", stdin=file) == heard(cli, golden, wav)
    assert heard(cli, golden, "-", input=wav.read_bytes()) == heard(cli, golden, wav)


def test_a_named_pipe_is_read_to_its_end(cli: Cli, golden: Path, wav: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(wav.read_bytes()))
    writer.start()
    assert heard(cli, golden, pipe) == heard(cli, golden, wav)
    writer.join()


def test_a_header_written_to_a_pipe_is_no_cause_for_alarm(cli: Cli, golden: Path, wav: Path) -> None:
    streamed = bytearray(wav.read_bytes())
    streamed[4:8] = streamed[40:44] = b"\xff\xff\xff\xff"
    assert heard(cli, golden, "-", input=bytes(streamed)) == heard(cli, golden, wav)


def test_one_sample_and_silence_say_nothing(cli: Cli, golden: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", np.array([0.5]), RATE)
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    one = cli("transcribe", "--model", golden, tmp_path / "one.wav")
    assert (one.returncode, one.stderr) == (0, b"")
    assert one.stdout.count(b"\n") == 1
    silence = cli("transcribe", "--model", golden, tmp_path / "silence.wav")
    assert (silence.returncode, silence.stdout, silence.stderr) == (0, b"\n", b"")
    answer = heard(cli, golden, tmp_path / "silence.wav")
    assert (answer["text"], answer["segments"], answer["language"]) == ("", [], None)


def test_clipping_is_no_error(cli: Cli, golden: Path, tmp_path: Path, noise: NDArray[np.int16]) -> None:
    soundfile.write(tmp_path / "loud.wav", noise / 2000, RATE, subtype="FLOAT")
    assert heard(cli, golden, tmp_path / "loud.wav")["text"]


def test_two_hours_in_bounded_memory(whisper158_binary: Path, golden: Path, tmp_path: Path) -> None:
    """Two hours are 460 MB of samples, and the log-mel spectrogram is half as much again."""
    long = sparse_wav(tmp_path / "long.wav", 2 * 3600, 16)
    script = (
        "import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, status)"
    )
    command: list[str | Path] = [whisper158_binary, "transcribe", "--quiet", "--model", golden, long]
    result = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=True)
    text, numbers, end = result.stdout.split("\n")
    kibibytes, status = map(int, numbers.split())
    assert (text, end, result.stderr, status) == ("", "", "", 0)
    assert kibibytes < 1000 * 1024


def test_too_long_for_the_memory(whisper158_binary: Path, golden: Path, tmp_path: Path) -> None:
    long = sparse_wav(tmp_path / "long.wav", 2 * 3600, 16)
    limit = 512 << 20
    result = subprocess.run(
        [whisper158_binary, "transcribe", "--threads=1", "--model", golden, long],
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert (result.returncode, result.stdout) == (os.EX_OSERR, b"")
    assert result.stderr.count(b"\n") == 1
    assert b"memory" in result.stderr


def test_more_than_four_hours_are_refused(cli: Cli, golden: Path, tmp_path: Path) -> None:
    result = cli("transcribe", "--model", golden, sparse_wav(tmp_path / "endless.wav", 4 * 3600 + 1, 8))
    assert (result.returncode, result.stdout) == (os.EX_DATAERR, b"")
    assert result.stderr.endswith(b"endless.wav is longer than 4 hours; cut it into parts\n")


@pytest.mark.network
def test_real_speech_at_another_rate(
    whisper158_binary: Path, model: Callable[[str], Path], sounds: tuple[Clip, ...], tmp_path: Path
) -> None:
    """A telephone's 8 kHz, as they are and in stereo."""
    clip = max((clip for clip in sounds if clip.seconds < 8), key=lambda clip: clip.seconds)
    samples, rate = soundfile.read(clip.path)
    soundfile.write(tmp_path / "stereo.flac", np.stack([samples, samples], axis=1), rate)
    result = subprocess.run(
        [whisper158_binary, "transcribe", "--model", model("tiny.en-q8"), clip.path, tmp_path / "stereo.flac"],
        capture_output=True,
        text=True,
        check=True,
    )
    mono, stereo = result.stdout.splitlines()
    assert len(set(mono.lower().split()) & set(clip.text.lower().split())) > len(set(clip.text.split())) / 2
    assert stereo == mono
