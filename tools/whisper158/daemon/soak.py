# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A daemon that hears for as long as you like: does it miss anything, and does it keep what it need not?

The microphone is a pipe, which the daemon reads as fast as time goes: recorded sentences with pauses of faint noise.
Since what goes in and when is known, an utterance that is missed is known too.
"""

import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import numpy as np

from whisper158 import flags
from whisper158.build import runtime
from whisper158.console import duration, say
from whisper158.data.audio import SAMPLE_RATE, Floats, load
from whisper158.errors import UserError, die
from whisper158.evaluate.sounds import Clip, sounds
from whisper158.model import models

# A shorter clip may be one word, which a detector of speech may take for a noise.
SHORTEST, LONGEST = 1.5, 12.0
PAUSES = (1.0, 5.0)  # seconds
NOISE = 1e-3  # of full scale: a quiet room
SHORT, WEEK = 0.01, 7 * 24 * 60  # minutes
READY = 300.0  # seconds
WATCHED = 10.0  # seconds between looks at the memory
# The first part of the time is there to get warm. After it, what a daemon keeps may grow by no more.
WARM = 0.25
GROWTH = 2 << 20  # bytes


@dataclass(frozen=True)
class Spoken:
    """A sentence and when it was said, in seconds since the input began."""

    id: str
    start: float
    end: float


@dataclass(frozen=True)
class Final:
    start: float
    end: float
    text: str


@dataclass
class Watch:
    """What was seen: memory [(seconds, bytes)], and every final event."""

    memory: list[tuple[float, int]] = field(default_factory=list)
    finals: list[Final] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def soak(minutes: str, model: str) -> None:
    """Raises UserError if an utterance was missed, audio was dropped, or the memory grew."""
    seconds = 60 * flags.number("--minutes", minutes, SHORT, WEEK)
    models.check(model)
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    path = models.ensure(model)
    with TemporaryDirectory() as folder:
        spoken, watch, status = listen(program, path, Path(folder), seconds)
    report(spoken, watch)
    faults = judge(spoken, watch)
    if status != 0:
        faults.append(f"the daemon ended with status {status}")
    if faults:
        raise UserError("; ".join(faults))


def listen(program: Path, model: Path, folder: Path, seconds: float) -> tuple[list[Spoken], Watch, int]:
    """Runs the daemon until it has heard so much. Its log goes where ours goes."""
    path = folder / "socket"
    options = [f"--model={model}", f"--socket={path}", "--input=-", "--raw", "--wait", "--no-tuning"]
    watch, spoken = Watch(), list[Spoken]()
    with subprocess.Popen([program, *options], stdin=subprocess.PIPE) as process:
        try:
            connection = connect(path, process)
            threads = [
                threading.Thread(target=feed, args=(process.stdin, seconds, spoken)),
                threading.Thread(target=read, args=(connection, watch)),
            ]
            for thread in threads:
                thread.start()
            look(process, watch)
            for thread in threads:
                thread.join()
        finally:
            process.terminate()
    return spoken, watch, process.returncode


def connect(path: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    connection, deadline = socket.socket(socket.AF_UNIX), time.monotonic() + READY
    while True:
        try:
            connection.connect(str(path))
            return connection
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                die("the daemon did not come up", "what it said stands above")
            time.sleep(0.1)


def feed(pipe: IO[bytes], seconds: float, spoken: list[Spoken]) -> None:
    """Says sentences into the pipe, which is as slow as time."""
    at = 0
    try:
        with pipe:
            for clip, sound in programme(seconds):
                pipe.write((sound * 32767).astype("<i2").tobytes())
                if clip is not None:
                    spoken.append(Spoken(clip.id, at / SAMPLE_RATE, (at + len(sound)) / SAMPLE_RATE))
                at += len(sound)
    except BrokenPipeError:
        pass  # the daemon went; its status says so


def programme(seconds: float) -> Iterator[tuple[Clip | None, Floats]]:
    """Sentences by turns with pauses, and a pause at the end."""
    chance, noise = random.Random(158), np.random.default_rng(158)
    clips = [clip for clip in sounds() if SHORTEST <= clip.seconds <= LONGEST]
    left = seconds
    while left > 0:
        pause = chance.uniform(*PAUSES)
        yield None, noise.normal(0, NOISE, round(pause * SAMPLE_RATE)).astype(np.float32)
        clip = chance.choice(clips)
        yield clip, np.clip(load(clip.path), -1, 1)
        left -= pause + clip.seconds
    yield None, noise.normal(0, NOISE, 2 * SAMPLE_RATE).astype(np.float32)


def read(connection: socket.socket, watch: Watch) -> None:
    with connection, connection.makefile(encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["event"] == "final":
                watch.finals.append(Final(event["start"], event["end"], event["text"]))
            elif event["event"] in ("dropped", "error"):
                watch.dropped.append(event["text"])


def look(process: subprocess.Popen[bytes], watch: Watch) -> None:
    """At the memory, until the process ends."""
    began, told = time.monotonic(), 0
    while process.poll() is None:
        seconds = time.monotonic() - began
        if own := own_memory(process.pid):
            watch.memory.append((seconds, own))
        if seconds // 60 > told:
            told = int(seconds // 60)
            say(f"{duration(seconds)}: {len(watch.finals)} texts, {own / 1e6:.1f} MB of its own")
        try:
            process.wait(WATCHED)
        except subprocess.TimeoutExpired:
            continue


def own_memory(pid: int) -> int:
    """Bytes that are in memory and no file's; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)


# ---------------------------------------------------------------------------------------------------------- judgement


def missed(spoken: Sequence[Spoken], finals: Sequence[Final]) -> list[Spoken]:
    """The sentences in whose time no text was found."""
    return [
        one
        for one in spoken
        if not any(final.text.strip() and final.start < one.end and one.start < final.end for final in finals)
    ]


def growth(memory: Sequence[tuple[float, int]]) -> int:
    """By how much the most that was in use in the last part exceeds the most in the part before it; 0 if it is less."""
    warm = [size for seconds, size in memory if seconds >= WARM * memory[-1][0]]
    half = len(warm) // 2
    return max(0, max(warm[half:]) - max(warm[:half])) if half else 0


def judge(spoken: Sequence[Spoken], watch: Watch) -> list[str]:
    """What is wrong, a sentence each."""
    faults = []
    if not spoken or not watch.memory:
        faults.append("nothing was heard")
    if lost := missed(spoken, watch.finals):
        faults.append(f"{len(lost)} of {len(spoken)} sentences were missed: {', '.join(one.id for one in lost[:5])}")
    if watch.dropped:
        faults.append(f"{len(watch.dropped)} times audio was lost: {watch.dropped[0]}")
    if watch.memory and (grown := growth(watch.memory)) > GROWTH:
        faults.append(f"its memory grew by {grown / 1e6:.1f} MB")
    return faults


def report(spoken: Sequence[Spoken], watch: Watch) -> None:
    sizes = [size for _, size in watch.memory] or [0]
    say(
        f"{len(spoken)} sentences said, {len(watch.finals)} texts, {len(missed(spoken, watch.finals))} sentences "
        f"missed; {min(sizes) / 1e6:.1f} to {max(sizes) / 1e6:.1f} MB of its own"
    )
