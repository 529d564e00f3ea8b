# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Facts that C and Python both have to write down are the same in both."""

import re
from pathlib import Path

import pytest

from whisper158 import units
from whisper158.build import layer
from whisper158.paths import ROOT, RUNTIME

PACKAGE = ROOT / "tools" / "whisper158"
HEADER = "include/whisper158.h"

# A constant of C, by its file and name, and those of Python that repeat it.
REPEATED = [
    (HEADER, "WHISPER158_SAMPLE_RATE", ["units:SAMPLE_RATE", "lab/families/moonshine_cost:SAMPLES_PER_SECOND"]),
    (HEADER, "WHISPER158_FRAMES_PER_SECOND", ["units:FRAMES_PER_SECOND"]),
    (HEADER, "WHISPER158_WINDOW_SECONDS", ["units:WINDOW_SECONDS", "train/batches:WINDOW"]),
    (HEADER, "WHISPER158_MAX_THREADS", ["units:MAX_THREADS"]),
    (HEADER, "WHISPER158_VAD_FRAME", ["evaluate/engine:VAD_FRAME"]),
    ("src/kernels/kernels.h", "TILE", ["units:TILE", "evaluate/accuracy/contexts:TILE", "train/batches:TILE"]),
    ("src/mel.c", "HOP", ["evaluate/accuracy/greedy:HOP", "train/features:HOP"]),
    ("src/mel.c", "WINDOW", ["train/features:TRANSFORM"]),
    ("src/mel.h", "MEL_BINS", ["model/melbank:BINS"]),
    ("src/transcribe.c", "MARGIN", ["evaluate/accuracy/contexts:MARGIN", "train/speak:FRAMES_BEYOND"]),
    ("src/transcribe.c", "SILENCE", ["evaluate/accuracy/greedy:SILENCE", "lab/families/moonshine_subject:SILENCE"]),
    ("src/transcribe.c", "TOKENS_PER_SECOND", ["evaluate/accuracy/greedy:TOKENS_PER_SECOND"]),
    ("src/transcribe.c", "TOKENS_PER_WINDOW", ["evaluate/accuracy/greedy:TOKENS_PER_WINDOW"]),
    ("src/sample.c", "LEAST_REPETITIONS", ["evaluate/accuracy/greedy:LEAST_REPETITIONS"]),
    ("src/sample.c", "LEAST_REPEATED_TOKENS", ["evaluate/accuracy/greedy:LEAST_REPEATED_TOKENS"]),
]


def text(file: str) -> str:
    return (RUNTIME / file).read_text()


def number(expression: str) -> float:
    return float(eval(re.sub(r"(?<=\d)[uf]\b", "", expression), {}))


def of_c(file: str, name: str) -> float:
    (found,) = re.findall(rf"^#define {name} (.+?)(?: *[/][*].*)?$", text(file), re.MULTILINE)
    return number(found)


def of_python(place: str) -> float:
    """Read, not imported, for some of the modules need PyTorch."""
    module, _, name = place.partition(":")
    source = Path(PACKAGE / f"{module}.py").read_text()
    (found,) = re.findall(rf"^{name} = (.+?)(?:  #.*)?$", source, re.MULTILINE)
    return number(found)


@pytest.mark.parametrize(("file", "name", "places"), REPEATED, ids=[name for _, name, _ in REPEATED])
def test_constants(file: str, name: str, places: list[str]) -> None:
    assert {place: of_python(place) for place in places} == dict.fromkeys(places, of_c(file, name))


def test_a_window_is_what_models_are_made_for() -> None:
    assert units.WINDOW_FRAMES == of_python("evaluate/accuracy/contexts:FULL_FRAMES") == 1500
    assert of_python("evaluate/accuracy/greedy:WINDOW") == units.WINDOW_SECONDS * units.SAMPLE_RATE
    assert of_python("train/features:FRAME") * units.FRAMES_PER_SECOND == units.SAMPLE_RATE
    columns = of_c(HEADER, "WHISPER158_COLUMNS_PER_SECOND")
    assert of_python("evaluate/accuracy/contexts:COLUMNS_PER_FRAME") * units.FRAMES_PER_SECOND == columns


@pytest.mark.parametrize("name", ["no_speech_threshold", "logprob_threshold"])
def test_thresholds(name: str) -> None:
    (default,) = re.findall(rf"\.{name} = (-?[\d.]+)f", text(HEADER))
    assert of_python(f"evaluate/accuracy/greedy:{name.upper()}") == float(default)


def test_where_the_daemon_is_reached() -> None:
    """The units' sockets (their addresses: test_units.py) are those of the programs' own defaults."""
    assert f'#define WYOMING_DEFAULT "tcp://127.0.0.1:{layer.WYOMING_PORT}"\n' in text("daemon/command_line.h")
    (socket,) = re.findall(r'#define SOCKET_DEFAULT "(.+)"', text("common/socket_path.h"))
    assert f"ListenStream={socket}\n" in text("daemon/systemd/whisper158d.socket")
