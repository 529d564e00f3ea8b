# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""One cell: a model is quantised by one method to one format, what that costs is counted, and what it says is written
down."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.lab import calibration, method
from whisper158.lab.config import FLOAT, Config, Job
from whisper158.lab.cost import Window, cost
from whisper158.lab.families import whisper as family
from whisper158.lab.grid import parse
from whisper158.lab.hearing import Listening, hear
from whisper158.lab.method import Outcome, Scheme
from whisper158.lab.registry import METHODS
from whisper158.model.load import load

if TYPE_CHECKING:
    from whisper158.lab.run import Heard


def result(job: Job, config: Config, heard: "Heard", context: AudioContext) -> dict[str, Any]:
    torch.set_num_threads(1)
    checkpoint = load(job.model)
    model = family.model(checkpoint)
    cpu = time.process_time()
    outcome, head = Outcome({}, (), ()), None
    if job.method != FLOAT:
        clips = calibration.flows(model, checkpoint, heard.calibration.utterances, context)
        scheme = Scheme(parse(job.weights), job.activations, config.calibration.seed)
        outcome = method.apply(METHODS[job.method](scheme), model, clips)
        grid = config.head_grid
        head = family.quantise_head(model, grid) if grid else None
    quantising = time.process_time() - cpu
    speech = Window(config.speech.frames, config.speech.tokens, config.speech.seconds)
    listening = Listening(model, calibration.rules(checkpoint), context)
    said = {one.name: [asdict(each) for each in hear(listening, one.utterances)] for one in heard.sets}
    bits = [layer.weight.size().total for layer in outcome.layers.values()]
    count = sum(layer.weight.shape[0] * layer.weight.shape[1] for layer in outcome.layers.values())
    return {
        "cost": asdict(cost(model.dims, outcome.layers, head, speech)),
        "bits_per_weight": sum(bits) / count if count else None,
        "exports": bool(outcome.layers) and all(x.weight.exported() is not None for x in outcome.layers.values()),
        "folds": [f"{fold.stage} {fold.source}" for fold in outcome.folds],
        "prepared": outcome.prepared,
        "quantising_cpu_seconds": quantising,
        "cpu_seconds": time.process_time() - cpu,
        "said": said,
    }
