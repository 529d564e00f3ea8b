# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""All figures of an evaluation, and each model's beside the first one's."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whisper158.evaluate.accuracy.cells import Cell
from whisper158.evaluate.accuracy.contexts import FULL, AudioContext
from whisper158.evaluate.accuracy.figures import Agreement, Figures, agreement, compare, figures
from whisper158.evaluate.accuracy.listeners import Through
from whisper158.evaluate.accuracy.sets import Set
from whisper158.evaluate.wer import Difference

HOW: Mapping[Through, str] = {"runtime": "", "pytorch": ", PyTorch", "shaken": ", PyTorch, shaken"}
# What one's texts are compared with.
JUDGE: Mapping[Through, Through] = {"runtime": "pytorch", "pytorch": "shaken"}


@dataclass(frozen=True)
class Plan:
    """`sets`: none means all that there are. `clips`: of each set; 0 means all."""

    models: tuple[str, ...]
    sets: tuple[str, ...]
    contexts: tuple[AudioContext, ...]
    through: tuple[Through, ...]
    clips: int
    threads: int
    out: Path


@dataclass(frozen=True)
class Model:
    name: str
    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Place:
    """One cell of the table: who hears what, how."""

    model: Model
    set: Set
    context: AudioContext
    through: Through

    def __str__(self) -> str:
        return f"{self.model.name} hears {self.set.name}, context {self.context.name}{HOW[self.through]}"


@dataclass(frozen=True)
class Row:
    """`versus_first`: error rate less the first model's in the same place. `versus_full`: less the model's own with
    its full context."""

    place: Place
    figures: Figures
    versus_first: Difference | None
    versus_full: Difference | None
    agreement: Agreement | None  # with what JUDGE says


@dataclass(frozen=True)
class Results:
    rows: tuple[Row, ...]

    @property
    def models(self) -> list[Model]:
        return list(dict.fromkeys(row.place.model for row in self.rows))

    @property
    def sets(self) -> list[Set]:
        return list({row.place.set.name: row.place.set for row in self.rows}.values())

    def of(self, name: str) -> list[Row]:
        """A set's rows."""
        return [row for row in self.rows if row.place.set.name == name]

    def as_json(self) -> str:
        whole = {
            "models": [{"name": m.name, "sha256": m.sha256, "bytes": m.size} for m in self.models],
            "sets": [
                {"name": s.name, "sha256": s.sha256, "clips": len(s.utterances), "seconds": s.seconds}
                for s in self.sets
            ],
            "rows": [row_as_json(row) for row in self.rows],
        }
        return json.dumps(whole, indent=1) + "\n"


def row_as_json(row: Row) -> dict[str, Any]:
    place, score = row.place, row.figures.score
    rate = {"score": {**asdict(score), "rate": score.rate}} if score else {}
    return {
        "model": place.model.name,
        "set": place.set.name,
        "context": place.context.name,
        "through": place.through,
        **asdict(row.figures),
        **rate,
        "versus_first": asdict(row.versus_first) if row.versus_first else None,
        "versus_full": asdict(row.versus_full) if row.versus_full else None,
        "agreement": {**asdict(row.agreement), "share": row.agreement.share} if row.agreement else None,
    }


def collect(places: Sequence[Place], cells: Sequence[Cell]) -> Results:
    known = {coordinates(place): cell for place, cell in zip(places, cells, strict=True)}
    first = places[0].model.name

    def beside(place: Place, **other: str) -> Cell | None:
        """The cell that differs from the place's own in this; None where that is the place itself, or there is none."""
        there = {**coordinates_by_name(place), **other}
        wanted = tuple(there.values())
        return None if wanted == coordinates(place) else known.get(wanted)

    def row(place: Place, cell: Cell) -> Row:
        one, full = beside(place, model=first), beside(place, context=FULL.name)
        other = beside(place, through=JUDGE[place.through]) if place.through in JUDGE else None
        return Row(
            place=place,
            figures=figures(place.set, cell),
            versus_first=compare(place.set, cell, one) if one else None,
            versus_full=compare(place.set, cell, full) if full else None,
            agreement=agreement(cell, other) if other else None,
        )

    return Results(tuple(row(place, cell) for place, cell in zip(places, cells, strict=True)))


def coordinates(place: Place) -> tuple[str, ...]:
    return tuple(coordinates_by_name(place).values())


def coordinates_by_name(place: Place) -> dict[str, str]:
    return {
        "model": place.model.name,
        "set": place.set.name,
        "context": place.context.name,
        "through": place.through,
    }
