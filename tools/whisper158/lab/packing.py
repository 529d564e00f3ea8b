# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv lab.pack`: a cell of a grid as a model that the runtime runs. It is quantised anew, to the same codes."""

from pathlib import Path

from whisper158.console import say, step
from whisper158.errors import die
from whisper158.evaluate.accuracy import contexts
from whisper158.lab import calibration
from whisper158.lab.cell import quantise, scheme
from whisper158.lab.config import FLOAT, Config, Job, jobs, read
from whisper158.lab.export import export
from whisper158.model import silero


def pack(path: Path, cell: str, out: str) -> Path:
    """cell: as lab.run says it; without the model's name where the grid has one model only."""
    config = read(path)
    job = find(config, cell)
    source = config.calibration
    name = f"{job.model}-{job.method}-{job.weights}-a{job.activations}"
    target = Path(out or f"{name}.w158")
    clips = calibration.choose(source).utterances
    provenance = {
        "name": name,
        "quantisation": f"{job.method} {job.weights}, activations of {job.activations} bits, head {config.head}",
        "calibration": f"{len(clips)} clips of {source.name}, seed {source.seed}",
    }
    with step(f"Quantising {job}"):
        made = quantise(job, config, clips, contexts.parse(config.evaluation.context))
        export(
            made.model,
            made.checkpoint,
            made.outcome,
            made.head,
            scheme(job, config),
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
