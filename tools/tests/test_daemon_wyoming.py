# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""whisper158d as the protocol's own package sees it, which is what Home Assistant uses."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from tests.daemon_process import Daemon, running
from whisper158.build import runtime
from whisper158.data.audio import load
from whisper158.evaluate.sounds import Clip
from whisper158.evaluate.wer import word_error_rate

Talk = Callable[[AsyncClient], Coroutine[Any, Any, Any]]


@pytest.fixture(scope="module")
def whisper158d() -> Path:
    return runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"


@pytest.fixture
def served(whisper158d: Path, golden: Path, tmp_path: Path) -> Iterator[Daemon]:
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}"]
    with running(whisper158d, golden, tmp_path, *options) as daemon:
        yield daemon


def talk(daemon: Daemon, conversation: Talk) -> Any:
    async def run() -> Any:
        async with AsyncClient.from_uri(f"unix://{daemon.wyoming_path}") as client:
            return await conversation(client)

    return asyncio.run(run())


async def ask(client: AsyncClient, request: Event) -> Event:
    await client.write_event(request)
    answer = await client.read_event()
    assert answer is not None
    return answer


async def rest(client: AsyncClient) -> list[Event]:
    events = []
    while (event := await client.read_event()) is not None:
        events.append(event)
    return events


def speech(samples: np.ndarray[Any, Any], rate: int, width: int, channels: int) -> bytes:
    """Samples at 16 kHz as PCM of another kind. Rates must divide, or be multiples."""
    length = len(samples) * rate // 16000
    moved = np.interp(np.arange(length) * (16000 / rate), np.arange(len(samples)), samples)
    whole = np.repeat(moved[:, None], channels, axis=1)
    if width == 1:
        return np.round(whole * 127 + 128).astype(np.uint8).tobytes()
    scaled = np.round(whole * (2.0 ** (8 * width - 1) - 1)).astype("<i4" if width > 2 else "<i2")
    if width == 3:
        return scaled.reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    return scaled.tobytes()


def transcribing(pcm: bytes, rate: int, width: int, channels: int, piece: int = 2000) -> Talk:
    async def conversation(client: AsyncClient) -> list[Event]:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(rate, width, channels).event())
        for i in range(0, len(pcm), piece):
            await client.write_event(AudioChunk(rate, width, channels, pcm[i : i + piece]).event())
        await client.write_event(AudioStop().event())
        return await rest(client)

    return conversation


def test_describe_and_ping(served: Daemon) -> None:
    async def conversation(client: AsyncClient) -> tuple[Event, Event, Event]:
        described = await ask(client, Describe().event())
        return described, await ask(client, Ping().event()), await ask(client, Ping(text="x").event())

    described, pong, named = talk(served, conversation)
    program = Info.from_event(described).asr[0]
    assert program.installed and program.requires_external_vad and not program.supports_transcript_streaming
    assert program.models[0].name == "golden" and "en" in program.models[0].languages
    assert Pong.is_type(pong.type) and Pong.from_event(named).text == "x"


def test_nothing_said(served: Daemon) -> None:
    events = talk(served, transcribing(b"", 16000, 2, 1))
    assert [Transcript.from_event(event).text for event in events] == [""]


def test_unknown_events_are_passed_over(served: Daemon) -> None:
    async def conversation(client: AsyncClient) -> Event:
        await client.write_event(Event("sing", {"song": "any"}, b"la"))
        return await ask(client, Ping().event())

    assert talk(served, conversation).type == "pong"


def test_in_pieces(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}", "--wyoming-streaming"]
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, 48000)
    with running(whisper158d, golden, tmp_path, *options) as daemon:
        events = talk(daemon, transcribing(speech(noise, 16000, 2, 1), 16000, 2, 1))
    types = [event.type for event in events]
    chunks = [event.data["text"] for event in events if event.type == "transcript-chunk"]
    assert types == ["transcript-start", *["transcript-chunk"] * len(chunks), "transcript", "transcript-stop"]
    assert " ".join("".join(chunks).split()) == " ".join(events[-2].data["text"].split())


@pytest.mark.network
def test_any_rate_width_and_channels(
    whisper158d: Path, model: Callable[[str], Path], sounds: tuple[Clip, ...], tmp_path: Path
) -> None:
    clip = next(clip for clip in sounds if clip.id == "agent-loginok")
    samples = load(clip.path)
    kinds = [(16000, 2, 1), (48000, 4, 2), (44100, 3, 1), (16000, 1, 2)]
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}"]
    with running(whisper158d, model("tiny.en-q8"), tmp_path, *options) as daemon:
        answers = [talk(daemon, transcribing(speech(samples, *kind), *kind, piece=1999)) for kind in kinds]
    texts = [Transcript.from_event(events[0]).text for events in answers]
    assert all(len(events) == 1 for events in answers)
    assert word_error_rate([clip.text] * len(kinds), texts).rate <= 0.2, texts
