# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a transcription costs: the memory that `whisper158 info --memory` says beforehand, next to what the kernel
counted in a real run, and the frames that a fitted audio context saves."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

PROMPT = 4  # what `whisper158 bench` decodes before its tokens

# What nobody can say beforehand: how much of the libraries is touched, and the C library's own.
TOLERANCE = 0.03
TOLERANCE_BYTES = 2e6


@pytest.fixture(scope="module")
def made_up(model: Callable[[str], Path]) -> Path:
    """The shape of tiny.en, in ternary weights."""
    return model("random-tiny.en-t158")


def ask(program: Path, *arguments: str | Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(subprocess.run([program, *arguments], capture_output=True, check=True).stdout)
    return answer


def said(program: Path, model: Path, frames: int, tokens: int, threads: int) -> dict[str, Any]:
    what = [f"--audio-context={frames}", "--seconds=9", f"--tokens={tokens + PROMPT}", f"--threads={threads}"]
    memory: dict[str, Any] = ask(program, "info", "--memory", "--json", *what, model)["memory"]
    return memory


def peak(program: Path, model: Path, frames: int, tokens: int, threads: int, *options: str) -> int:
    what = [f"--audio-context={frames}", "--seconds=9", f"--tokens={tokens}", f"--threads={threads}", *options]
    return int(ask(program, "bench", "--json", "--repeat=2", *what, model)["memory"]["peak_rss"])


@pytest.mark.parametrize(
    ("frames", "tokens", "threads"), [(1500, 30, 1), (1500, 200, 4), (464, 30, 1), (464, 30, 4), (16, 1, 2)]
)
def test_what_is_said_is_what_is_used(
    whisper158_binary: Path, made_up: Path, frames: int, tokens: int, threads: int
) -> None:
    expected = said(whisper158_binary, made_up, frames, tokens, threads)["peak_rss"]
    assert peak(whisper158_binary, made_up, frames, tokens, threads) == pytest.approx(
        expected, rel=TOLERANCE, abs=TOLERANCE_BYTES
    )


def test_what_one_phase_leaves_behind_is_given_back(whisper158_binary: Path, made_up: Path) -> None:
    """Else the encoder's weights would still be there when the decoder's are."""
    encoder = ask(whisper158_binary, "info", "--json", made_up)["bytes"]["encoder"]
    kept = peak(whisper158_binary, made_up, 464, 30, 1, "--keep-pages")
    assert kept - peak(whisper158_binary, made_up, 464, 30, 1) > 0.8 * encoder


def test_what_is_said_adds_up(whisper158_binary: Path, made_up: Path) -> None:
    memory = said(whisper158_binary, made_up, 464, 30, 2)
    phases = list(memory["phases"])
    assert phases == ["mel", "stem", "blocks", "cross", "text"]
    for phase, size in memory["phases"].items():
        at = phases.index(phase)
        alive = [part for part in memory["parts"] if phases.index(part["first"]) <= at <= phases.index(part["last"])]
        assert size == sum(part["bytes"] for part in alive)
    around = memory["samples"] + memory["program"] + memory["stacks"]
    assert memory["peak_rss"] == max(memory["phases"].values()) + around
    assert memory["samples"] == 9 * 16000 * 4


def test_a_person_reads_the_same(whisper158_binary: Path, made_up: Path) -> None:
    options = ["--memory", "--audio-context", "464", "--seconds", "9", "--tokens", "34", "-t", "2"]
    command: list[str | Path] = [whisper158_binary, "info", *options, made_up]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    memory = said(whisper158_binary, made_up, 464, 30, 2)
    assert "9.00 s of audio, windows of 464 frames (9.28 s) and 34 tokens, 2 threads" in text
    for part in memory["parts"]:
        assert re.search(rf"^    {re.escape(part['name'])} .*\b{part['bytes'] / 1e6:.2f}\b", text, re.MULTILINE), part
    found = re.search(r"^Expected peak +([\d.]+) MB resident", text, re.MULTILINE)
    assert found
    assert float(found[1]) == pytest.approx(memory["peak_rss"] / 1e6, abs=1)


def test_audio_and_model_decide_where_nothing_is_asked_for(
    whisper158_binary: Path, made_up: Path, golden: Path
) -> None:
    memory = ask(whisper158_binary, "info", "--memory", "--json", made_up)["memory"]
    assert (memory["seconds"], memory["audio_context"], memory["tokens"]) == (30, 1500, 124)
    # The golden model is validated for short contexts.
    memory = ask(whisper158_binary, "info", "--memory", "--json", "--seconds=0.1", golden)["memory"]
    assert (memory["seconds"], memory["audio_context"], memory["tokens"]) == (0.1, 32, 5)


@pytest.mark.parametrize(("context", "frames"), [([], 32), (["auto"], 32), (["full"], 40), (["20"], 20)])
def test_the_context_is_fitted_to_the_audio(
    whisper158_binary: Path, golden: Path, tmp_path: Path, context: list[str], frames: int
) -> None:
    """The golden model is validated from 8 of its 40 frames on; 0.12 s of sound are 6, and half a second is added."""
    sound = np.random.default_rng(158).uniform(-0.3, 0.3, 1920)
    soundfile.write(tmp_path / "a.wav", np.concatenate([sound, np.zeros(3000)]), 16000)
    options = ["--json", *(f"--audio-context={value}" for value in context)]
    told = ask(whisper158_binary, "transcribe", "--model", golden, *options, tmp_path / "a.wav")
    assert told["timings"]["frames"] == frames


def test_who_asks_in_vain_for_a_fitted_context_is_told(whisper158_binary: Path, made_up: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16000)
    command: list[str | Path] = [whisper158_binary, "transcribe", "--model", made_up, tmp_path / "a.wav"]

    def told(*options: str) -> bytes:
        return subprocess.run([*command, *options], capture_output=True, check=True).stderr

    assert told() == told("--audio-context=full") == told("--audio-context=auto", "--quiet") == b""
    assert told("--audio-context=auto") == (
        b"whisper158: the model was validated for its full context only, so --audio-context auto is full: 1500 frames\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--memory", "--seconds=0"], "--seconds 0 is not a number of seconds above 0 and at most 14400"),
        (["--memory", "--seconds=nan"], "--seconds nan is not a number of seconds above 0 and at most 14400"),
        (["--memory", "--tokens=0"], "--tokens 0 is not a number from 1 to 448"),
        (["--memory", "--threads=65"], "--threads 65 is not a number from 1 to 64"),
        (
            ["--memory", "--audio-context=half"],
            "--audio-context half is neither auto nor full nor a number from 1 to 1500",
        ),
        (["--memory", "--audio-context=41"], "--audio-context 41 is more than the 40 frames of this model"),
        (["--memory", "--tokens=33"], "--tokens 33 is more than the 32 of this model"),
        (["--tokens=3"], "--seconds, --audio-context, --tokens and --threads go with --memory"),
    ],
)
def test_bad_questions(
    cli: Callable[..., subprocess.CompletedProcess[bytes]], golden: Path, arguments: list[str], sentence: str
) -> None:
    result = cli("info", *arguments, golden)
    assert (result.returncode, result.stdout) == (64, b"")
    assert result.stderr.decode().startswith(f"whisper158: {sentence}")
    assert result.stderr.count(b"\n") == 1
