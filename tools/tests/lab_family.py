# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What every family of models promises to the methods, each as a check of a whole model that is made up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tests.lab_methods import close, inputs_of, lost
from whisper158.lab import method as methods
from whisper158.lab.method import Method
from whisper158.lab.stage import Flow, Model

# What the model says now, clip by clip
Said = Callable[[], list[Any]]


@contextmanager
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def linears(model: Model) -> dict[str, Any]:
    """Of all stages, by the names of their weights"""
    places = [(stage, name) for stage in model.stages for site in stage.sites for name in site.linears]
    return {stage.tensor(name): stage.linear(name) for stage, name in places}


def check_sites(model: Model, clip: Flow) -> None:
    """What a site reads is the same for all its layers."""
    for stage in model.stages:
        read = inputs_of(stage, clip)
        for site in stage.sites:
            assert all(torch.equal(read[name], read[site.linears[0]]) for name in site.linears)
        clip = stage.give(clip, stage.run(stage.take(clip)))


def check_transform(model: Model, method: Method, clips: list[Flow], said: Said) -> None:
    """A method's transforms leave float outputs as they are."""
    before = said()
    prepared = method.prepare(model, clips)
    assert close(said(), before)
    current, folds = clips, []
    for stage in model.stages:
        batches = tuple(stage.take(clip) for clip in current)
        targets = tuple(stage.run(batch) for batch in batches)
        folds += method.transform(stage, methods.Calibration(batches, 1, targets))
        current = [stage.give(clip, stage.run(stage.take(clip))) for clip in current]
    assert bool(prepared) != bool(folds)
    assert close(said(), before)


def check_stored(model: Model, method: Method, clips: list[Flow], said: Said) -> float:
    """What is stored is what is computed with. Returns what the model has lost."""
    before = said()
    outcome = methods.apply(method, model, clips)
    found = linears(model)
    assert outcome.layers.keys() == outcome.errors.keys() == found.keys()
    for name, linear in found.items():
        assert torch.equal(linear.weight, outcome.layers[name].weight.weights())
        assert outcome.layers[name].input.bits == method.scheme.activation_bits
    assert all(0 < error < 1 for error in outcome.errors.values())
    after = said()
    assert not close(after, before, 1e-4)
    return lost(after, before)
