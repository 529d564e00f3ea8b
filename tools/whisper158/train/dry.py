# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a configuration would cost here: a few steps of each of its stages, with made-up weights and made-up speech.

Weights and speech decide nothing of the cost but their shape, so neither has to be there.
"""

import re
import resource
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from rich.table import Table

from whisper158.console import console, say
from whisper158.data.audio import save
from whisper158.data.manifest import Appender, Clip, write
from whisper158.errors import die
from whisper158.train.config import Config, Source, read
from whisper158.train.place import Place, no_subnormals, place, precision
from whisper158.train.run import Run
from whisper158.train.words import Words, beside, line_of, spelled
from whisper158.units import SAMPLE_RATE

STEPS = 3  # of each stage, of which the first only warms up
CLIPS = 48
SENTENCE = "hello world "  # for every second
SHAPE = re.compile(r"(?:^|[-/])(tiny|base|small)(\.en)?$")


@dataclass(frozen=True)
class Cost:
    """Of a stage: seconds for a step, and of speech that a step hears, in all processes together."""

    stage: str
    steps: int
    seconds: float
    heard: float

    @property
    def hours(self) -> float:
        return self.steps * self.seconds / 3600


def dry_run(path: Path, frames: int | None = None) -> None:
    """Prints what each stage of the configuration at `path` costs on this machine. Under torchrun, on all processes.
    frames: in a batch, instead of what the configuration says: for a machine that has less memory than it asks for."""
    config = read(path)
    if frames is not None:
        config = _smaller(config, frames)
    with no_subnormals(), place() as where, precision(config.precision, where), tempfile.TemporaryDirectory() as folder:
        costs = measure(config, where, Path(folder))
        if where.first:
            show(config, where, costs)


def _smaller(config: Config, frames: int) -> Config:
    if frames < 1:
        die(f"--frames: is {frames}, must be at least 1")
    stages = tuple(replace(stage, frames=0) for stage in config.stages)
    return replace(config, data=replace(config.data, frames=frames), stages=stages)


def measure(config: Config, where: Place, folder: Path) -> list[Cost]:
    source = Source(str(make_speech(folder, config.seed)))
    data = replace(config.data, sources=(source,), dev_source="", dev_clips=0)
    stages = tuple(replace(s, steps=STEPS, warmup=0, decay=0, ramp=min(s.ramp, STEPS)) for s in config.stages)
    small = replace(config, model=shape(config.model), out=str(folder / "run"), data=data, stages=stages)
    run = Run(small, where, resume=False)
    batches = run.batches(small.steps)
    costs = []
    for stage, whole in zip(stages, config.stages, strict=True):
        taken = []
        for within in range(STEPS):
            batch, began = next(batches), time.monotonic()
            measures = run.take(batch, stage, within)
            run.step += 1
            taken.append((time.monotonic() - began, measures["heard"]))
            say(f"{stage.name}: a step of {taken[-1][0]:.1f} s, over {taken[-1][1]:.0f} s of sound")
        seconds, heard = np.mean(taken[1:], axis=0)
        costs.append(Cost(stage.name, whole.steps, float(seconds), float(heard)))
    return costs


def shape(model: str) -> str:
    """The made-up model of the shape of `model`."""
    match = SHAPE.search(model)
    if match is None:
        die(
            f"model: the shape of {model!r} is not known",
            "a dry run knows models whose names end in tiny, base or small",
        )
    return f"random-{match[1]}{match[2] or ''}"


def make_speech(folder: Path, seed: int) -> Path:
    """Noises of 1 to 25 s with texts, and times for their words; returns their manifest."""
    rng = np.random.default_rng(seed)
    clips = []
    for i in range(CLIPS):
        seconds = float(rng.uniform(1, 25))
        path = folder / f"{i}.flac"
        sound = rng.normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)
        save(path, sound)
        text = (SENTENCE * round(seconds)).strip()
        clips.append(Clip(str(i), path, text, f"speaker {i}", len(sound) / SAMPLE_RATE, "MIT", "made up"))
    manifest = folder / "manifest.jsonl"
    write(manifest, clips)
    with Appender(beside(manifest)) as out:
        for clip in clips:
            out.add_line(line_of(clip, evenly(clip)))
    return manifest


def evenly(clip: Clip) -> Words:
    """Times for its words, each as long as the next."""
    borders = np.linspace(0, clip.seconds, len(spelled(clip)) + 1).tolist()
    return tuple(pairwise(borders))


def show(config: Config, where: Place, costs: list[Cost]) -> None:
    title = f"{config.model} on {where.processes} x {device(where)}, batches of {config.data.frames} frames"
    table = Table(title=title)
    for column in ("stage", "steps", "s/step", "speech heard/s", "hours"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for cost in costs:
        speed = cost.heard / cost.seconds
        table.add_row(cost.stage, str(cost.steps), f"{cost.seconds:.2f}", f"{speed:.0f} s", f"{cost.hours:.1f}")
    table.add_row("all", str(config.steps), "", "", f"{sum(cost.hours for cost in costs):.1f}")
    console.print(table)
    say(f"Peak memory of a process: {peak_memory(where) / 1e9:.1f} GB")


def device(where: Place) -> str:
    if where.device.type == "cuda":
        return str(torch.cuda.get_device_name(where.device))
    return f"CPU ({torch.get_num_threads()} threads)"


def peak_memory(where: Place) -> float:
    """Bytes"""
    if where.device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(where.device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
