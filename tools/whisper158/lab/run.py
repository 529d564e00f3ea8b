# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv lab.run`: a grid of models, methods and formats, each cell quantised, heard and written to a file of its own.

A cell that is there is not made again; whatever decides what is in it is in its key, and the key in its name.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from whisper158.console import console, duration, say
from whisper158.errors import die
from whisper158.evaluate.accuracy import contexts
from whisper158.evaluate.accuracy.listeners import pytorch_source
from whisper158.evaluate.accuracy.sets import Set
from whisper158.lab import calibration
from whisper158.lab.config import FLOAT, Config, Job, jobs, read
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.load import load
from whisper158.paths import ROOT

FOLDER = "cells"
MAX_PROCESSES = 256


@dataclass(frozen=True)
class Heard:
    """All that the cells of a run share: their words for the sets, and the sets' digests."""

    calibration: Set
    sets: tuple[Set, ...]
    program: str


def run(path: Path, processes: str = "1") -> list[Path]:
    """Makes what cells are missing, and returns the files of all."""
    if not (processes.isascii() and processes.isdigit() and 1 <= int(processes) <= MAX_PROCESSES):
        die(f"--processes {processes} is not a whole number from 1 to {MAX_PROCESSES}")
    config = read(path)
    folder = cells_of(config)
    heard = prepare(config)
    files = {job: folder / f"{digest(key(job, config, heard))}.json" for job in jobs(config)}
    missing = [job for job, file in files.items() if whole(file, key(job, config, heard)) is None]
    say(f"{len(files)} cells, of which {len(files) - len(missing)} are there: {folder}")
    began = time.monotonic()
    for number, job in enumerate(made(missing, config, int(processes)), 1):
        say(f"{number} of {len(missing)}: {job} (after {duration(time.monotonic() - began)})")
    return list(files.values())


def cells_of(config: Config) -> Path:
    folder = ROOT / config.out / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        die(f"out: {config.out}: {error.strerror}", "Name a folder; it is made where there is none.")
    return folder


def prepare(config: Config) -> Heard:
    found = [calibration.find(word, config.evaluation.clips) for word in config.evaluation.sets]
    if len({one.name for one in found}) < len(found):
        die("evaluation.sets: two sets have the same name", "Rename a folder: results are shown by their names.")
    chosen = calibration.choose(config.calibration)
    for one in found:
        if both := set(chosen.ids) & set(one.ids):
            die(
                f"calibration: clip {min(both)!r} is one of {one.name} too",
                "Calibrate with other clips than those heard.",
            )
    return Heard(chosen, tuple(found), program())


def key(job: Job, config: Config, heard: Heard) -> dict[str, Any]:
    """All that decides what is in a cell. A float model knows nothing of how others are quantised."""
    rounding = {} if job.method == FLOAT else {"head": config.head, "calibration": heard.calibration.sha256}
    return {
        "job": asdict(job),
        "model": loaded(job.model).sha256,
        "seed": config.calibration.seed,
        "context": config.evaluation.context,
        "speech": asdict(config.speech),
        "sets": {one.name: one.sha256 for one in heard.sets},
        "program": heard.program,
        **rounding,
    }


@cache
def loaded(model: str) -> Checkpoint:
    return load(model)


@cache
def program() -> str:
    """Stands for the code that quantises and listens, as it was when we began."""
    state = hashlib.sha256(pytorch_source())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        state.update(source.read_bytes())
    state.update(json.dumps({name: metadata.version(name) for name in ("torch", "openai-whisper")}).encode())
    return state.hexdigest()


def digest(key: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]


def whole(file: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """A cell's content, or None where it is absent, damaged, or another's."""
    try:
        found = json.loads(file.read_text())
        return found if found["key"] == key and isinstance(found["said"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def made(missing: Sequence[Job], config: Config, processes: int) -> Iterator[Job]:
    """Makes cells, and tells of each when it is there."""
    if processes == 1:
        for job in missing:
            with console.status(str(job)):
                make(job, config)
            yield job
        return
    # Forked processes would share PyTorch's threads, which do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(missing) or 1), context, initializer=end_quietly) as pool:
        waiting: dict[Future[None], Job] = {pool.submit(make, job, config): job for job in missing}
        try:
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    yield waiting.pop(future)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def end_quietly() -> None:
    """An interrupt ends this process at once and without a word; what is written whole stays."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def make(job: Job, config: Config) -> None:
    """One cell, in one process and one thread."""
    from whisper158.lab.cell import result

    heard = prepare(config)
    own = key(job, config, heard)
    content = {"key": own, **result(job, config, heard, contexts.parse(config.evaluation.context))}
    path = cells_of(config) / f"{digest(own)}.json"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(content, indent=1) + "\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
