# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Cells made by the workers of a Ray cluster that is there already.

Sent to them: this project's Python code, and the recordings with their words. Theirs must be: Python and Ray of our
versions, PyTorch and OpenAI's package, and the checkpoints: those that have a name they fetch, those at a path must lie
at that path. What another version of anything changes is seen in a cell's key (run.py).
"""

import importlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from whisper158.errors import UserError, die
from whisper158.evaluate.accuracy.sets import Set
from whisper158.lab.job import Job
from whisper158.lab.workers import Crew, Made, Make

PACKAGE = Path(__file__).parents[1]
# A worker that is lost in the middle of a cell, with its machine or without, loses that cell's work; another begins
# anew, so many times.
RETRIES = 3
# An interrupt is noticed between waits.
SECONDS = 1.0


@dataclass(frozen=True)
class Refused:
    """What a worker has to say instead of a cell."""

    message: str
    hint: str | None


def attempt(make: Make, job: Job) -> dict[str, Any] | Refused:
    try:
        return make(job)
    except UserError as error:
        return Refused(error.message, error.hint)


def ray(address: str) -> Crew:
    """The crew at this address: `auto`, HOST:PORT, or ray://HOST:PORT."""

    def crew(jobs: Sequence[Job], make: Make) -> Generator[Made]:
        with connected(address) as cluster:
            shared = cluster.put(make)
            task = cluster.remote(attempt).options(num_cpus=1, max_retries=RETRIES)
            waiting = {task.remote(shared, job): job for job in jobs}
            try:
                while waiting:
                    done, _ = cluster.wait(list(waiting), timeout=SECONDS)
                    for reference in done:
                        job = waiting.pop(reference)
                        yield job, taken(cluster, reference, job)
            finally:
                for reference in waiting:
                    cluster.cancel(reference, force=True)

    return crew


def taken(cluster: Any, reference: Any, job: Job) -> dict[str, Any]:
    try:
        found = cluster.get(reference)
    except Exception as error:  # whatever a cluster can die of
        die(f"{job}: the cluster gave it up: {first_line(error)}", "The cells that were done are kept; run it again.")
    if isinstance(found, Refused):
        die(f"{job}: a worker says: {found.message}", found.hint)
    made: dict[str, Any] = found
    return made


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray's module, with a connection. Code that was sent is what a worker imports, be there other or not."""
    try:
        module = importlib.import_module("ray")
    except ImportError:
        die("Ray is not installed", ".venv/bin/python -m pip install ray, of the version that the cluster has")
    try:
        module.init(
            address=address,
            runtime_env={"py_modules": [str(PACKAGE)], "env_vars": {"OMP_NUM_THREADS": "1"}},
            log_to_driver=False,
            logging_level="ERROR",
        )
    except Exception as error:  # no common class of theirs
        die(
            f"--ray {address}: {first_line(error)}", "The address is what `ray start --head` says on the first machine."
        )
    try:
        yield module
    finally:
        module.shutdown()


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def loaded(one: Set) -> Set:
    """With its samples in memory, so that it can be used where its files are not."""
    found = tuple(replace(clip, load=partial(np.copy, clip.load())) for clip in one.utterances)
    return replace(one, utterances=found)
