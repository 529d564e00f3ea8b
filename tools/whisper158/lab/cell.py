# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""One cell: a model is quantised by one method to one format, what that costs is counted, and what it says is written
down."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.evaluate.accuracy.sets import Utterance
from whisper158.lab import calibration, method
from whisper158.lab.codes import Weight
from whisper158.lab.config import FLOAT, Config, Job
from whisper158.lab.cost import Window, cost
from whisper158.lab.families import whisper as family
from whisper158.lab.families.whisper import WhisperModel
from whisper158.lab.grid import parse
from whisper158.lab.hearing import Listening, hear
from whisper158.lab.method import Outcome, Scheme
from whisper158.lab.registry import METHODS
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.load import load

if TYPE_CHECKING:
    from whisper158.lab.run import Heard


@dataclass(frozen=True)
class Quantised:
    """A job's model, as it became; head: its token embedding, where that was rounded."""

    model: WhisperModel
    checkpoint: Checkpoint
    outcome: Outcome
    head: Weight | None


def quantise(job: Job, config: Config, clips: Sequence[Utterance], context: AudioContext) -> Quantised:
    """clips: to calibrate with"""
    torch.set_num_threads(1)
    checkpoint = load(job.model)
    model = family.model(checkpoint)
    if job.method == FLOAT:
        return Quantised(model, checkpoint, Outcome(), None)
    flows = calibration.flows(model, checkpoint, clips, context)
    outcome = method.apply(METHODS[job.method](scheme(job, config)), model, flows)
    grid = config.head_grid
    return Quantised(model, checkpoint, outcome, family.quantise_head(model, grid) if grid else None)


def scheme(job: Job, config: Config) -> Scheme:
    return Scheme(parse(job.weights), job.activations, config.calibration.seed)


def result(job: Job, config: Config, heard: "Heard", context: AudioContext) -> dict[str, Any]:
    cpu = time.process_time()
    made = quantise(job, config, heard.calibration.utterances, context)
    outcome = made.outcome
    quantising = time.process_time() - cpu
    speech = Window(config.speech.frames, config.speech.tokens, config.speech.seconds)
    listening = Listening(made.model, calibration.rules(made.checkpoint), context)
    said = {one.name: [asdict(each) for each in hear(listening, one.utterances)] for one in heard.sets}
    bits = [layer.weight.size().total for layer in outcome.layers.values()]
    count = sum(layer.weight.shape[0] * layer.weight.shape[1] for layer in outcome.layers.values())
    return {
        "cost": asdict(cost(made.model.dims, outcome.layers, made.head, speech)),
        "bits_per_weight": sum(bits) / count if count else None,
        "exports": bool(outcome.layers) and all(x.weight.exported() is not None for x in outcome.layers.values()),
        "folds": [f"{fold.stage} {fold.source}" for fold in outcome.folds],
        "prepared": outcome.prepared,
        "errors": outcome.errors,
        "quantising_cpu_seconds": quantising,
        "cpu_seconds": time.process_time() - cpu,
        "said": said,
    }
