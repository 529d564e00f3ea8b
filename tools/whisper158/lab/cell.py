# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""One cell: a model is quantised by one method to one format, what that costs is counted, and what it says is written
down.

Nothing here knows which methods and families there are, or how a run finds its files: all that this module imports
decides what is in a cell (fingerprint.py).
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from whisper158.evaluate.accuracy import contexts
from whisper158.evaluate.accuracy.sets import Set, Utterance
from whisper158.lab import method
from whisper158.lab.codes import Weight
from whisper158.lab.job import Terms
from whisper158.lab.method import Method, Outcome
from whisper158.lab.subject import Subject


@dataclass(frozen=True)
class Quantised:
    """outcome: what became of the subject's layers. head: its token embedding, where that was rounded."""

    outcome: Outcome
    head: Weight | None

    @property
    def exports(self) -> bool:
        """Whether a blob can hold the codes, and the runtime multiply by them: a ternary head it does not."""
        weights = [layer.weight for layer in self.outcome.layers.values()]
        if self.head is not None:
            weights.append(self.head)
        ternary_head = self.head is not None and self.head.planes[0].grid.ternary
        return bool(self.outcome.layers) and not ternary_head and all(one.exported() is not None for one in weights)


def quantise(subject: Subject, by: Method | None, terms: Terms, clips: Sequence[Utterance]) -> Quantised:
    """In place. by: None leaves the model in floats. clips: to calibrate with"""
    torch.set_num_threads(1)
    if by is None:
        return Quantised(Outcome(), None)
    if grid := terms.head_grid:
        # It is rounded last, so that what it cannot be would be known late.
        method.check_row(grid, "head: the token embedding", subject.model.streams[-1].width)
    outcome = method.apply(by, subject.model, subject.flows(clips, contexts.parse(terms.context)))
    return Quantised(outcome, subject.quantise_head(grid) if grid else None)


def result(
    subject: Subject, by: Method | None, terms: Terms, clips: Sequence[Utterance], sets: Sequence[Set]
) -> dict[str, Any]:
    cpu = time.process_time()
    made = quantise(subject, by, terms, clips)
    outcome = made.outcome
    quantising = time.process_time() - cpu
    said = {one.name: subject.hear(one.utterances, contexts.parse(terms.context)) for one in sets}
    bits = [layer.weight.size().total for layer in outcome.layers.values()]
    count = sum(layer.weight.shape[0] * layer.weight.shape[1] for layer in outcome.layers.values())
    return {
        "cost": asdict(subject.cost(outcome.layers, made.head, terms.speech)),
        "bits_per_weight": sum(bits) / count if count else None,
        "exports": made.exports,
        "folds": [f"{fold.stage} {fold.source}" for fold in outcome.folds],
        "prepared": outcome.prepared,
        "errors": outcome.errors,
        "quantising_cpu_seconds": quantising,
        "cpu_seconds": time.process_time() - cpu,
        "said": {name: [asdict(each) for each in texts] for name, texts in said.items()},
    }
