# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From single runs to figures, ratios to ours, and what the project set out to reach."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from whisper158.evaluate.bench.lineup import (
    AVX2,
    CTRANSLATE2,
    FULL,
    OURS,
    REFERENCE,
    SMALLEST,
    WHISPERCPP,
    Contestant,
    fitted,
)
from whisper158.evaluate.bench.stopwatch import STAGES
from whisper158.evaluate.bench.store import Store

Clock = Literal["cpu", "wall"]
CLOCKS: tuple[Clock, ...] = ("cpu", "wall")
FIGURES = (*STAGES, "token", "total")


@dataclass(frozen=True)
class Spread:
    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Entry:
    """A contestant's figures: seconds[clock][figure] has one value for each round; memory is in bytes.

    `base_rss` is what the process held before it opened the model: an interpreter and its libraries, of the peers.
    """

    contestant: Contestant
    seconds: Mapping[Clock, Mapping[str, tuple[float, ...]]]
    peak_rss: int
    base_rss: int
    about: Mapping[str, Any]

    def best(self, figure: str, clock: Clock = "cpu") -> float:
        return min(self.seconds[clock][figure])


@dataclass(frozen=True)
class Target:
    """`value` is how many times better than the peer, or megabytes where `most`; None where it was not measured."""

    name: str
    at_least: float
    aim: float
    value: float | None
    spread: Spread | None = None
    unit: str = "x"
    most: bool = False
    note: str = ""

    @property
    def state(self) -> str:
        if self.value is None:
            return "not measured"
        if self._meets(self.aim):
            return "aim reached"
        if self._meets(self.at_least):
            return "reached"
        by = self.value / self.at_least - 1 if self.most else 1 - self.value / self.at_least
        return f"MISSED by {by:.0%}"

    def _meets(self, bar: float) -> bool:
        assert self.value is not None
        return self.value <= bar if self.most else self.value >= bar


@dataclass(frozen=True)
class Results:
    entries: Sequence[Entry]
    targets: Sequence[Target]
    machine: Mapping[str, Any]
    noise: Mapping[str, Any]
    setting: Mapping[str, Any]

    def ours(self, peer: Contestant) -> Entry | None:
        """The entry that `peer` is compared with: the same model, context and threads."""
        return find(self.entries, OURS, peer.model, REFERENCE, peer.context, peer.threads)

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": dict(self.machine),
            "noise": dict(self.noise),
            "setting": dict(self.setting),
            "entries": [self._entry_json(entry) for entry in self.entries],
            "targets": [{**asdict(target), "state": target.state} for target in self.targets],
        }

    def _entry_json(self, entry: Entry) -> dict[str, Any]:
        told = {
            **asdict(entry.contestant),
            "checkpoint": entry.contestant.checkpoint,
            "seconds": {
                clock: {figure: asdict(Spread.of(values)) for figure, values in figures.items()}
                for clock, figures in entry.seconds.items()
            },
            "peak_rss": entry.peak_rss,
            "base_rss": entry.base_rss,
            "about": dict(entry.about),
        }
        if (own := self.ours(entry.contestant)) is not None and own is not entry:
            told["ratio_to_ours"] = {
                **{figure: asdict(ratio(entry, own, figure)) for figure in FIGURES},
                "peak_rss": entry.peak_rss / own.peak_rss,
            }
        return told


def collect(
    everyone: Sequence[Contestant],
    store: Store,
    rounds: int,
    machine: Mapping[str, Any],
    noise: Mapping[str, Any],
    setting: Mapping[str, Any],
) -> Results:
    entries = [entry_of(contestant, store, rounds, setting["tokens"]) for contestant in everyone]
    return Results(entries, targets(entries, setting["seconds"]), machine, noise, setting)


def entry_of(contestant: Contestant, store: Store, rounds: int, tokens: int) -> Entry:
    done = [line["result"] for round in range(rounds) if (line := store.get(contestant.key, round))]
    seconds = {clock: figures([result["stages"] for result in done], clock, tokens) for clock in CLOCKS}
    last = done[-1]
    return Entry(
        contestant,
        seconds,
        peak_rss=max(result["memory"]["peak_rss"] for result in done),
        base_rss=max(result["memory"].get("base_rss", 0) for result in done),
        about=last.get("about") or {"version": last["version"], "kernels": last["kernels"]},
    )


def figures(runs: Sequence[Mapping[str, Any]], clock: Clock, tokens: int) -> dict[str, tuple[float, ...]]:
    """Seconds by stage, of one token, and of a transcription, each with a value for each run."""
    stages = {stage: tuple(run[stage]["min"][clock] for run in runs) for stage in STAGES}
    total = tuple(map(sum, zip(*stages.values(), strict=True)))
    return {**stages, "token": tuple(t / tokens for t in stages["tokens"]), "total": total}


def ratio(peer: Entry, own: Entry, figure: str, clock: Clock = "cpu") -> Spread:
    """How many times longer the peer takes, round by round."""
    pairs = zip(peer.seconds[clock][figure], own.seconds[clock][figure], strict=True)
    return Spread.of([theirs / ours for theirs, ours in pairs])


def find(
    entries: Sequence[Entry], engine: str, model: str, form: str, context: int, threads: int | None = None
) -> Entry | None:
    """Where `threads` is not given, the first."""
    for entry in entries:
        c = entry.contestant
        if (c.engine, c.model, c.format, c.context) == (engine, model, form, context) and threads in (None, c.threads):
            return entry
    return None


# ---------------------------------------------------------------------------------------------------- what to reach


def targets(entries: Sequence[Entry], seconds: float) -> list[Target]:
    """The table "To reach" of the project, row by row."""
    short = fitted(seconds)

    def ours(model: str, context: int = FULL, form: str = REFERENCE) -> Entry | None:
        return find(entries, OURS, model, form, context)

    def theirs(model: str, form: str) -> Entry | None:
        return find(entries, CTRANSLATE2 if form == "int8" else WHISPERCPP, model, form, FULL)

    def faster(
        name: str, bars: tuple[float, float], own: Entry | None, peer: Entry | None, figure: str, note: str = ""
    ) -> Target:
        spread = ratio(peer, own, figure) if peer and own else None
        return Target(name, *bars, spread.median if spread else None, spread, note=note)

    def memory(context: int, bars: tuple[float, float]) -> Target:
        own, smallest = ours("small", context), ours("small", context, SMALLEST)
        note = f"{SMALLEST}, with a 4-bit head, {smallest.peak_rss / 1e6:.1f} MB" if smallest else ""
        value = own.peak_rss / 1e6 if own else None
        return Target(f"small, peak RSS at {context} frames", *bars, value, unit="MB", most=True, note=note)

    small = ours("small")
    rows = [
        faster("small, encode 1500 frames, vs Q4_0", (2.3, 4), small, theirs("small", "Q4_0"), "encode"),
        faster("small, encode 1500 frames, vs F16", (3.5, 6), small, theirs("small", "F16"), "encode"),
        faster("small, per token, vs Q4_0", (4, 6), small, theirs("small", "Q4_0"), "token"),
        faster("small, per token, vs F16", (4.5, 7), small, theirs("small", "F16"), "token"),
        faster(
            f"small, {seconds:g} s with {short} frames, vs Q4_0 as its users run it",
            (8, 12),
            ours("small", short),
            theirs("small", "Q4_0"),
            "total",
            "spectrogram to last token; whisper.cpp with its 1500 frames",
        ),
        memory(FULL, (100, 70)),
        memory(short, (80, 52)),
    ]
    for model in ("base", *(model for model in models_of(entries) if model.startswith("tiny"))):
        note = "its encode() leaves out the decoder's keys and values, ours has them"
        own = find(entries, OURS, model, f"{REFERENCE}{AVX2}", FULL)
        peer = find(entries, CTRANSLATE2, model, f"int8{AVX2}", FULL)
        if own and peer:
            note += f"; both kept to AVX2, {ratio(peer, own, 'encode').median:.2f} x"
        rows.append(
            faster(f"{model}, encode vs CTranslate2 int8", (1, 2), ours(model), theirs(model, "int8"), "encode", note)
        )
    return [*rows, *threads_targets(entries)]


def threads_targets(entries: Sequence[Entry]) -> list[Target]:
    """Point 5: more threads than processors must not cost processor time."""
    rows = []
    for entry in entries:
        c = entry.contestant
        one = find(entries, OURS, c.model, c.format, c.context, 1)
        if c.engine == OURS and c.threads > 1 and one is not None:
            spread = ratio(entry, one, "total")
            name = f"{c.model}, processor time with {c.threads} threads to that with 1"
            rows.append(Target(name, 1.15, 1.15, spread.median, spread, most=True))
    return rows


def models_of(entries: Sequence[Entry]) -> list[str]:
    return list(dict.fromkeys(entry.contestant.model for entry in entries))
