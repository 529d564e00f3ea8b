# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A grid on a Ray cluster: what is sent there, what comes back, and what comes of workers that fail. A stand-in takes
Ray's place, but for one test that starts a cluster of its own."""

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from whisper158.errors import UserError
from whisper158.paths import ROOT

for name in ("torch", "whisper", "tiktoken"):
    pytest.importorskip(name, reason="needs PyTorch and OpenAI's Whisper: ./inv install oracle, train")

from whisper158.lab import cluster, run  # noqa: E402
from whisper158.lab.job import Job  # noqa: E402

JOBS = [Job("tiny.en", "rtn", f"w{bits}", 16) for bits in (8, 4, 3, 2)]


class Ray:
    """Looks like Ray's module. A task is done when it is waited for, and what it is sent has been pickled."""

    def __init__(self) -> None:
        self.options_given: dict[str, Any] = {}
        self.started: dict[str, Any] = {}
        self.cancelled: list[Any] = []
        self.open = False
        self._function: Any = None
        self._kept: dict[str, bytes] = {}
        self.lost: set[str] = set()

    def init(self, **settings: Any) -> None:
        if settings["address"] == "nowhere":
            raise ConnectionError("Could not find any running Ray instance.\nMore of it")
        self.started, self.open = settings, True

    def shutdown(self) -> None:
        self.open = False

    def put(self, value: Any) -> str:
        reference = f"put {len(self._kept)}"
        self._kept[reference] = pickle.dumps(value)
        return reference

    def remote(self, function: Any) -> "Ray":
        self._function = function
        outer = self

        class Task:
            def options(self, **options: Any) -> "Task":
                outer.options_given = options
                return self

            def remote(self, *arguments: Any) -> str:
                reference = f"task {len(outer._kept)}"
                outer._kept[reference] = pickle.dumps(arguments)
                return reference

        return Task()  # type: ignore[return-value]

    def wait(self, references: list[str], timeout: float) -> tuple[list[str], list[str]]:
        # Not the first, for the order is nobody's business.
        return references[-1:], references[:-1]

    def get(self, reference: str) -> Any:
        if reference in self.lost:
            raise RuntimeError("The worker died unexpectedly.\n\nMore of it")
        make, job = pickle.loads(self._kept[reference])
        return self._function(pickle.loads(self._kept[make]), job)

    def cancel(self, reference: str, force: bool) -> None:
        assert force
        self.cancelled.append(reference)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    stand_in = Ray()
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    return stand_in


def bits(job: Job) -> dict[str, Any]:
    return {"weights": job.weights}


def refuses(job: Job) -> dict[str, Any]:
    raise UserError(f"no {job.model} here", "Fetch it.")


def test_every_job_is_done_somewhere(ray: Ray) -> None:
    made = dict(cluster.ray("host:6379")(JOBS, bits))
    assert made == {job: {"weights": job.weights} for job in JOBS}
    assert ray.started["address"] == "host:6379"
    assert ray.started["runtime_env"]["py_modules"] == [str(ROOT / "tools" / "whisper158")]
    assert ray.options_given == {"num_cpus": 1, "max_retries": cluster.RETRIES}
    assert not ray.open and not ray.cancelled


def test_what_is_given_up_is_cancelled_and_what_was_done_is_kept(ray: Ray) -> None:
    coming = cluster.ray("auto")(JOBS, bits)
    assert next(coming)[0] == JOBS[-1]
    coming.close()
    assert len(ray.cancelled) == len(JOBS) - 1 and not ray.open


def test_an_interrupt_keeps_what_was_done(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Job] = []
    real = ray.wait

    def interrupted(references: list[str], timeout: float) -> tuple[list[str], list[str]]:
        if done:
            raise KeyboardInterrupt
        return real(references, timeout)

    monkeypatch.setattr(ray, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        for job, _ in cluster.ray("auto")(JOBS, bits):
            done.append(job)
    assert done == JOBS[-1:] and len(ray.cancelled) == len(JOBS) - 1 and not ray.open


def test_what_a_worker_says_is_said_here(ray: Ray) -> None:
    with pytest.raises(UserError, match=r"tiny\.en rtn w2 a16: a worker says: no tiny.en here") as refused:
        list(cluster.ray("auto")(JOBS, refuses))
    assert refused.value.hint == "Fetch it." and not ray.open


def test_a_cell_that_cannot_be_made_anywhere(ray: Ray) -> None:
    ray.lost = {"task 4"}
    with pytest.raises(UserError, match="gave it up: RuntimeError: The worker died unexpectedly"):
        list(cluster.ray("auto")(JOBS, bits))


def test_no_such_cluster(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--ray nowhere: ConnectionError: Could not find any running Ray instance"):
        list(cluster.ray("nowhere")(JOBS, bits))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="Ray is not installed"):
        list(cluster.ray("auto")(JOBS, bits))


def recordings(folder: Path) -> Path:
    folder.mkdir()
    random = np.random.default_rng(len(folder.name))
    lines = []
    for i in range(2):
        soundfile.write(folder / f"{i}.flac", random.normal(size=8000) * 0.1, 16000)
        own = {"id": f"{folder.name}-{i}", "file": f"{i}.flac", "text": "hello world", "seconds": 0.5}
        lines.append(json.dumps({**own, "speaker": "x", "licence": "CC0-1.0", "source": "made up"}) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Path]:
    """A grid on a made-up model"""

    def write(**changes: Any) -> Path:
        settings = {
            "models": ["random-tiny.en"],
            "methods": ["rtn"],
            "weights": ["w8", "w4"],
            "calibration": {"source": f"{tmp_path / 'spoken'}/manifest.jsonl", "clips": 1},
            "evaluation": {"sets": [f"{tmp_path / 'heard'}/manifest.jsonl"], "clips": 1, "context": "50"},
            "out": str(tmp_path / "out"),
        }
        path = tmp_path / "lab.yml"
        path.write_text(yaml.safe_dump({**settings, **changes}))
        return path

    recordings(tmp_path / "spoken")
    recordings(tmp_path / "heard")
    return write


@pytest.mark.slow
def test_cells_come_back_as_files_and_recordings_are_sent(
    ray: Ray, plan: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plan()
    real = ray.init

    def elsewhere(**settings: Any) -> None:
        """Workers have no such files."""
        real(**settings)
        for file in tmp_path.glob("*/*.flac"):
            file.unlink()

    monkeypatch.setattr(ray, "init", elsewhere)
    files = run.run(path, ray="auto")
    assert len(files) == 3 and all(run.kept(file, json.loads(file.read_text())["key"]) for file in files)


def test_a_cell_of_something_else_is_not_taken(
    ray: Ray, plan: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "get", lambda reference: {"key": {}, "said": {}})
    with pytest.raises(UserError, match=r"made it of something else than is here: job, model, seed, .*program"):
        run.run(plan(), ray="auto")
    assert not list((tmp_path / "out" / "cells").iterdir())


def descendants(pid: int) -> list[int]:
    try:
        tasks = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    own = [int(child) for children in tasks for child in children]
    return [*own, *(further for child in own for further in descendants(child))]


def at_work(pid: int) -> bool:
    try:
        return b"ray::attempt" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.fixture
def head(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, dict[str, str]]]:
    """A cluster of one machine: its process, its address, and the environment of all."""
    pytest.importorskip("ray", reason="needs Ray: .venv/bin/python -m pip install ray")
    path = os.pathsep.join(filter(None, sys.path))
    # Ray's workers are nice to everyone else, and never get done where others are at work.
    environment = {**os.environ, "PYTHONPATH": path, "RAY_worker_niceness": "0"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--head", "--block", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=1"]
    options += ["--include-dashboard=false", "--object-store-memory=100000000", "--disable-usage-stats"]
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ray-") as folder:  # paths of sockets must be short
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *options, f"--temp-dir={folder}"]
        process = subprocess.Popen(command, env=environment, cwd=tmp_path)
        try:
            wait_for(lambda: not socket_is_closed(port), process)
            yield process, f"127.0.0.1:{port}", environment
        finally:
            family = [process.pid, *descendants(process.pid)]
            process.terminate()
            process.wait(60)
            for pid in family[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def socket_is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_for(done: Callable[[], bool], *processes: subprocess.Popen[Any]) -> None:
    while not done():
        assert all(process.poll() is None for process in processes)
        time.sleep(0.2)


@pytest.mark.network
@pytest.mark.slow
def test_a_cluster_of_our_own(
    head: tuple[subprocess.Popen[bytes], str, dict[str, str]], plan: Callable[..., Path], tmp_path: Path
) -> None:
    """One of whose workers is killed in the middle of a cell"""
    process, address, environment = head
    code = "import sys, pathlib; from whisper158.lab import run; run.run(pathlib.Path(sys.argv[1]), 1, sys.argv[2])"
    command = [sys.executable, "-c", code, str(plan()), address]
    driver = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: any(map(at_work, descendants(process.pid))), driver, process)
        os.kill(next(filter(at_work, descendants(process.pid))), signal.SIGKILL)
        said = driver.communicate()[1]
    finally:
        driver.kill()
    assert driver.returncode == 0, said
    assert "3 of 3: random-tiny.en" in said
    assert len(list((tmp_path / "out" / "cells").glob("*.json"))) == 3
