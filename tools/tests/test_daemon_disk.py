# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A disk that is full while whisper158d records: it hears on, leaves no ragged file, says so once, and goes on."""

import os
import resource
import shlex
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.daemon_process import PATIENCE, kinds, running
from tests.variants import TRIED
from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip

pytestmark = pytest.mark.network  # Silero's weights come from PyPI.

ENDED = "recording in "
HEADER = 44


@pytest.fixture(scope="module", params=TRIED, ids=lambda variant: variant.name)
def whisper158d(request: pytest.FixtureRequest) -> Path:
    return runtime.build(request.param) / "daemon" / "whisper158d"


@pytest.fixture(scope="module")
def talk(sounds: tuple[Clip, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three times the same words, in eighteen seconds."""
    clip = next(clip for clip in sounds if clip.id == "agent-loginok")
    samples, rate = soundfile.read(clip.path, dtype="float64")
    noise = np.random.default_rng(1).normal(0, 1e-3, 6 * rate - len(samples))
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.tile(np.concatenate([noise, samples]), 3), rate)
    return path


def limited(size: int) -> Callable[[], None]:
    """No file may become larger."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def check_whole(file: Path) -> int:
    """What its header says is what there is. Returns its samples."""
    header = file.read_bytes()[:HEADER]
    (riff,), (data,) = struct.unpack_from("<I", header, 4), struct.unpack_from("<I", header, 40)
    assert file.stat().st_size == HEADER + data == 8 + riff
    return len(soundfile.read(file)[0])


def test_a_limit_on_files(whisper158d: Path, babbler: Path, talk: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    options = [f"--input={talk}", "--fast", "--wait", f"--record-dir={kept}"]
    with running(whisper158d, babbler, tmp_path, *options, preexec_fn=limited(200_001)) as daemon:
        events = list(daemon.connect())
        assert daemon.end() == 0
    assert kinds(events).count("final") == 3
    (file,) = kept.iterdir()
    assert 16000 < check_whole(file) < 100_000
    assert daemon.log.count(ENDED) == 1 and "File too large" in daemon.log


def test_the_oldest_make_room(babbler: Path, talk: Path, tmp_path: Path) -> None:
    """Of earlier runs, too; what is not ours is left alone."""
    whisper158d = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    kept = tmp_path / "kept"
    kept.mkdir()
    for number in range(1, 5):
        (kept / f"heard-{number:08}-20200101T000000Z.wav").write_bytes(bytes(250_000))
    (kept / "mine.wav").write_bytes(bytes(900_000))
    options = [f"--input={talk}", "--fast", "--wait", f"--record-dir={kept}", "--record-mib=1"]
    with running(whisper158d, babbler, tmp_path, *options) as daemon:
        list(daemon.connect())
        assert daemon.end() == 0
    files = sorted(kept.glob("heard-*"))
    assert (kept / "mine.wav").exists() and ENDED not in daemon.log
    assert sum(file.stat().st_size for file in files) <= 1 << 20
    numbers = [int(file.name.split("-")[1]) for file in files]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)) and numbers[0] > 1 and numbers[-1] > 5
    assert all(check_whole(file) for file in files if "2020" not in file.name)


def test_trouble_with_the_last_of_it_is_told(whisper158d: Path, babbler: Path, tmp_path: Path) -> None:
    """What is less than a write is written at the end, where nothing is heard any more."""
    soundfile.write(tmp_path / "short.wav", np.random.default_rng(1).normal(0, 1e-3, 8000), 16000)
    options = [f"--input={tmp_path / 'short.wav'}", "--fast", f"--record-dir={tmp_path / 'absent'}"]
    with running(whisper158d, babbler, tmp_path, *options) as daemon:
        assert daemon.end() == 0
    assert daemon.log.count(f"{ENDED}{tmp_path / 'absent'} pauses until that can be written to: No such file") == 1


def may_mount() -> bool:
    mount = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0


@pytest.mark.parametrize("filled", [False, True], ids=["fills", "full"])
def test_a_full_disk(whisper158d: Path, babbler: Path, talk: Path, filled: bool, tmp_path: Path) -> None:
    if not may_mount():
        pytest.skip("a file system of 256 kB needs a mount namespace, and that needs root")
    kept, wrapper = tmp_path / "kept", tmp_path / "mounted"
    kept.mkdir()
    setup = f"mount -t tmpfs -o size=256k tmpfs {shlex.quote(str(kept))}"
    if filled:
        setup += f"; head -c 1M /dev/zero > {shlex.quote(str(kept / 'other'))} 2> /dev/null"
    script = f'{setup}; exec {shlex.quote(str(whisper158d))} "$@"'
    wrapper.write_text(f'#!/bin/sh\nexec unshare -m sh -c {shlex.quote(script)} sh "$@"\n')
    wrapper.chmod(0o755)
    options = [f"--input={talk}", "--fast", "--wait", "--stay", f"--record-dir={kept}"]
    with running(wrapper, babbler, tmp_path, *options) as daemon:
        client = daemon.connect()
        assert [client.until("final")[-1]["utterance"] for _ in range(3)] == [1, 2, 3]
        daemon.until_logged(ENDED)
        inside = Path(f"/proc/{daemon.process.pid}/root") / kept.relative_to("/")
        files = list(inside.glob("heard-*"))
        assert [check_whole(file) > 16000 for file in files] == ([] if filled else [True])
        daemon.terminate()
        assert daemon.end() == 0
    assert daemon.log.count(ENDED) == 1 and "No space left on device" in daemon.log


def test_recording_goes_on_when_there_is_room(whisper158d: Path, babbler: Path, tmp_path: Path) -> None:
    """Here the folder was missing; a disk that was full is no different, but takes root to try."""
    kept = tmp_path / "kept"
    noise = np.random.default_rng(1).normal(0, 1000, 16000).astype("<i2").tobytes()
    options = ["--input=-", "--raw", "--fast", f"--record-dir={kept}"]
    with running(whisper158d, babbler, tmp_path, *options, stdin=subprocess.PIPE) as daemon:
        pipe = daemon.process.stdin
        assert pipe

        def speak_until_logged(text: str) -> None:
            """What is wrong is told with the audio that comes next."""
            deadline = time.monotonic() + PATIENCE
            while f"{ENDED}{kept} {text}" not in daemon.log:
                assert daemon.process.poll() is None and time.monotonic() < deadline, daemon.log
                pipe.write(noise)
                pipe.flush()
                time.sleep(0.5)

        speak_until_logged("pauses")
        kept.mkdir()
        speak_until_logged("goes on")
        pipe.write(3 * noise)
        pipe.close()
        assert daemon.end() == 0
    (file,) = kept.iterdir()
    assert check_whole(file) >= 3 * 16000
    assert daemon.log.count(ENDED) == 2
