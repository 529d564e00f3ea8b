# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""More is said and asked than can be transcribed: whisper158d's queue fills, and it says what it leaves out.

The worker hangs (daemon_shim.c) until the test lets it go on, so that what the queue holds is known.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.daemon_http import Server, free_port
from tests.daemon_process import PATIENCE, STOP, Client, Daemon, Event, audio, everything, kinds, read_until, running
from tests.daemon_shim import shim
from tests.test_daemon_http import sound
from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip

JOBS = 64  # that the queue holds; requests may be half of them
LISTEN = ("--stay", "--wait", "--interim=never", "--silence-ms=200")


@pytest.fixture(scope="module")
def native() -> Path:
    return runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Path]:
    """While this file exists, the worker hangs after each job."""
    path = tmp_path / "hold"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def wait_for(client: Client, what: str, number: int) -> Event:
    deadline = time.monotonic() + PATIENCE
    while (stats := client.ask_stats())[what] != number:
        assert time.monotonic() < deadline, stats
        time.sleep(0.02)
    return stats


def send(daemon: Daemon, seconds: float, count: int) -> list[Client]:
    clients = []
    for i in range(count):
        client = Client(daemon.connect_wyoming())
        client.connection.sendall(audio(seconds + 0.05 * i) + STOP + b'{"type": "ping"}\n')
        clients.append(client)
    return clients


def test_requests_that_do_not_fit_are_refused_and_the_others_answered(
    program: Path, golden: Path, hold: Path, tmp_path: Path
) -> None:
    port = free_port()
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}", f"--http={port}", "--clients=64"]
    whisper158d = program.parent.parent / "daemon" / "whisper158d"
    with running(whisper158d, golden, tmp_path, *options, environment=shim(tmp_path, hold=hold)) as daemon:
        asking = daemon.connect()
        first = send(daemon, 0.2, 1)
        assert b"pong" in read_until(first[0].connection, b"\n")
        wait_for(asking, "queued", 0)  # the worker has it
        others = send(daemon, 0.3, JOBS // 2 + 8)
        refused = [everything(client.connection) for client in others[JOBS // 2 :]]
        assert all(b"too much waits to be transcribed already" in answer for answer in refused)
        server = Server(daemon.process, port, tmp_path / "log")
        for _ in range(3):
            answer = server.send(sound(1))
            assert answer.status == 503 and answer.json["error"]["code"] == "queue_full"
        stats = wait_for(asking, "queued", JOBS // 2)
        assert stats["requests"]["dropped"] == 8 + 3 and stats["requests"]["dropped_s"] > 8 * 0.3 + 3 * 0.9
        hold.unlink()
        answers = [everything(client.connection) for client in first + others[: JOBS // 2]]
        assert all(b'"transcript"' in answer for answer in answers)
        stats = asking.ask_stats()["requests"]
        assert (stats["done"], stats["failed"], stats["dropped"]) == (1 + JOBS // 2, 0, 8 + 3)
    done = [float(seconds) for seconds in re.findall(r"wyoming audio_s=([\d.]+)", daemon.log)]
    assert len(done) == 1 + JOBS // 2 and done == sorted(done)
    assert daemon.log.count("wyoming: a client is refused: too much waits") == 8
    assert daemon.log.count("http: a request is refused: too much waits") == 1


# ---- what is spoken


@pytest.fixture(scope="module")
def talk(sounds: tuple[Clip, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More utterances than the queue holds: words, and pauses of a second between them."""
    clips = [clip for clip in sounds if clip.id.startswith("digits/") and 0.4 < clip.seconds < 0.8][:9]
    noise = np.random.default_rng(1).normal(0, 1e-3, 160000)
    parts = []
    for i in range(JOBS + 20):
        samples, rate = soundfile.read(clips[i % len(clips)].path, dtype="float64")
        parts += [noise[i : i + rate * 9 // 10], samples]
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.concatenate([*parts, noise[:rate]]), rate)
    return path


@pytest.fixture(scope="module")
def said(native: Path, babbler: Path, talk: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What all of it is, each utterance by its number, where nothing holds up the worker."""
    folder = tmp_path_factory.mktemp("said")
    with running(native, babbler, folder, f"--input={talk}", "--fast", *LISTEN[1:]) as daemon:
        finals = [event for event in daemon.connect() if event["event"] == "final"]
        assert daemon.end() == 0
    assert [event["utterance"] for event in finals] == list(range(1, len(finals) + 1))
    assert len(finals) > JOBS + 5
    return {event["utterance"]: event["text"] for event in finals}


@pytest.mark.network
def test_a_file_read_fast_waits_for_the_worker(
    native: Path, babbler: Path, talk: Path, said: dict[int, str], hold: Path, tmp_path: Path
) -> None:
    options = [f"--input={talk}", "--fast", *LISTEN]
    with running(native, babbler, tmp_path, *options, environment=shim(tmp_path, hold=hold)) as daemon:
        listening, asking = daemon.connect(), daemon.connect()
        wait_for(asking, "queued", JOBS)
        time.sleep(0.3)
        stats = asking.ask_stats()
        assert (stats["queued"], stats["utterances"]["dropped"]) == (JOBS, 0)
        hold.unlink()
        events = finals_of(listening, len(said))
    assert {event["utterance"]: event["text"] for event in events if event["event"] == "final"} == said
    assert "dropped" not in kinds(events) and "dropped" not in daemon.log


@pytest.mark.network
def test_who_speaks_too_much_has_the_oldest_answered(
    native: Path, babbler: Path, talk: Path, said: dict[int, str], hold: Path, tmp_path: Path
) -> None:
    """A clock that runs fast makes a real microphone of a file, at the same speed."""
    options = [f"--input={talk}", *LISTEN]
    with running(native, babbler, tmp_path, *options, environment=shim(tmp_path, hold=hold, speed=60)) as daemon:
        listening, asking = daemon.connect(), daemon.connect()
        lost = len(said) - JOBS - 1
        deadline = time.monotonic() + PATIENCE
        while (stats := asking.ask_stats())["utterances"]["dropped"] < lost and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (stats["queued"], stats["utterances"]["dropped"]) == (JOBS, lost)
        hold.unlink()
        events = finals_of(listening, JOBS + 1)
        dropped = [event for event in events if event["event"] == "dropped"]
        stats = asking.ask_stats()["utterances"]
    assert {event["utterance"]: event["text"] for event in events if event["event"] == "final"} == {
        number: text for number, text in said.items() if number <= JOBS + 1
    }
    assert [event["utterance"] for event in dropped] == list(range(JOBS + 2, len(said) + 1))
    assert all("too much waits" in event["text"] and event["lost"] > 0.3 for event in dropped)
    assert stats["dropped_s"] == pytest.approx(sum(event["lost"] for event in dropped), abs=0.05)
    assert (stats["done"], stats["dropped"]) == (JOBS + 1, lost)
    assert len(re.findall(r"an utterance of [\d.]+ s is dropped: too much waits", daemon.log)) == lost


@pytest.mark.network
def test_what_is_answered_at_the_end_is_told_everybody(
    native: Path, babbler: Path, talk: Path, hold: Path, tmp_path: Path
) -> None:
    """SIGTERM while utterances wait: who reads the events over HTTP gets their text, too."""
    port = free_port()
    options = [f"--input={talk}", "--fast", f"--http={port}", "--stop-seconds=600", *LISTEN]
    with running(native, babbler, tmp_path, *options, environment=shim(tmp_path, hold=hold)) as daemon:
        with Server(daemon.process, port, tmp_path / "log").connect() as reader:
            reader.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            listening, asking = daemon.connect(), daemon.connect()
            wait_for(asking, "queued", JOBS)
            daemon.terminate()
            daemon.until_logged("ending; what was said is answered first")
            hold.unlink()
            streamed = everything(reader)
        finals = kinds(list(listening)).count("final")
        assert daemon.end() == 0
    assert finals > JOBS and streamed.count(b'"event":"final"') == finals


@pytest.mark.network
@pytest.mark.parametrize("told", [False, True], ids=["input ends", "SIGTERM"])
def test_only_who_is_told_to_end_hurries(
    native: Path, babbler: Path, talk: Path, told: bool, hold: Path, tmp_path: Path
) -> None:
    """What waits at the end of the input is answered however long that takes, but for a signal."""
    samples, rate = soundfile.read(talk)
    soundfile.write(tmp_path / "short.wav", samples[: 12 * rate], rate)
    options = [f"--input={tmp_path / 'short.wav'}", "--fast", "--stop-seconds=10", *LISTEN[1:]]
    with running(native, babbler, tmp_path, *options, environment=shim(tmp_path, hold=hold, speed=10)) as daemon:
        listening, asking = daemon.connect(), daemon.connect()
        deadline = time.monotonic() + PATIENCE
        while asking.ask_stats()["queued"] < 5:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        if told:
            daemon.terminate()
            daemon.until_logged("there is no time left (--stop-seconds 10)")
        else:
            time.sleep(1.5)
        hold.unlink()
        events = kinds(list(listening))
        assert daemon.end() == 0
    assert events.count("speech-start") >= 5
    assert events.count("final") == (1 if told else events.count("speech-start"))
    assert ("given up" in daemon.log) == told


def finals_of(client: Client, count: int) -> list[Event]:
    """All events up to so many results."""
    events: list[Event] = []
    while kinds(events).count("final") < count:
        events += client.until("final")
    return events
