# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""SpinQuant (Liu et al. 2024, arXiv 2405.16406): QuaRot, whose rotations are learned.

R1 turns a residual stream, and R2, one of each attention, its values head by head (quarot.py); the float model stays
as it is whatever they are, so they may be those with which rounding costs least. Both begin as QuaRot's Hadamard
matrices and learn by Cayley SGD (Li, Li and Todorovic 2020, arXiv 2002.01113), which stays on the Stiefel manifold.
With the gradient G of the loss at R,

    W = (R G^T - G R^T) / 2        R' = (I - a/2 W)^-1 (I + a/2 W) R        a = min(rate, 1 / ||W||_1)

where the rate falls linearly to nothing: W is skew, so what R is multiplied by is orthogonal. Then matrices are rounded
as QuaRot's are.

In the loss, weights are rounded to nearest and activations as the scheme has them, and gradients pass as if nothing
had been. It is, stream by stream and on what the float model brings to it, the squared error of what the stream comes
to, relative to that: of its last stage's output or, where that is the stream itself, of the last norm's. If the end is
no better than the beginning on the whole calibration, the beginning stays.

Where this departs from the paper: its loss is the language model's own, of which a stage knows nothing. Where GPTQ
follows, it leaves weights in floats, since activations of 4 bits are its concern; here those have 16 or 8, and weights
are what loses. The Cayley transform is solved for, in f64, not iterated towards, so that R needs no retraction. The
ranges of codes are a share of the extremes, one for each matrix, that a search of the beginning finds.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from whisper158.lab.activations import Input
from whisper158.lab.fit import divisor, fit_range, searched, spans_of
from whisper158.lab.grid import Grid, Kind
from whisper158.lab.hadamard import hadamard, turned
from whisper158.lab.method import Option, Scheme, read_through
from whisper158.lab.methods.quarot import Back, QuaRot, head_width, make_rms, turn_stream, turns_by_heads, turns_online
from whisper158.lab.soft import run_with, soft_weights
from whisper158.lab.stage import Flow, Model, Site, Stage, Stream

RATE = 1.5
STEPS = 100
SMALLEST = 1e-12


Key = tuple[str, str]  # the names of a stage and of a site, or linear layer, in it


class SpinQuant(QuaRot):
    name = "spinquant"
    kinds = frozenset[Kind](("symmetric", "asymmetric"))
    rate = RATE
    steps = STEPS
    options = MappingProxyType({"steps": Option(1, 1000, whole=True)})

    def __init__(self, scheme: Scheme) -> None:
        super().__init__(scheme)
        self._heads: dict[Key, Tensor] = {}

    def prepare(self, model: Model, flows: Sequence[Flow] = ()) -> list[str]:
        for stream in model.streams:
            make_rms(stream)
        found = []
        said = []
        for part in parts(model, flows):
            turns = Turns(part, self.scheme)
            before, after = turns.learn(self.rate, self.steps)
            found.append(turns)
            said.append(f"residual stream of {part.stream.width} channels, turned: lost {before:.4g}, then {after:.4g}")
        # Only now, for all of them learn from the float model.
        for turns in found:
            turn_stream(turns.part.stream, turns.whole)
            self._heads |= turns.heads
        return said

    def head_turn(self, stage: Stage, site: Site) -> Tensor:
        return self._heads[stage.name, site.name]


@dataclass(frozen=True)
class Part:
    """A stream, the stages that it passes, what enters the first of them, and what the last one makes of it."""

    stream: Stream
    stages: tuple[Stage, ...]
    entering: tuple[Flow, ...]
    targets: tuple[Tensor, ...]


def parts(model: Model, flows: Sequence[Flow]) -> Iterator[Part]:
    """Of a float model that make_rms has made ready. Streams come in the order of their stages."""
    current = list(flows)
    waiting = list(model.stages)
    for stream in model.streams:
        passed: list[Stage] = []
        outputs: list[Tensor] = []
        entering = tuple(current)
        while waiting and passes(stream, waiting[0]):
            passed.append(waiting.pop(0))
            outputs = [passed[-1].run(passed[-1].take(flow)) for flow in current]
            current = [passed[-1].give(flow, out) for flow, out in zip(current, outputs, strict=True)]
        yield Part(stream, tuple(passed), entering, tuple(heard(stream, out) for out in outputs))


def passes(stream: Stream, stage: Stage) -> bool:
    touched = {*stream.writers, *(reader for norm in stream.norms for reader in norm.readers)}
    return any(stage.linear(name) in touched for site in stage.sites for name in site.linears)


def heard(stream: Stream, out: Tensor, turn: Tensor | None = None) -> Tensor:
    """What comes of a last stage's output: that itself or, where it is the stream, what the last norm writes."""
    last: nn.Module = getattr(stream.norms[-1].owner, stream.norms[-1].name)
    if not isinstance(last, Back):
        return out
    normed: Tensor = last.norm(out)
    return (normed if turn is None else normed @ turn.T) @ last.turn


@dataclass(frozen=True)
class Place:
    """Where a linear layer stands: whether it `reads` or `writes` the stream; which site's values it reads (`behind`)
    or writes (`before`); what turns its input as it is read (`online`), as `weight` has been already."""

    linear: nn.Linear
    weight: Tensor
    reads: bool
    writes: bool
    behind: Key | None
    before: Key | None
    online: Tensor | None


def places(stream: Stream, stage: Stage) -> dict[Key, Place]:
    """Of all linear layers of a stage"""
    readers = {reader for norm in stream.norms for reader in norm.readers}
    before = {site.source: (stage.name, site.name) for site in stage.sites if turns_by_heads(stage, site)}
    found = {}
    for site in stage.sites:
        behind = (stage.name, site.name) if turns_by_heads(stage, site) else None
        for name in site.linears:
            linear = stage.linear(name)
            online = hadamard(linear.weight.shape[1]).to(linear.weight) if turns_online(stage, site) else None
            weight = linear.weight.detach() if online is None else linear.weight.detach() @ online
            reads, writes = linear in readers, linear in stream.writers
            found[stage.name, name] = Place(linear, weight, reads, writes, behind, before.get(name), online)
    return found


class Turns:
    """What is learned: `whole`, f64 [channels, channels], of the stream; `heads`, likewise, of sites that have any."""

    def __init__(self, part: Part, scheme: Scheme) -> None:
        self.part = part
        self._scheme = scheme
        device = part.stream.writers[0].weight.device
        self.whole = turned(part.stream.width, scheme.seed).to(device)
        sites = [(stage, site) for stage in part.stages for site in stage.sites if turns_by_heads(stage, site)]
        self.heads = {(stage.name, site.name): hadamard(head_width(stage, site)).to(device) for stage, site in sites}
        self.places = {key: place for stage in part.stages for key, place in places(part.stream, stage).items()}
        self.shares = {key: share(self.turned(place)[0], scheme.weights) for key, place in self.places.items()}

    def learn(self, rate: float, steps: int) -> tuple[float, float]:
        """What was lost at the beginning, and in the end"""
        random = torch.Generator().manual_seed(self._scheme.seed)
        begun = [turn.clone() for turn in self._all]
        order: list[int] = []
        with self.reading(), torch.enable_grad():
            before = self.lost()
            for step in range(steps):
                order = order or torch.randperm(len(self.part.entering), generator=random).tolist()
                self._step(order.pop(), rate * (1 - step / steps))
            after = self.lost()
        if after < before:
            return before, after
        for turn, value in zip(self._all, begun, strict=True):
            turn.copy_(value)
        return before, before

    def lost(self) -> float:
        """On the whole calibration"""
        with torch.no_grad():
            losses = [float(self._loss(i)) for i in range(len(self.part.entering))]
        return sum(losses) / len(losses)

    def turned(self, place: Place) -> tuple[Tensor, Tensor | None]:
        """Weights and bias as they are rounded"""
        whole = self.whole.to(place.weight)
        weight, bias = place.weight, place.linear.bias
        if place.reads:
            weight = weight @ whole
        if place.behind:
            weight = by_heads(weight, self.heads[place.behind])
        if place.writes:
            weight, bias = whole.T @ weight, None if bias is None else bias @ whole
        if place.before:
            turn = self.heads[place.before]
            weight, bias = by_heads(weight.T, turn).T, None if bias is None else by_heads(bias, turn)
        return weight, bias

    @property
    def _all(self) -> list[Tensor]:
        return [self.whole, *self.heads.values()]

    def _step(self, i: int, rate: float) -> None:
        turns = [turn.requires_grad_() for turn in self._all]
        gradients = torch.autograd.grad(self._loss(i), turns)
        for turn, gradient in zip(turns, gradients, strict=True):
            turn.requires_grad_(False).copy_(stepped(turn.detach(), gradient, rate))

    def _loss(self, i: int) -> Tensor:
        flow, target = self.part.entering[i], self.part.targets[i]
        first, *others = self.part.stages
        out = run_with(first, self._tensors(first), first.take(flow))
        for stage, following in zip(self.part.stages, others, strict=False):
            flow = stage.give(flow, out)
            out = run_with(following, self._tensors(following), following.take(flow))
        off = heard(self.part.stream, out, self.whole.to(out)) - target
        return off.square().sum() / target.square().sum()

    def _tensors(self, stage: Stage) -> dict[str, Tensor]:
        """Its parameters, turned and rounded"""
        tensors: dict[str, Tensor] = {}
        grid = self._scheme.weights
        for name in (name for site in stage.sites for name in site.linears):
            key = (stage.name, name)
            weight, bias = self.turned(self.places[key])
            params = fit_range(spans_of(weight.detach(), grid), grid, self.shares[key], self.shares[key])
            tensors[f"{name}.weight"] = soft_weights(weight, grid, params.scales, params.zeros)
            if bias is not None:
                tensors[f"{name}.bias"] = bias
        return tensors

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What the layers read is rounded, and what is turned online is turned, for a while."""
        bits, entry = self._scheme.activation_bits, self.part.stream.entry
        hooks = [read_through(place.linear, Input(bits, rotation=place.online)) for place in self.places.values()]
        hooks.append(
            entry.register_forward_pre_hook(lambda _module, inputs: (inputs[0] @ self.whole.to(inputs[0]), *inputs[1:]))
        )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def by_heads(x: Tensor, turn: Tensor) -> Tensor:
    """x [.., heads x channels], each head turned"""
    return (x.unflatten(-1, (-1, len(turn))) @ turn.to(x)).flatten(-2)


def share(weight: Tensor, grid: Grid) -> float:
    """Of the extremes, what a search makes the ranges, on average"""
    spans = spans_of(weight, grid)
    return float((searched(spans, grid).scales / divisor(fit_range(spans, grid).scales)).mean())


def stepped(turn: Tensor, gradient: Tensor, rate: float) -> Tensor:
    """Down the gradient, on the manifold"""
    skew = (turn @ gradient.T - gradient @ turn.T) / 2
    size = min(rate, 1 / max(float(torch.linalg.matrix_norm(skew, 1)), SMALLEST))
    one = torch.eye(len(turn), dtype=turn.dtype, device=turn.device)
    return torch.linalg.solve(one - size / 2 * skew, (one + size / 2 * skew) @ turn)
