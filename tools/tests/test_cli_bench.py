# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What `whisper158 bench` measures: that it is all there and hangs together, never how fast it is."""

import json
import os
import re
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., subprocess.CompletedProcess[bytes]]

STAGES = ("mel", "encode", "prompt", "tokens")


def good(result: subprocess.CompletedProcess[bytes]) -> str:
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode()


def measured(cli: Cli, golden: Path, *arguments: str | Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(good(cli("bench", "--json", "--threads", "1", *arguments, golden)))
    return answer


def write_wav(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * round(16000 * seconds)))
    return path


def test_every_stage_is_measured(cli: Cli, golden: Path) -> None:
    told = measured(cli, golden, "--seconds", "0.8", "--repeat", "3", "--tokens", "7", "--audio-context", "33")
    assert told["model"] == {"name": "golden", "format": "mixed", "file_size": golden.stat().st_size}
    settings = {key: told[key] for key in ("threads", "seconds", "audio_context", "prompt", "tokens", "repeat")}
    assert settings == {
        "threads": 1,
        "seconds": 0.66,  # what 33 frames hear of it
        "audio_context": 33,
        "prompt": 4,
        "tokens": 7,
        "repeat": 3,
    }
    assert tuple(told["stages"]) == STAGES
    for spread in told["stages"].values():
        for clock in ("cpu", "wall"):
            assert 0 < spread["min"][clock] <= spread["median"][clock]


def test_sums_are_sums(cli: Cli, golden: Path) -> None:
    told = measured(cli, golden, "--tokens", "5", "--seconds", "0.5")
    for clock in ("cpu", "wall"):
        medians = {stage: told["stages"][stage]["median"][clock] for stage in STAGES}
        assert told["total"][clock] == pytest.approx(sum(medians.values()), abs=1e-5)
        assert told["rtf"][clock] == pytest.approx(told["total"][clock] / 0.5, abs=1e-5)
        assert told["ms_per_token"][clock] == pytest.approx(1e3 * medians["tokens"] / 5, abs=1e-3)


def test_a_thread_takes_no_more_processor_than_wall(cli: Cli, golden: Path) -> None:
    for spread in measured(cli, golden, "--repeat", "1")["stages"].values():
        # The clocks are read one after the other.
        assert spread["min"]["cpu"] <= spread["min"]["wall"] + 1e-3


def test_peak_memory_is_that_of_the_program(cli: Cli, golden: Path) -> None:
    memory = measured(cli, golden, "--repeat", "1")["memory"]
    assert memory["peak_rss"] >= memory["rss"] > 1e6
    assert memory["source"] == "VmHWM and VmRSS of /proc/self/status"


@pytest.mark.parametrize(("seconds", "heard"), [(0.25, 0.25), (2, 0.8), (31, 0.8)])
def test_audio_is_heard_as_far_as_the_model_goes(
    cli: Cli, golden: Path, tmp_path: Path, seconds: float, heard: float
) -> None:
    told = measured(cli, golden, "--repeat", "1", "--input", write_wav(tmp_path / "a.wav", seconds))
    assert (told["seconds"], told["audio_context"]) == (heard, 40)


def test_without_flags_it_takes_what_fits_the_model(cli: Cli, golden: Path) -> None:
    told = json.loads(good(cli("bench", "--json", golden)))
    assert (told["tokens"], told["repeat"], told["threads"]) == (28, 5, None)


@pytest.mark.parametrize(("context", "frames"), [("full", 40), ("auto", 32)])
def test_the_context_may_be_left_to_the_program(cli: Cli, golden: Path, context: str, frames: int) -> None:
    """For 0.02 s, auto takes half a second more, in whole tiles."""
    told = measured(cli, golden, "--repeat", "1", "--seconds", "0.02", "--audio-context", context)
    assert told["audio_context"] == frames


def test_a_person_reads_the_same_figures(cli: Cli, golden: Path) -> None:
    text = good(cli("bench", "--threads", "2", "--repeat", "1", "--kernels", "ref", golden))
    assert text.startswith("Model golden mixed; kernels ref; 2 threads\n0.80 s of audio, context of 40 frames, ")
    for name in ("load, once", "mel", "encode", "prompt", "tokens"):
        assert re.search(rf"^  {name} +(\d+\.\d{{4}} *){{4}}$", text, re.MULTILINE), name
    assert re.search(r"^Peak RSS +[1-9]\d*\.\d MB \(VmHWM of /proc/self/status\)$", text, re.MULTILINE)


def test_the_model_may_come_from_the_environment(cli: Cli, golden: Path) -> None:
    env = {**os.environ, "WHISPER158_MODEL": str(golden)}
    assert json.loads(good(cli("bench", "--json", "--repeat", "1", env=env)))["model"]["name"] == "golden"


WRONG = {
    "two models": (["b"], "at most one MODEL can be measured at a time, not 2"),
    "seconds, none": (["--seconds", "0"], "--seconds 0 is not a number of seconds above 0 and at most 30"),
    "seconds, many": (["--seconds", "30.01"], "--seconds 30.01 is not a number of seconds above 0 and at most 30"),
    "seconds, nan": (["--seconds", "nan"], "--seconds nan is not a number of seconds above 0 and at most 30"),
    "seconds, words": (["--seconds", "9s"], "--seconds 9s is not a number of seconds above 0 and at most 30"),
    "both": (["--seconds", "1", "-i", "a.wav"], "--seconds is for noise, and --input gives audio of its own"),
    "context": (["--audio-context", "1501"], "--audio-context 1501 is .*"),
    "context of the model": (["--audio-context", "41"], "--audio-context 41 is more than the 40 frames of this model"),
    "tokens": (["--tokens", "-1"], "--tokens -1 is not a number from 1 to 448"),
    "tokens of the model": (
        ["--tokens", "29"],
        "--tokens 29 is more than the 28 for which this model has room after a prompt of 4",
    ),
    "repeat": (["--repeat", "1001"], "--repeat 1001 is not a number from 1 to 1000"),
    "threads": (["-t", "0"], "--threads 0 is not a number from 1 to 64"),
    "kernels": (["--kernels", "cuda"], "--kernels cuda is not one of those that this processor can run: ref.*"),
    "no value": (["--input"], "option --input needs a value"),
    "unknown": (["--fast"], "unknown or ambiguous option --fast"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage(cli: Cli, golden: Path, case: str) -> None:
    arguments, sentence = WRONG[case]
    result = cli("bench", golden, *arguments)
    assert (result.returncode, result.stdout) == (os.EX_USAGE, b"")
    told = result.stderr.decode()
    assert re.fullmatch(rf"whisper158: {sentence}; see whisper158 bench --help\n", told), told


def test_bad_audio_and_models(cli: Cli, golden: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    for arguments, status, sentence in (
        (["--input", tmp_path / "a.wav", golden], os.EX_DATAERR, "a.wav is empty"),
        (["--input", tmp_path / "b.wav", golden], os.EX_NOINPUT, "b.wav .*No such file.*"),
        ([tmp_path / "absent.w158"], os.EX_NOINPUT, "absent.w158.*No such file.*"),
        ([tmp_path / "a.wav"], os.EX_DATAERR, "a.wav.*"),
    ):
        result = cli("bench", *arguments)
        assert (result.returncode, result.stdout) == (status, b"")
        assert re.fullmatch(rf"whisper158: .*{sentence}\n", result.stderr.decode()), result.stderr
