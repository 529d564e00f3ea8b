# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv model.evaluate`: each model hears each set with each audio context, and what it says is judged.

The first model is the one that the others are compared with.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from whisper158 import flags, needs, whole
from whisper158.console import console, duration, say
from whisper158.errors import UserError, die
from whisper158.evaluate.accuracy import contexts, listeners, plot, pytorch, report, sets
from whisper158.evaluate.accuracy.cells import Cell, Key, Said, Store
from whisper158.evaluate.accuracy.listeners import Listener, Through
from whisper158.evaluate.accuracy.results import Model, Place, Plan, Results, collect
from whisper158.evaluate.accuracy.sets import Utterance
from whisper158.model import models
from whisper158.units import MAX_THREADS

THROUGH: Mapping[str, tuple[Through, ...]] = {
    "runtime": ("runtime",),
    "pytorch": ("pytorch",),
    "both": ("runtime", "pytorch"),
    "all": ("runtime", "pytorch", "shaken"),
}


def plan(
    models: Sequence[str], sets: str, audio_context: str, through: str, clips: str, threads: str, out: str
) -> Plan:
    """The flags, checked."""
    if not models:
        die("model.evaluate needs a model", "./inv model.evaluate tiny.en-q8")
    windows = [contexts.parse(word) for word in flags.words("--audio-context", audio_context)]
    return Plan(
        models=tuple(dict.fromkeys(models)),
        sets=tuple(flags.words("--sets", sets) if sets else ()),
        contexts=tuple(dict.fromkeys(windows)),
        through=THROUGH[flags.choice("--through", through, THROUGH)],
        clips=flags.whole("--clips", clips, 0, 1_000_000),
        threads=flags.whole("--threads", threads, 1, MAX_THREADS),
        out=flags.out_folder("--out", out),
    )


def judged(plan: Plan) -> Plan:
    """`plan`, if there is all that it names; nothing is fetched for that."""
    for word in plan.models:
        models.check(word)
    for word in plan.sets:
        sets.check(word)
    return plan


def evaluate(plan: Plan) -> Results:
    """Hears what was not heard yet, then shows, writes and draws what came out."""
    needs.python("evaluate")
    if plan.through != ("runtime",):
        needs.python("oracle")
    store = Store(plan.out)
    chosen = [model(word) for word in plan.models]
    if len({model.name for model in chosen}) < len(chosen):
        die("two models have the same name", "Rename a file: results are shown by their names.")
    found = [sets.find(word, plan.clips) for word in plan.sets or sets.default()]
    if len({one.name for one in found}) < len(found):
        die("two sets have the same name", "Rename a folder: results are shown by their names.")
    places = [
        Place(model, one, context, through)
        for through in plan.through
        for one in found
        for model in chosen
        for context in plan.contexts
    ]
    results = collect(places, hear_all(places, store, plan.threads))
    publish(results, plan.out)
    return results


def model(word: str) -> Model:
    path = models.ensure(word)
    return Model(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def hear_all(places: Sequence[Place], store: Store, threads: int) -> list[Cell]:
    """A cell for each place: from the store, or heard now."""
    programs = {through: program(through) for through in {place.through for place in places}}
    keys = [key(place, programs[place.through]) for place in places]
    cells = [store.get(key, place.set.ids) for key, place in zip(keys, places, strict=True)]
    total = sum(len(place.set.utterances) for place, cell in zip(places, cells, strict=True) if cell is None)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} clips"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        return [
            cell or hear(place, key, store, threads, progress, task)
            for place, key, cell in zip(places, keys, cells, strict=True)
        ]


def program(through: Through) -> str:
    """Stands for the code that listens: with other code the same model may say other words."""
    if through == "runtime":
        return hashlib.sha256(listeners.library().read_bytes()).hexdigest()
    versions = {name: metadata.version(name) for name in ("torch", "openai-whisper")}
    return hashlib.sha256(pytorch.source() + json.dumps(versions).encode()).hexdigest()


def key(place: Place, program: str) -> Key:
    return Key(place.model.sha256, place.set.sha256, place.context.name, place.through, program)


def hear(place: Place, key: Key, store: Store, threads: int, progress: Progress, task: TaskID) -> Cell:
    progress.update(task, description=str(place))
    began, cpu = time.monotonic(), time.process_time()
    said = []
    with listener(place, threads) as listening:
        for utterance in place.set.utterances:
            said.append(hear_one(place, utterance, listening))
            progress.advance(task)
    cell = Cell(tuple(said), time.process_time() - cpu)
    store.add(key, cell, {"model": place.model.name, "set": place.set.name})
    if not console.is_terminal:
        say(f"{place} ({duration(time.monotonic() - began)})")
    return cell


def hear_one(place: Place, utterance: Utterance, listening: Listener) -> Said:
    samples = utterance.load()
    try:
        heard = listening.hear(samples)
    except UserError as error:
        die(f"{place}: clip {utterance.id}: {error.message}", error.hint)
    return Said(utterance.id, heard.text if heard else None, heard.repetition if heard else False)


def listener(place: Place, threads: int) -> AbstractContextManager[Listener]:
    if place.through == "runtime":
        return listeners.through_runtime(place.model.path, place.context, threads)
    return pytorch.through_pytorch(place.model.path, place.context, threads, shaken=place.through == "shaken")


def publish(results: Results, out: Path) -> None:
    report.show(results)
    written = [out / "results.json", out / "results.md"]
    for path, text in zip(written, (results.as_json(), report.markdown(results)), strict=True):
        whole.write(path, text)
    written += plot.draw(results, out / "accuracy")
    say(f"written: {', '.join(map(str, written))}")
