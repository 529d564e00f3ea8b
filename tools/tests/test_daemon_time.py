# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""whisper158d is stopped for longer than any of its timeouts, and the time of day jumps: neither does harm.

daemon_shim.c makes the daemon's clock run faster: a stop of seconds is one of minutes to it.
"""

import contextlib
import re
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.daemon_http import Server, form, free_port
from tests.daemon_process import STOP, Daemon, audio, everything, lasting, read_until, running
from tests.daemon_shim import shim
from tests.test_daemon_http import sound
from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip

SPEED = 20
STOPPED = 8.0  # seconds; more than the longest timeout, which is 120 s


@pytest.fixture(scope="module")
def whisper158d(program: Path) -> Path:
    return program.parent.parent / "daemon" / "whisper158d"


def request(file: bytes) -> bytes:
    body, kind = form(file)
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def gaps(daemon: Daemon) -> list[float]:
    return [float(gap) for gap in re.findall(r"the daemon could not go on for ([\d.]+) s", daemon.log)]


def test_stopped_for_longer_than_any_timeout(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    """Clients that had begun, that go on while it is stopped or only later, and that just listen."""
    port = free_port()
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}", f"--http={port}"]
    wyoming = audio(1.0) + STOP
    http = request(sound(1))
    with running(whisper158d, golden, tmp_path, *options, environment=shim(tmp_path, speed=SPEED)) as daemon:
        server = Server(daemon.process, port, tmp_path / "log")
        events = server.connect()
        events.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(events, b'"hello"')
        whole = [wyoming, wyoming, http, http]
        with daemon.stopped():
            clients = [daemon.connect_wyoming() for _ in range(2)] + [server.connect() for _ in range(2)]
            for client, bytes_ in zip(clients, whole, strict=True):
                client.sendall(bytes_[: len(bytes_) // 2])
        time.sleep(0.2)
        with daemon.stopped():
            for client, bytes_ in list(zip(clients, whole, strict=True))[::2]:
                client.sendall(bytes_[len(bytes_) // 2 :])
            time.sleep(STOPPED)
        time.sleep(0.2)
        for client, bytes_ in list(zip(clients, whole, strict=True))[1::2]:
            client.sendall(bytes_[len(bytes_) // 2 :])
        answers = [everything(client) for client in clients]
        assert all(b'"transcript"' in answer for answer in answers[:2]), answers
        assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers[2:]), answers
        read_until(events, b":")
        stats = daemon.connect().ask_stats()["requests"]
        assert (stats["done"], stats["failed"], stats["dropped"]) == (4, 0, 0)
    assert max(gaps(daemon)) > 120
    assert "dropped" not in daemon.log and "refused" not in daemon.log


def test_who_is_slow_is_dropped_as_ever(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    port = free_port()
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}", f"--http={port}"]
    with running(whisper158d, golden, tmp_path, *options, environment=shim(tmp_path, speed=SPEED)) as daemon:
        with daemon.stopped():
            clients = [daemon.connect_wyoming(), Server(daemon.process, port, tmp_path / "log").connect()]
            clients[0].sendall(audio(1.0))
            clients[1].sendall(b"GET / HTTP/1.1\r\n")
        assert [everything(client) for client in clients] == [b"", b""]
    assert "wyoming: a client is dropped: it was silent for too long" in daemon.log


def test_who_trickles_is_dropped(golden: Path, tmp_path: Path) -> None:
    """A byte now and then is no silence, and yet there is an end to it."""
    options = ["--no-microphone", f"--wyoming=unix://{tmp_path / 'wyoming'}"]
    whisper158d = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    chunk = audio(10.0)
    with running(whisper158d, golden, tmp_path, *options, environment=shim(tmp_path, speed=SPEED)) as daemon:
        with daemon.connect_wyoming() as client, contextlib.suppress(OSError):
            client.sendall(chunk[:1000])
            for byte in chunk[1000:]:
                client.sendall(bytes([byte]))
                time.sleep(0.05)
        daemon.until_logged("wyoming: a client is dropped: it sends too slowly")


# ---- the time of day


@pytest.fixture(scope="module")
def speech(sounds: tuple[Clip, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples, rate = soundfile.read(next(clip for clip in sounds if clip.id == "agent-loginok").path, dtype="float64")
    pause = np.random.default_rng(1).normal(0, 1e-3, rate)
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    soundfile.write(path, np.concatenate([pause, samples, pause]), rate)
    return path


@pytest.mark.network
def test_the_time_of_day_does_not_matter(babbler: Path, speech: Path, tmp_path: Path) -> None:
    """With a clock that jumps by years all is as without, but for the time that events carry."""
    whisper158d = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    heard = []
    for name, environment in {"steady": {}, "jumping": shim(tmp_path, jump=1)}.items():
        folder = tmp_path / name
        (folder / "kept").mkdir(parents=True)
        port = free_port()
        options = [f"--input={speech}", "--wait", "--stay", "--interim=never", f"--record-dir={folder / 'kept'}"]
        options += [f"--wyoming=unix://{folder / 'wyoming'}", f"--http={port}"]
        options += [] if environment else ["--fast"]
        began = time.monotonic()
        with running(whisper158d, babbler, folder, *options, environment=environment) as daemon:
            client = daemon.connect()
            events = client.until("final")
            wyoming = daemon.connect_wyoming()
            wyoming.sendall(audio(1.0) + STOP)
            assert b'"transcript"' in everything(wyoming)
            assert Server(daemon.process, port, folder / "log").send(sound(1)).status == 200
            stats = client.ask_stats()
        lasted = time.monotonic() - began
        assert 0 < stats["uptime_s"] < lasted
        for kind in ("utterances", "requests"):
            assert 0 < stats[kind]["latency_p50_s"] <= stats[kind]["latency_p95_s"] < lasted
        assert "dropped" not in daemon.log and "refused" not in daemon.log
        # A busy machine may keep it waiting, but not for years.
        assert all(gap < lasted for gap in gaps(daemon))
        (kept,) = (folder / "kept").iterdir()
        assert kept.name.startswith("heard-00000001-") and len(soundfile.read(kept)[0]) > 16000
        heard.append([lasting(event) for event in events if event["event"] in ("speech-start", "final")])
        times = [event["time"] for event in events if event["event"] != "hello"]
        assert (max(times) - min(times) > 86400) == (name == "jumping")
    assert heard[0] == heard[1]
