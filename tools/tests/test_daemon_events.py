# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Speech into whisper158d, words out of it: over its socket, in a terminal, and what it tells systemd and the log."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile

from tests.daemon_process import PATIENCE, kinds, running
from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip
from whisper158.evaluate.wer import word_error_rate

MODEL = "tiny.en-q8"
WORDS = "agent-loginok"


@pytest.fixture(scope="module")
def whisper158d() -> Path:
    return runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"


@pytest.fixture(scope="module")
def clip(sounds: tuple[Clip, ...]) -> Clip:
    return next(clip for clip in sounds if clip.id == WORDS)


@pytest.fixture(scope="module")
def twice(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip, a pause, the clip, at 16 kHz."""
    samples, rate = soundfile.read(clip.path, dtype="float32")
    pause = np.random.default_rng(1).normal(0, 1e-3, 2 * rate).astype("float32")
    path = tmp_path_factory.mktemp("twice") / "twice.wav"
    soundfile.write(path, np.concatenate([pause, samples, pause, samples, pause]), rate)
    return path


@pytest.mark.network
def test_events_of_a_file(whisper158d: Path, babbler: Path, twice: Path, tmp_path: Path) -> None:
    with running(whisper158d, babbler, tmp_path, f"--input={twice}", "--fast", "--wait", "--interim=never") as daemon:
        with daemon.stopped():
            client = daemon.connect()
            client.say({"subscribe": ["all"]})
        events = list(client)
        assert daemon.end() == 0
    told = [event for event in events if event["event"] != "level"]
    assert kinds(told)[:3] == ["hello", "state", "listening"]
    assert told[1]["state"] == "open" and str(twice) in told[1]["text"]
    assert sorted(set(kinds(told)[3:])) == ["final", "listening", "speech-start"]
    starts = [event for event in told if event["event"] == "speech-start"]
    finals = [event for event in told if event["event"] == "final"]
    assert [event["utterance"] for event in starts] == [event["utterance"] for event in finals] == [1, 2]
    for start, final in zip(starts, finals, strict=True):
        assert start["start"] == final["start"] < final["end"]
        assert final["rtf"] > 0 and 0 <= final["confidence"] <= 1 and final["latency"] > 0 and final["why"] == "silence"
    assert 1.5 < starts[0]["start"] < 2.5 and starts[1]["start"] > finals[0]["end"] + 1.5
    levels = [event for event in events if event["event"] == "level"]
    assert levels and all(level["rms_db"] <= level["peak_db"] <= 0 for level in levels)
    line = r"microphone utterance=1 noise_db=-?[\d.]+ audio_s=[\d.]+ waited_ms=\d+ mel_ms=\d+ encode_ms=\d+ "
    line += r"decode_ms=\d+ rtf=[\d.]+ tokens=\d+ latency_ms=\d+ confidence=[\d.]+ rss_peak_mib=[\d.]+\n"
    assert re.search(line, daemon.log)


@pytest.mark.network
def test_speech_that_goes_on_is_answered_on_the_way_and_at_the_end(
    whisper158d: Path, babbler: Path, clip: Clip, tmp_path: Path
) -> None:
    """A pipe that stays open, and SIGTERM amid the speech: what was said so far is answered before the daemon ends."""
    samples, rate = soundfile.read(clip.path, dtype="int16")
    assert rate == 16000 or rate == 8000
    speech = np.repeat(samples, 16000 // rate).tobytes()
    options = ["--input=-", "--raw", "--interim=always", "--wait"]
    with running(whisper158d, babbler, tmp_path, *options, stdin=subprocess.PIPE) as daemon:
        client = daemon.connect()
        client.say({"subscribe": ["all"]})
        speaker = threading.Thread(target=keep_saying, args=[daemon.process.stdin, speech])
        speaker.start()
        client.until("speech-start")
        client.until("partial")
        daemon.terminate()
        last = list(client)
        assert daemon.end() == 0
        speaker.join()
    finals = [event for event in last if event["event"] == "final"]
    assert finals and finals[-1]["why"] == "input"


def keep_saying(pipe: BinaryIO, speech: bytes) -> None:
    """Until nobody listens any more."""
    with contextlib.suppress(BrokenPipeError), pipe:
        while True:
            pipe.write(speech)


@pytest.mark.network
def told_to_end() -> None:
    """A signal that is blocked waits, and outlives exec: it is there before the daemon begins."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_before_it_is_ready(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    options = [f"--model={golden}", f"--socket={tmp_path / 'socket'}", "--no-microphone", "--no-tuning"]
    done = subprocess.run(
        [whisper158d, *options], preexec_fn=told_to_end, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "whisper158d: ending before it was ready, as told\n")
    assert not (tmp_path / "socket").exists()


def test_listen_and_stats(
    whisper158d: Path, whisper158_binary: Path, model: Callable[[str], Path], clip: Clip, twice: Path, tmp_path: Path
) -> None:
    """The words, twice, as lines of text; the daemon goes on after the input, and tells how it was."""
    options = [f"--input={twice}", "--fast", "--wait", "--stay", "--interim=never"]
    with running(whisper158d, model(MODEL), tmp_path, *options) as daemon:
        socket_option = f"--socket={daemon.socket_path}"
        stats: list[str | Path] = [whisper158_binary, "stats", socket_option]
        listening: list[str | Path] = [whisper158_binary, "listen", socket_option]
        with subprocess.Popen(listening, stdout=subprocess.PIPE, text=True) as listen:
            assert listen.stdout
            lines = [listen.stdout.readline().strip() for _ in range(2)]
            told = json.loads(subprocess.check_output([*stats, "--json"], timeout=PATIENCE))
            plain = subprocess.check_output(stats, timeout=PATIENCE, text=True)
            daemon.terminate()
            assert listen.wait(PATIENCE) == 0 and listen.stdout.read() == ""
    assert word_error_rate([clip.text] * 2, lines).rate <= 0.2, lines
    utterances = told["utterances"]
    assert (utterances["done"], utterances["failed"], utterances["dropped"]) == (2, 0, 0)
    assert 0 < utterances["latency_p50_s"] <= utterances["latency_p95_s"] and told["rss_peak_mib"] > 1
    assert "microphone   2, " in plain and " (p95)" in plain


@pytest.mark.network
def test_listen_on_a_terminal(
    whisper158d: Path, whisper158_binary: Path, babbler: Path, twice: Path, tmp_path: Path
) -> None:
    """Speech that goes on is shown on a line that is taken back when its text is known."""
    options = [f"--input={twice}", "--fast", "--wait"]
    with running(whisper158d, babbler, tmp_path, *options) as daemon:
        terminal, other = pty.openpty()
        listen = subprocess.Popen(
            [whisper158_binary, "listen", f"--socket={daemon.socket_path}"], stdout=other, stderr=subprocess.PIPE
        )
        os.close(other)
        shown = b""
        while select.select([terminal], [], [], PATIENCE)[0]:
            try:
                shown += os.read(terminal, 4096)
            except OSError:
                break
        assert listen.stderr and b"the daemon has ended" in listen.stderr.read()
        listen.stderr.close()
        assert listen.wait(PATIENCE) == 0
        os.close(terminal)
    assert shown.count(b"...\r\x1b[K") == 2


@pytest.mark.shared
@pytest.mark.network
def test_the_right_words(whisper158d: Path, model: Callable[[str], Path], shared_speech: Path, tmp_path: Path) -> None:
    folder = shared_speech / "eval" / "misc_small"
    clips = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()][:3]
    heard = []
    for clip in clips:
        options = [f"--input={folder / clip['file']}", "--fast", "--wait"]
        (tmp_path / clip["id"]).mkdir()
        with running(whisper158d, model(MODEL), tmp_path / clip["id"], *options) as daemon:
            client = daemon.connect()
            heard.append(" ".join(event["text"] for event in client if event["event"] == "final"))
            assert daemon.end() == 0
    assert word_error_rate([clip["text"] for clip in clips], heard).rate <= 0.15, heard


# ------------------------------------------------------------------------------------------------------------- systemd


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(PATIENCE)
        yield receiver


def test_what_systemd_is_told(whisper158d: Path, golden: Path, notified: socket.socket, tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000"}
    with running(whisper158d, golden, tmp_path, "--no-microphone", environment=environment) as daemon:
        messages = [notified.recv(1000).decode() for _ in range(4)]
        daemon.terminate()
        while not messages[-1].startswith("STOPPING=1\n"):
            messages.append(notified.recv(1000).decode())
        assert daemon.end() == 0
    assert messages[0].startswith("READY=1\nSTATUS=") and messages.count("WATCHDOG=1") >= 3


def test_sockets_of_systemd(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    """Two listening sockets are handed over, by their names; --socket is not made then."""
    paths = [tmp_path / name for name in ("handed-wyoming", "handed-json")]
    sockets = [socket.socket(socket.AF_UNIX) for _ in paths]
    for listener, path in zip(sockets, paths, strict=True):
        listener.bind(str(path))
        listener.listen()
    wrapper = tmp_path / "activate"
    code = "import os, sys\nfor i, fd in enumerate(map(int, sys.argv[1:3])):\n    os.dup2(fd, 100 + i)\n"
    code += "for i in range(2):\n    os.dup2(100 + i, 3 + i)\n"
    code += "os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='wyoming:json')\n"
    code += "os.execv(sys.argv[3], sys.argv[3:])\n"
    numbers = [str(listener.fileno()) for listener in sockets]
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -c "$CODE" {" ".join(numbers)} {whisper158d} "$@"\n')
    wrapper.chmod(0o755)
    environment = {"CODE": code}
    fds = [listener.fileno() for listener in sockets]
    with running(wrapper, golden, tmp_path, "--no-microphone", pass_fds=fds, environment=environment) as daemon:
        with socket.socket(socket.AF_UNIX) as wyoming:
            wyoming.connect(str(paths[0]))
            wyoming.sendall(b'{"type": "describe"}\n')
            assert json.loads(wyoming.makefile().readline())["type"] == "info"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(paths[1]))
            assert json.loads(client.makefile().readline())["event"] == "hello"
        assert not daemon.socket_path.exists()
    assert daemon.process.returncode == 0
    for listener in sockets:
        listener.close()


def test_priorities_in_the_journal(whisper158d: Path, golden: Path, tmp_path: Path) -> None:
    log = tmp_path / "journal"
    with log.open("wb") as stream:
        status = os.fstat(stream.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        command: list[str | Path] = [
            whisper158d,
            f"--model={golden}",
            f"--socket={tmp_path / 'socket'}",
            "--no-microphone",
        ]
        process = subprocess.Popen(command, stderr=stream, env=environment)
        deadline = time.monotonic() + PATIENCE
        while "ready" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert all(re.match(r"<[3-6]>[a-z]", line) for line in log.read_text().splitlines())
