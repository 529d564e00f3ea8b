# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From sound to the right words: in files, from the microphone, for Home Assistant."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.info import Describe, Info

from whisper158.board.service import UNIT, Service
from whisper158.board.target import Target
from whisper158.build.layer import WYOMING_PORT
from whisper158.data.audio import SAMPLE_RATE, load
from whisper158.evaluate.sounds import Clip
from whisper158.evaluate.wer import word_error_rate

Record = Callable[[str, object], None]

WYOMING_SOCKET = "whisper158d-wyoming.socket"
CHUNK = 2048
# Seconds. A window of half a minute takes an emulated processor minutes.
SELFTEST = 600.0


def right(text: str, clip: Clip) -> bool:
    """The same words; case, commas and the like aside."""
    return word_error_rate([clip.text], [text]).rate == 0.0


@pytest.mark.slow
def test_the_program_tests_itself(target: Target) -> None:
    """With the model that is installed, in windows as long as it was made for."""
    target.check("whisper158 selftest", SELFTEST)


def test_every_kernel_is_right(target: Target, babbler: Path) -> None:
    """On this very processor. With a model of random weights, which has no words to wait for."""
    path = "/run/whisper158-selftest.w158"
    target.put(babbler.read_bytes(), path)
    target.check(f"whisper158 selftest --model={path}; s=$?; rm {path}; exit $s", target.machine.budget.words)


@pytest.mark.slow
def test_transcribes_a_file(target: Target, sentence: Clip, record_property: Record) -> None:
    """In a window that is no longer than the sentence, for emulated machines are slow."""
    path = "/run/whisper158-sentence.wav"
    target.put(sentence.path.read_bytes(), path)
    frames = 50 * math.ceil(sentence.seconds)
    said = target.check(
        f"whisper158 transcribe --json --audio-context={frames} {path}; s=$?; rm {path}; exit $s",
        target.machine.budget.words,
    )
    (answer,) = json.loads(said)["segments"]
    record_property("said", answer["text"])
    assert right(answer["text"], sentence)


@pytest.mark.needs("feed_microphone")
def test_what_is_spoken_is_heard(target: Target, service: Service, sentence: Clip, record_property: Record) -> None:
    """Into the microphone; out of the socket come the right words, in time, and for no more memory than allowed."""
    service.wait_listening()
    # A real room has its noises, in which there are no words.
    final = next(event for event in service.hear(sentence) if event["text"].strip())
    memory = service.memory_mib()
    record_property("heard", final["text"])
    record_property("latency", f"{final['latency']:.2f} s, {final['rtf']:.2f} times the audio")
    record_property("memory", f"{memory:.1f} MiB")
    assert right(final["text"], sentence), final
    assert final["latency"] <= target.machine.budget.latency
    assert memory <= target.machine.budget.rss_mib


@pytest.mark.needs("ssh")
def test_home_assistant_is_answered(target: Target, service: Service, sentence: Clip, record_property: Record) -> None:
    """By way of the Wyoming protocol, with that protocol's own client."""
    with wyoming_open(target, service), target.tunnel(WYOMING_PORT) as port:
        info, text = asyncio.run(asyncio.wait_for(converse(port, sentence), 2 * target.machine.budget.words))
    record_property("answered", text)
    assert [program.name for program in info.asr] == ["whisper158"]
    assert right(text, sentence)


@contextmanager
def wyoming_open(target: Target, service: Service) -> Iterator[None]:
    """A service takes its sockets when it starts; this one is off unless somebody enabled it."""
    was_open, _ = target.run(f"systemctl is-active {WYOMING_SOCKET}")
    if was_open == 0:
        yield
        return
    target.check(f"systemctl stop {UNIT}; systemctl start {WYOMING_SOCKET}; systemctl start {UNIT}")
    try:
        yield
    finally:
        target.check(f"systemctl stop {WYOMING_SOCKET}")
        service.restart()


async def converse(port: int, clip: Clip) -> tuple[Info, str]:
    pcm = (np.clip(load(clip.path), -1, 1) * 32767).astype("<i2").tobytes()
    async with AsyncClient.from_uri(f"tcp://127.0.0.1:{port}") as client:
        await client.write_event(Describe().event())
        described = await client.read_event()
        assert described is not None
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(SAMPLE_RATE, 2, 1).event())
        for start in range(0, len(pcm), CHUNK):
            await client.write_event(AudioChunk(SAMPLE_RATE, 2, 1, pcm[start : start + CHUNK]).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Info.from_event(described), Transcript.from_event(event).text
    raise AssertionError("Wyoming's connection was closed before there was a transcript")
