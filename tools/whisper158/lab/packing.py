# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv lab.pack`: a cell of a grid as a model that the runtime runs. It is quantised anew, to the same codes."""

import re
from pathlib import Path

from whisper158.console import say, step
from whisper158.errors import die
from whisper158.lab import calibration, registry
from whisper158.lab.cell import quantise
from whisper158.lab.config import Config, jobs, read
from whisper158.lab.export import check, export
from whisper158.lab.families.whisper_subject import WhisperSubject
from whisper158.lab.job import FLOAT, Job
from whisper158.lab.run import quantiser
from whisper158.model import silero


def pack(path: Path, cell: str, out: str) -> Path:
    """cell: as lab.run says it; without the model's name where the grid has one model only."""
    config = read(path)
    job = find(config, cell)
    if registry.family(job.model) is not WhisperSubject:
        die(f"{job.model} is no Whisper, and the runtime runs no other models", "Take a cell of a Whisper model.")
    by = quantiser(job, config)
    assert by
    check(by.name, by.scheme.weights, config.terms.head_grid)
    source = config.calibration
    clips = calibration.choose(source).utterances
    subject = WhisperSubject(job.model)
    # A model may be a path, and a method have settings: neither is a part of a file's name.
    name = "-".join([subject.checkpoint.name, *re.findall(r"[\w.]+", job.method), job.weights, f"a{job.activations}"])
    target = Path(out or f"{name}.w158")
    provenance = {
        "name": name,
        "quantisation": f"{job.method} {job.weights}, activations of {job.activations} bits, head {config.head}",
        "calibration": f"{len(clips)} clips of {source.name}, seed {source.seed}",
    }
    with step(f"Quantising {job}"):
        made = quantise(subject, by, config.terms, clips)
        export(
            subject.model,
            subject.checkpoint,
            made.outcome,
            made.head,
            by.scheme,
            target,
            provenance,
            silero.load(),
        )
    say(f"written: {target}")
    return target


def find(config: Config, cell: str) -> Job:
    words = cell.split()
    found = [job for job in jobs(config) if str(job).split() in (words, [job.model, *words])]
    if len(found) != 1 or found[0].method == FLOAT:
        known = "; ".join(str(job) for job in jobs(config) if job.method != FLOAT)
        die(f"--cell {cell!r} is not one quantised cell of the grid", f"cells are: {known}")
    return found[0]
