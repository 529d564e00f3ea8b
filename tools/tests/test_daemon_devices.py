# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`whisper158 devices` with alsa-lib as it is, and PCMs of its configuration in place of cards.

What it would choose among cards is tested in C (runtime/tests/test_microphone.c); machines that run tests have none.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Devices = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def devices(whisper158_binary: Path, tmp_path: Path) -> Devices:
    """Runs the command where alsa-lib knows a PCM "quiet", which has no card, and "broken", which leads nowhere."""
    configuration = tmp_path / "asound.conf"
    configuration.write_text('pcm.quiet { type null }\npcm.broken { type hooks slave.pcm "absent" hooks.0 "none" }\n')
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(configuration)}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [whisper158_binary, "devices", *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    return run


def good(result: subprocess.CompletedProcess[str]) -> str:
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def choice(devices: Devices, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(good(devices("--json", "--device", name)))["choice"]
    return answer


def test_the_answer_is_a_sentence_whatever_is_plugged_in(devices: Devices) -> None:
    last = good(devices()).splitlines()[-1]
    assert last.startswith("whisper158d would ")
    assert last.endswith(".")


def test_json_says_the_same(devices: Devices) -> None:
    answer = json.loads(good(devices("--json")))
    assert set(answer) == {"cards", "choice"}
    pcms = [card["pcm"] for card in answer["cards"]]
    usb = [card["pcm"] for card in answer["cards"] if card["usb"]]
    assert len(set(pcms)) == len(pcms)
    assert answer["choice"]["pcm"] == (usb[0] if usb else None)
    assert answer["choice"]["reason"] in good(devices()) or usb


def test_a_pcm_of_the_configuration_is_taken_as_it_is(devices: Devices) -> None:
    assert choice(devices, "quiet") == {
        "pcm": "quiet",
        "reason": "quiet is what --device names",
        "offer": {"rate": 16000, "channels": 1, "format": "16 bits", "period": 320, "buffer": 32000},
        "error": None,
    }
    text = good(devices("-D", "quiet"))
    assert text.startswith("whisper158d would record from quiet: quiet is what --device names.")
    assert "16000 Hz, 1 channel, 16 bits" in text


def test_what_is_not_there_is_waited_for(devices: Devices) -> None:
    absent = choice(devices, "absent")
    assert (absent["pcm"], absent["offer"], absent["error"]) == ("absent", None, "it is not there")
    assert good(devices("--device", "absent")) == "whisper158d would wait for absent: it is not there.\n"


def test_what_alsa_lib_cannot_make_sense_of_is_one_sentence(devices: Devices) -> None:
    broken = choice(devices, "broken")
    assert broken["offer"] is None
    assert broken["error"]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--device", "0"), "0 is the number of a sound card, and numbers change"),
        (("--device", ""), "an empty name"),
        (("--device", "x" * 96), "no longer than 95 bytes"),
        (("--device",), "needs a value"),
        (("card",), "there is nothing that card could mean"),
        (("--loud",), "unknown or ambiguous option --loud"),
    ],
)
def test_wrong_usage_is_one_sentence(devices: Devices, options: tuple[str, ...], part: str) -> None:
    result = devices(*options)
    assert (result.returncode, result.stdout) == (os.EX_USAGE, "")
    assert result.stderr.startswith("whisper158: ")
    assert part in result.stderr
    assert result.stderr.count("\n") == 1
