# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What ./inv demo shows of what the daemon says. The rest of it is what test-on-device does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from whisper158.board import demo
from whisper158.board.machine import EMULATOR
from whisper158.board.service import Events
from whisper158.evaluate.sounds import Clip, sounds

CLIP = Clip("id", Path("x.wav"), "Hello.", 1.0, "MIT")
HELLO = {"event": "hello", "version": "1", "model": "m"}


class Said:
    """A stream of these events, and then the end."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.lines = [json.dumps(event) for event in events]

    def next(self, deadline: float) -> str | None:
        return self.lines.pop(0) if self.lines else None

    def close(self) -> None:
        pass


class Machine:
    """Target and Service at once."""

    machine = EMULATOR

    def __init__(self, *events: dict[str, Any]) -> None:
        self.stream = Said(HELLO, *events)
        self.said: list[Clip] = []

    def say(self, clip: Clip) -> None:
        self.said.append(clip)

    @contextmanager
    def events(self) -> Iterator[Events]:
        yield Events(self.stream)


def speak(machine: Any) -> None:
    demo.speak(machine, machine, CLIP)


def test_what_is_heard_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    final = {"event": "final", "text": "Hello there.", "latency": 2.5}
    machine = Machine({"event": "speech-start"}, {"event": "partial", "text": "Hell"}, final, {"event": "later"})
    speak(machine)
    captured = capsys.readouterr()
    assert captured.out == "Hello there.\n"
    assert machine.said == [CLIP]
    for word in ("Hello.", "somebody speaks", "so far: Hell", "2.5 s after the last word"):
        assert word in captured.err
    assert len(machine.stream.lines) == 1


def test_that_nothing_was_understood_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    speak(Machine({"event": "final", "text": "", "latency": 2.5}))
    captured = capsys.readouterr()
    assert captured.out == "" and "no words" in captured.err


@pytest.mark.network
def test_the_sentences_are_there() -> None:
    assert {*demo.SENTENCES} <= {clip.id for clip in sounds()}
