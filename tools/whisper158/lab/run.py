# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv lab.run`: a grid of models, methods and formats, each cell quantised, heard and written to a file of its own.

A cell that is there is not made again; whatever decides what is in it is in its key, and the key in its name.
"""

import hashlib
import json
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from whisper158 import whole
from whisper158.console import duration, say
from whisper158.errors import die
from whisper158.evaluate.accuracy.figures import has_words
from whisper158.evaluate.accuracy.sets import Set
from whisper158.lab import calibration, cell, cluster, registry, workers
from whisper158.lab.config import Config, jobs, read
from whisper158.lab.fingerprint import fingerprint
from whisper158.lab.grid import parse
from whisper158.lab.job import FLOAT, Job
from whisper158.lab.method import Method, Scheme
from whisper158.paths import ROOT

FOLDER = "cells"


@dataclass(frozen=True)
class Heard:
    """All that the cells of a run share: their words for the sets, and the sets' digests."""

    calibration: Set
    sets: tuple[Set, ...]

    def loaded(self) -> "Heard":
        """With all samples in memory, for machines that have no such files"""
        return Heard(cluster.loaded(self.calibration), tuple(map(cluster.loaded, self.sets)))


def run(path: Path, processes: int = 1, ray: str = "") -> list[Path]:
    """Makes what cells are missing, and returns the files of all. ray: a cluster's address, where one makes them."""
    config = read(path)
    folder = cells_of(config)
    heard = prepare(config)
    keys = {job: key(job, config, heard) for job in jobs(config)}
    files = {job: folder / f"{digest(own)}.json" for job, own in keys.items()}
    missing = [job for job, file in files.items() if kept(file, keys[job]) is None]
    say(f"{len(files)} cells, of which {len(files) - len(missing)} are there: {folder}")
    if missing:
        crew = cluster.ray(ray) if ray else workers.processes(processes) if processes > 1 else workers.alone
        make = partial(content, config=config, heard=heard.loaded() if ray else heard)
        began = time.monotonic()
        # Closed at once when we are interrupted, so that nobody works on for nothing.
        with closing(crew(missing, make)) as coming:
            for number, (job, made) in enumerate(coming, 1):
                keep(files[job], keys[job], made, job)
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
    for one in found:
        if not any(map(has_words, one.utterances)):
            die(f"evaluation.sets: in {one.name} nobody says a word, so nothing can be scored", "Leave that set out.")
    chosen = calibration.choose(config.calibration)
    for one in found:
        if both := set(chosen.ids) & set(one.ids):
            die(
                f"calibration: clip {min(both)!r} is one of {one.name} too",
                "Calibrate with other clips than those heard.",
            )
    return Heard(chosen, tuple(found))


def key(job: Job, config: Config, heard: Heard) -> dict[str, Any]:
    """All that decides what is in a cell. A float model knows nothing of how others are quantised."""
    rounding = {} if job.method == FLOAT else {"head": config.head, "calibration": heard.calibration.sha256}
    return {
        "job": asdict(job),
        "model": sha256(job.model),
        "seed": config.calibration.seed,
        "context": config.evaluation.context,
        "speech": asdict(config.speech),
        "sets": {one.name: one.sha256 for one in heard.sets},
        "program": program(job.model, job.method),
        **rounding,
    }


@cache
def sha256(model: str) -> str:
    return registry.family(model)(model).sha256


@cache
def program(model: str, method: str) -> str:
    """Stands for the code that quantises and listens, as it was when we began."""
    quantising = [] if method == FLOAT else [registry.method(method).__module__]
    return fingerprint([cell.__name__, registry.family(model).__module__, *quantising])


def digest(key: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]


def kept(file: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """A cell's content, or None where it is absent, damaged, or another's."""
    try:
        found = json.loads(file.read_text())
        return found if found["key"] == key and isinstance(found["said"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def content(job: Job, config: Config, heard: Heard) -> dict[str, Any]:
    """One cell, in one process and one thread, wherever that is."""
    subject = registry.family(job.model)(job.model)
    made = cell.result(subject, quantiser(job, config), config.terms, heard.calibration.utterances, heard.sets)
    return {"key": key(job, config, heard), **made}


def keep(file: Path, key: dict[str, Any], made: dict[str, Any], job: Job) -> None:
    """Writes a cell, whole or not at all."""
    if other := [name for name in key if made["key"].get(name) != key[name]]:
        die(
            f"{job}: a worker made it of something else than is here: {', '.join(other)}",
            "Give the workers the same packages and models (docs/lab.md).",
        )
    whole.write(file, json.dumps(made, indent=1) + "\n")


def quantiser(job: Job, config: Config) -> Method | None:
    if job.method == FLOAT:
        return None
    scheme = Scheme(parse(job.weights), job.activations, config.calibration.seed, registry.options(job.method))
    return registry.method(job.method)(scheme)
