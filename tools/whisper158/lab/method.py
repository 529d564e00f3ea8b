# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The one interface of all methods, and the walk that applies one to a model.

A stage is calibrated (what its layers read is seen), transformed (factors move between neighbours, outputs stay), and
quantised; then the next one is, on what the quantised stages before it make of the calibration.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from whisper158.errors import die
from whisper158.lab.activations import BITS, FLOATS, Input
from whisper158.lab.codes import Weight
from whisper158.lab.feedback import output_error
from whisper158.lab.grid import Grid, Kind
from whisper158.lab.seen import Seen, observe
from whisper158.lab.stage import Flow, Fold, Inputs, Model, Site, Stage


@dataclass(frozen=True)
class Option:
    """A number that a grid may set for a method, within these bounds; whole: as all between them are."""

    low: float
    high: float
    whole: bool = False

    def parse(self, word: str, where: str) -> float:
        try:
            value = int(word) if self.whole else float(word)
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high:
            kind = "whole number" if self.whole else "number"
            die(f"{where} is {word!r}, must be a {kind} from {self.low:g} to {self.high:g}")
        return value


@dataclass(frozen=True)
class Scheme:
    """What a method is to arrive at, and how: options take the place of its own numbers."""

    weights: Grid
    activation_bits: int = FLOATS
    seed: int = 158
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """A linear layer, quantised: it multiplies `input`'s result by `weight`'s."""

    weight: Weight
    input: Input = field(default_factory=Input)


@dataclass(frozen=True)
class Calibration:
    """batches: the stage's inputs, as the quantised stages before it make them. targets: its outputs in the float
    model, where the method wants them. seen: what its sites read when it is transformed and not quantised yet, where
    that has been looked at."""

    batches: tuple[Inputs, ...]
    seed: int
    targets: tuple[Tensor, ...] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)

    def observe(self, stage: Stage, sites: Sequence[Site], gram: bool = False) -> dict[str, Seen]:
        """gram: whether second moments are wanted, which take longer than all else."""
        return observe(stage, sites, self.batches, self.seed, gram=gram)

    def before(self, stage: Stage) -> Mapping[str, Seen]:
        """What its sites read while none of them is quantised"""
        return self.seen or self.observe(stage, stage.sites, gram=True)


class Method(ABC):
    """name: as configurations have it. kinds: of grids that it has codes for. sequential: the inputs of a site are
    seen anew when the sites before it have been quantised. wants_targets: it learns from the float model's outputs.
    options: the attributes that a scheme may set."""

    name: str
    sequential = False
    wants_targets = False
    kinds: frozenset[Kind] = frozenset(("symmetric", "asymmetric"))
    options: Mapping[str, Option] = MappingProxyType({})

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        grid = scheme.weights
        if grid.kind not in self.kinds:
            kinds = " or ".join(sorted(self.kinds))
            die(f"{self.name} makes {kinds} codes, and {grid.name} is {grid.kind}", "see the table in docs/lab.md")
        if scheme.activation_bits not in BITS:
            die(f"activations of {scheme.activation_bits} bits are not among {', '.join(map(str, BITS))}")

        for name, value in scheme.options.items():
            if name not in self.options:
                raise ValueError(f"{self.name} has no option {name}")
            setattr(self, name, value)

    def prepare(self, model: Model, flows: Sequence[Flow] = ()) -> list[str]:
        """Changes, in place and before all stages, what concerns several, and says what in words. The model's float
        outputs stay as they are. flows: the calibration, as it enters the first stage."""
        return []

    def transform(self, stage: Stage, calibration: Calibration) -> list[Fold]:
        """Folds, in place, what makes quantising easier. The stage's float outputs stay as they are."""
        return []

    def quantise(self, stage: Stage, calibration: Calibration) -> dict[str, Layer]:
        """All linear layers of the stage by their names in it; they are in place when this returns."""
        layers: dict[str, Layer] = {}
        seen = calibration.before(stage)
        for site in stage.sites:
            if self.sequential and layers:
                seen = calibration.observe(stage, [site], gram=True)
            for name in site.linears:
                layers[name] = self.layer(stage.linear(name).weight.detach(), seen[site.name])
            # Without feedback, a layer's inputs are those of the float stage.
            if self.sequential:
                put(stage, {name: layers[name] for name in site.linears})
        if not self.sequential:
            put(stage, layers)
        return layers

    @abstractmethod
    def layer(self, weight: Tensor, seen: Seen) -> Layer:
        """One matrix [rows, channels], by what it reads."""

    @property
    def input(self) -> Input:
        return Input(self.scheme.activation_bits)


@torch.no_grad()
def put(stage: Stage, layers: dict[str, Layer]) -> None:
    """Has the stage's linear layers compute as `layers` say."""
    for name, layer in layers.items():
        linear = stage.linear(name)
        linear.weight.copy_(layer.weight.weights())
        read_through(linear, layer.input)


def read_through(linear: nn.Linear, through: Input) -> Any:
    """What `linear` is given passes `through` first. The hook can be removed again."""
    return linear.register_forward_pre_hook(lambda _module, inputs: (through.apply(inputs[0]), *inputs[1:]))


@contextmanager
def reading(stage: Stage, through: Input) -> Iterator[None]:
    """All linear layers of the stage read `through`, for a while."""
    hooks = [read_through(stage.linear(name), through) for site in stage.sites for name in site.linears]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True)
class Outcome:
    """layers: by the checkpoint's names of their weights, as are errors: of each layer's output, relative to it, on
    what calibration gives the layer before its stage is quantised. prepared: what else was changed, in words."""

    layers: dict[str, Layer] = field(default_factory=dict)
    folds: tuple[Fold, ...] = ()
    prepared: tuple[str, ...] = ()
    errors: dict[str, float] = field(default_factory=dict)


def effective(layer: Layer) -> Tensor:
    """The weights as if nothing turned what they are multiplied with"""
    weights, turn = layer.weight.weights(), layer.input.rotation
    return weights if turn is None else weights @ turn.T.to(weights)


def check_groups(grid: Grid, model: Model) -> None:
    """Raises UserError where a row is no whole number of groups."""
    for stage in model.stages:
        for name in (name for site in stage.sites for name in site.linears):
            check_row(grid, stage.tensor(name), stage.linear(name).weight.shape[1])


def check_row(grid: Grid, tensor: str, channels: int) -> None:
    if channels % grid.span(channels):
        die(
            f"{tensor}: {channels} channels are no whole number of groups of {grid.group}",
            "Take groups of 32, or none: w4g32, or w4.",
        )


def unchanged(stages: Sequence[Stage]) -> list[Stage]:
    """Copies that stay in floats. A stage is not in floats any more when its turn comes: the keys and values that a
    decoder's block makes of what is heard were folded and quantised before it, as a stage of their own."""
    known: dict[int, Any] = {}  # what stages share is copied once
    return [replace(stage, module=copy.deepcopy(stage.module, known)) for stage in stages]


def apply(
    method: Method, model: Model, flows: Sequence[Flow], done: Callable[[Stage], None] = lambda _: None
) -> Outcome:
    """Quantises a model in place; `flows` are the calibration clips as they enter the first. `done` hears of
    each."""
    check_groups(method.scheme.weights, model)
    layers: dict[str, Layer] = {}
    folds: list[Fold] = []
    errors: dict[str, float] = {}
    ideal = list(flows) if method.wants_targets else []
    current = list(flows)
    prepared = tuple(method.prepare(model, flows))
    floats_of = unchanged(model.stages) if method.wants_targets else model.stages
    for stage, original in zip(model.stages, floats_of, strict=True):
        targets = tuple(original.run(original.take(flow)) for flow in ideal)
        ideal = [original.give(flow, out) for flow, out in zip(ideal, targets, strict=True)]
        calibration = Calibration(tuple(stage.take(flow) for flow in current), method.scheme.seed, targets)
        folds += method.transform(stage, calibration)
        seen = calibration.observe(stage, stage.sites, gram=True)
        calibration = replace(calibration, seen=seen)
        grams = {name: seen[site.name].gram for site in stage.sites for name in site.linears}
        floats = {name: stage.linear(name).weight.detach().clone() for name in grams}
        for name, layer in method.quantise(stage, calibration).items():
            layers[stage.tensor(name)] = layer
            errors[stage.tensor(name)] = output_error(floats[name], effective(layer), grams[name])
        current = [stage.give(flow, stage.run(stage.take(flow))) for flow in current]
        done(stage)
    return Outcome(layers, tuple(folds), prepared, errors)
