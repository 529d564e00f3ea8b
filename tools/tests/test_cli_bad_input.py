# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What `whisper158` does with input that is no good: one clear sentence, the right exit status, nothing on stdout."""

import io
import os
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Cli = Callable[..., subprocess.CompletedProcess[bytes]]

SAMPLES = np.random.default_rng(158).uniform(-0.3, 0.3, 16000).astype(np.float32)


def sound(samples: np.ndarray = SAMPLES, format: str = "WAV", subtype: str | None = None, rate: int = 16000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file.getvalue()


def wav_with(offset: int, format: str, value: int) -> bytes:
    """A WAV file with another value in a field of its header."""
    data = bytearray(sound())
    struct.pack_into(format, data, offset, value)
    return bytes(data)


def with_sample(value: float) -> bytes:
    samples = SAMPLES.copy()
    samples[4000] = value
    return sound(samples, subtype="FLOAT")


def refused(result: subprocess.CompletedProcess[bytes], status: int, sentence: str) -> None:
    """One line, which ends in a sentence that matches, and nothing that could be taken for a result."""
    error = result.stderr.decode()
    assert result.returncode == status, error
    assert result.stdout == b""
    assert re.fullmatch(rf"whisper158: .*{sentence}\n", error), error


BAD_AUDIO = {
    "empty": (b"", "is empty"),
    "text": (b"Dear diary,\nno audio today.\n" * 50, "is not audio in a format known here, such as WAV or FLAC"),
    "zeros": (bytes(5000), "is not audio in a format known here, such as WAV or FLAC"),
    "header cut in its first chunk": (sound()[:20], r"is damaged, or not audio \(libsndfile: .*\)"),
    "header cut before its last chunk": (sound()[:40], r"is damaged, or not audio \(libsndfile: .*\)"),
    "header alone": (sound()[:44], "holds no audio: its length is zero"),
    "length zero": (sound(SAMPLES[:0]), "holds no audio: its length is zero"),
    "FLAC header alone": (sound(format="FLAC")[:60], r"is damaged, or not audio \(libsndfile: .*\)"),
    "not a number": (with_sample(float("nan")), r"is damaged: frame 4000 \(0.250 s\) holds the number nan"),
    "infinity": (with_sample(float("-inf")), r"is damaged: frame 4000 \(0.250 s\) holds the number -inf"),
    "overflow": (with_sample(3e38), r"is damaged: frame 4000 \(0.250 s\) holds the number 3e\+38"),
    "rate 0": (wav_with(24, "<I", 0), r"is damaged, or not audio \(libsndfile: .*\)"),
    "rate 1": (wav_with(24, "<I", 1), "has a sample rate of 1 Hz; rates from 1000 to 1000000 Hz can be converted"),
    "rate 2 GHz": (wav_with(24, "<I", 2**31 - 1), "has a sample rate of .* Hz; rates from 1000 to .* can be converted"),
    "rate 4 GHz": (wav_with(24, "<I", 2**32 - 1), r"is damaged, or not audio \(libsndfile: .*\)"),
    "channels 0": (wav_with(22, "<H", 0), r"is damaged, or not audio \(libsndfile: .*\)"),
    "channels 65535": (wav_with(22, "<H", 65535), r"is damaged, or not audio \(libsndfile: .*\)"),
    "bits 0": (wav_with(34, "<H", 0), r"is damaged, or not audio \(libsndfile: .*\)"),
    "unknown encoding": (wav_with(20, "<H", 0x1234), r"is damaged, or not audio \(libsndfile: .*\)"),
}


@pytest.mark.parametrize("case", BAD_AUDIO)
def test_bad_audio(cli: Cli, golden: Path, tmp_path: Path, case: str) -> None:
    data, sentence = BAD_AUDIO[case]
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    refused(cli("transcribe", "--model", golden, path), os.EX_DATAERR, f"a.wav {sentence}")
    refused(cli("transcribe", "--model", golden, "-", input=data), os.EX_DATAERR, f"standard input {sentence}")


def test_audio_that_cannot_be_opened(cli: Cli, golden: Path, tmp_path: Path) -> None:
    absent = cli("transcribe", "--model", golden, tmp_path / "absent.wav")
    refused(absent, os.EX_NOINPUT, "absent.wav cannot be opened: No such file or directory")
    refused(cli("transcribe", "--model", golden, tmp_path), os.EX_NOINPUT, "is a directory; name the audio files in it")
    long = cli("transcribe", "--model", golden, "x" * 300)
    refused(long, os.EX_NOINPUT, "cannot be opened: File name too long")


def test_a_name_cannot_play_with_the_terminal(cli: Cli, golden: Path) -> None:
    refused(
        cli("transcribe", "--model", golden, "a\n\x1b[2Jb.wav"), os.EX_NOINPUT, r"a\?\?\[2Jb.wav cannot be opened: .*"
    )


@pytest.mark.parametrize(
    ("name", "data", "warning"),
    [
        ("half.wav", sound()[: 44 + 16000], r"is cut short: 0.50 s of the 1.00 s that it should hold are used"),
        ("odd.wav", sound()[: 44 + 16001], r"is cut short: 0.50 s of the 1.00 s that it should hold are used"),
        (
            "huge.wav",
            wav_with(40, "<I", 0x60000000),
            r"is cut short: 1.00 s of the 50331.65 s that it should hold are used",
        ),
        (
            "quarter.flac",  # of which the made-up model says something
            sound(format="FLAC")[:14000],
            r"is cut short: 0.\d\d s of the 1.00 s that it should hold are used",
        ),
    ],
)
def test_what_is_left_of_a_file_is_used(
    cli: Cli, golden: Path, tmp_path: Path, name: str, data: bytes, warning: str
) -> None:
    (tmp_path / name).write_bytes(data)
    result = cli("transcribe", "--model", golden, tmp_path / name)
    assert result.returncode == 0
    assert len(result.stdout.strip()) > 0
    assert re.fullmatch(rf"whisper158: .*{name} {warning}\n", result.stderr.decode())
    assert cli("transcribe", "--quiet", "--model", golden, tmp_path / name).stderr == b""


def test_a_truncated_mp3_makes_its_decoder_say_nothing(cli: Cli, golden: Path, tmp_path: Path) -> None:
    """libmpg123 has opinions about such files, and would write them to stderr."""
    if "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile cannot write MP3")
    data = sound(np.tile(SAMPLES, 3), format="MP3")
    (tmp_path / "a.mp3").write_bytes(data[: len(data) * 2 // 3])
    result = cli("transcribe", "--quiet", "--model", golden, tmp_path / "a.mp3")
    assert result.stderr.count(b"\n") == (1 if result.returncode else 0)


def test_one_bad_file_does_not_stop_the_rest(cli: Cli, golden: Path, tmp_path: Path) -> None:
    (tmp_path / "good.wav").write_bytes(sound())
    (tmp_path / "bad.wav").write_bytes(b"")
    good = cli("transcribe", "--model", golden, "good.wav", cwd=tmp_path)
    assert good.returncode == 0
    mixed = cli("transcribe", "--model", golden, "good.wav", "bad.wav", "absent.wav", "good.wav", cwd=tmp_path)
    assert mixed.returncode == os.EX_DATAERR
    assert mixed.stdout == good.stdout * 2
    assert [line.split()[1] for line in mixed.stderr.decode().splitlines()] == ["bad.wav", "absent.wav"]
    assert cli("transcribe", "--model", golden, "absent.wav", "bad.wav", cwd=tmp_path).returncode == os.EX_NOINPUT


WRONG_USAGE = {
    "no file": ([], "no FILE is given"),
    "two forms": (["--json", "--srt", "a"], "only one of --json, --srt and --vtt can be had at a time"),
    "times and none": (["--timestamps", "--no-timestamps", "a"], "--no-timestamps leaves no times for .*"),
    "subtitles without times": (["--no-timestamps", "--vtt", "a"], "--no-timestamps leaves no times for .*"),
    "subtitles of two": (["--srt", "a", "b"], "--srt and --vtt take exactly one FILE, not 2"),
    "unknown option": (["--frobnicate", "a"], "unknown or ambiguous option --frobnicate"),
    "ambiguous option": (["--t", "a"], "unknown or ambiguous option --t"),
    "unknown letter": (["-xq", "a"], "unknown option -x"),
    "missing value": (["a", "--threads"], "option --threads needs a value"),
    "needless value": (["--json=yes", "a"], "option --json takes no value"),
    "no thread": (["--threads", "0", "a"], "--threads 0 is not a number from 1 to 64"),
    "many threads": (["--threads", "65", "a"], "--threads 65 is not a number from 1 to 64"),
    "overflow": (["--threads", "4294967297", "a"], "--threads 4294967297 is not a number from 1 to 64"),
    "not a number": (["-t", "-1", "a"], "--threads -1 is not a number from 1 to 64"),
    "no context": (["--audio-context", "", "a"], "--audio-context  is neither auto nor full nor a number .*1500"),
    "task": (["--task", "sing", "a"], "--task sing is neither transcribe nor translate"),
    "when": (["--progress", "often", "a"], "--progress often is neither auto nor always nor never"),
    "kernels": (["--kernels", "cuda", "a"], "--kernels cuda is not one of those that this processor can run: ref.*"),
}


@pytest.mark.parametrize("case", WRONG_USAGE)
def test_wrong_usage(cli: Cli, golden: Path, case: str) -> None:
    arguments, sentence = WRONG_USAGE[case]
    result = cli("transcribe", "--model", golden, *arguments)
    refused(result, os.EX_USAGE, f"{sentence}; see whisper158 transcribe --help")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no command is given; see whisper158 --help"),
        (["transcript"], "there is no command transcript; see whisper158 --help"),
        (["info"], "exactly one MODEL is needed, not 0; see whisper158 info --help"),
        (["info", "a", "b"], "exactly one MODEL is needed, not 2; see whisper158 info --help"),
        (["info", "-x"], "unknown option -x; see whisper158 info --help"),
    ],
)
def test_wrong_usage_of_the_program(cli: Cli, arguments: list[str], sentence: str) -> None:
    refused(cli(*arguments), os.EX_USAGE, sentence)


@pytest.mark.parametrize(
    "arguments",
    [["--language", "tlh"], ["--audio-context", "1500"]],
    ids=["unknown language", "context beyond the model's"],
)
def test_what_the_model_cannot_do(cli: Cli, golden: Path, tmp_path: Path, arguments: list[str]) -> None:
    """The flags are wrong for every file, so it is said once."""
    (tmp_path / "a.wav").write_bytes(sound())
    result = cli("transcribe", "--model", golden, *arguments, tmp_path / "a.wav", tmp_path / "a.wav")
    refused(result, os.EX_USAGE, ".*; see whisper158 transcribe --help")


@pytest.mark.parametrize("command", ["transcribe", "info"])
def test_bad_models(cli: Cli, golden: Path, tmp_path: Path, command: str) -> None:
    def use(model: Path) -> subprocess.CompletedProcess[bytes]:
        return cli("info", model) if command == "info" else cli("transcribe", "--model", model, tmp_path / "a.wav")

    (tmp_path / "a.wav").write_bytes(sound())
    refused(use(tmp_path / "absent.w158"), os.EX_NOINPUT, ".*absent.w158.*No such file.*")
    refused(use(tmp_path), os.EX_NOINPUT, ".*directory.*")
    refused(use(tmp_path / "a.wav"), os.EX_DATAERR, ".*a.wav.*")
    data = bytearray(golden.read_bytes())
    for name, broken in {
        "empty": b"",
        "truncated": bytes(data[: len(data) // 2]),
        "appended": bytes(data) + b"\0",
        "flipped": bytes(data[:300000]) + bytes([data[300000] ^ 1]) + bytes(data[300001:]),
        "newer": bytes(data[:8]) + b"\2" + bytes(data[9:]),
    }.items():
        (tmp_path / f"{name}.w158").write_bytes(broken)
        refused(use(tmp_path / f"{name}.w158"), os.EX_DATAERR, f".*{name}.w158.*")


def test_where_the_model_is_looked_for(cli: Cli, golden: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(sound())
    named = cli("transcribe", tmp_path / "a.wav", env={"WHISPER158_MODEL": str(golden)})
    assert (named.returncode, named.stderr) == (0, b"")
    absent = cli("transcribe", tmp_path / "a.wav", env={"WHISPER158_MODEL": str(tmp_path / "b.w158")})
    refused(absent, os.EX_NOINPUT, r".*b.w158.*\(from WHISPER158_MODEL\)")
    if not Path("/usr/local/share/whisper158/default.w158").exists():
        nothing = cli("transcribe", tmp_path / "a.wav", env={})
        refused(nothing, os.EX_NOINPUT, "there is no model: give one with --model, or set WHISPER158_MODEL, or .*w158")


@pytest.mark.network
def test_an_english_model_does_not_translate(cli: Cli, model: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(sound())
    for arguments in (["--translate"], ["--task=translate"], ["--language=de"]):
        result = cli("transcribe", "--model", model("tiny.en-q8"), *arguments, tmp_path / "a.wav")
        refused(result, os.EX_USAGE, ".*; see whisper158 transcribe --help")
