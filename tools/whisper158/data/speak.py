# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Speech made by voices: a plan that says who reads what and how, and the work of going through it.

The plan is a function of texts and seed alone, and every utterance in it has a number; so several processes can share
it, one can be stopped at any time and go on later, and wherever it stops, voices and lengths are mixed as they should.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from whisper158 import flags
from whisper158.cache import cache_dir
from whisper158.console import say, track
from whisper158.data import audio, austen, texts
from whisper158.data.manifest import Appender, Clip, read
from whisper158.data.voices import Engine
from whisper158.data.voices.flite import Flite
from whisper158.data.voices.kokoro import Kokoro
from whisper158.data.voices.piper import Piper
from whisper158.errors import Usage, die
from whisper158.paths import ROOT
from whisper158.processes import processes, starting

# Texts and evaluation sets that may lie beside the checkout.
SHARED = ROOT.parent / "shared" / "speech"

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class Casting:
    """How an engine is made, how much of the speech is its, and how far its voices are bent.

    A voice played at `warp` times its rate is that of a smaller or larger person; tempo is set apart from that.
    """

    make: Callable[[], Engine]
    share: float
    warp: tuple[float, float]
    speed: tuple[float, float] = (0.85, 1.2)


# Shares of the utterances. Kokoro sounds best and takes most of the time even so; Flite is quick, and worst.
CAST: Mapping[str, Casting] = {
    "kokoro": Casting(Kokoro, 0.12, (0.94, 1.07)),
    "piper": Casting(Piper, 0.43, (0.88, 1.14)),
    "flite": Casting(Flite, 0.45, (0.88, 1.14)),
}

# Shares of utterances that are a few words, and that are several sentences; the others are one sentence.
FEW_WORDS, SEVERAL = 0.1, 0.2

# Several sentences fill this many seconds, roughly.
FILLED = (14.0, 28.0)

# What a voice made of a text is not kept if it is longer than Whisper's window, or if nobody speaks like that.
SHORTEST, WINDOW = 0.3, 30.0
LETTERS_PER_SECOND = (4.0, 30.0)

LEAST_HOURS, MOST_HOURS = 0.001, 1e6
MOST_PROCESSES = 256

# Places in the plan are of this many clips a folder.
FOLDER = 1000


@dataclass(frozen=True)
class Utterance:
    """`voice` and `tempo` are numbers from 0 to 1 that choose from what the engine has."""

    id: str
    number: int
    engine: str
    text: str
    voice: float
    speed: float
    warp: float


def plan(sentences: Sequence[str], seed: int, engines: Sequence[str]) -> Iterator[Utterance]:
    """Who reads which of `sentences` (each at most once as a sentence); it ends when they have all been read."""
    rng = np.random.default_rng(seed)
    single = iter([sentences[i] for i in rng.permutation(len(sentences))])
    pieces = sorted({piece for sentence in sentences for piece in texts.clauses(sentence)})
    short = iter([pieces[i] for i in rng.permutation(len(pieces))])
    shares = np.array([CAST[name].share for name in engines])
    recipe = "\n".join([f"{seed} {engines} {shares}", *sentences])
    prefix = hashlib.sha256(recipe.encode()).hexdigest()[:6]
    for number in itertools.count():
        engine = engines[int(rng.choice(len(engines), p=shares / shares.sum()))]
        kind, voice, speed, warp, fill = map(float, rng.random(5))
        text = next(short, None) if kind < FEW_WORDS else next(single, None)
        if text is None:
            return
        if kind > 1 - SEVERAL:
            text = " ".join([text, *_more(single, texts.seconds(text), _between(FILLED, fill))])
        cast = CAST[engine]
        yield Utterance(
            f"{prefix}-{number:06}", number, engine, text, voice, _between(cast.speed, speed), _between(cast.warp, warp)
        )


def _more(sentences: Iterator[str], filled: float, wanted: float) -> Iterator[str]:
    """Sentences for as long as they fit into `wanted` seconds; one that does not is lost, which spares going back."""
    for sentence in sentences:
        filled += texts.seconds(sentence)
        if filled > wanted:
            return
        yield sentence


def _between(limits: tuple[float, float], place: float) -> float:
    low, high = limits
    return low + (high - low) * place


@dataclass(frozen=True)
class Job:
    sentences: tuple[str, ...]
    folder: Path
    engines: tuple[str, ...]
    hours: float
    processes: int
    seed: int

    def plan(self) -> Iterator[Utterance]:
        return plan(self.sentences, self.seed, self.engines)


def job(
    out: str, files: Sequence[str], against: Sequence[str], engines: str, hours: str, processes: str, seed: int
) -> Job:
    """What is meant by the flags of `./inv model.data.speak`."""
    names = tuple(flags.choice("--engines", name, CAST) for name in flags.words("--engines", engines))
    amount = flags.number("--hours", hours, LEAST_HOURS, MOST_HOURS)
    number = flags.whole("--processes", processes, 1, MOST_PROCESSES)
    if seed < 0:
        raise Usage(f"--seed {seed} is less than 0")
    folder = flags.out_folder("--out", out) if out else cache_dir() / "speech" / "synthetic"
    sentences = to_read(files, against)
    if not sentences:
        die("there is no sentence to speak", "a text has one sentence a line, of 2 words or more, in plain letters")
    return Job(sentences, folder, names, amount, number, seed)


def to_read(files: Sequence[str] = (), against: Sequence[str] = ()) -> tuple[str, ...]:
    """The sentences of `files`, by default of all texts at hand, but for those of evaluation sets."""
    examined = [Path(name) for name in against] or sorted(SHARED.glob("eval/*/manifest.jsonl"))
    overlap = texts.Overlap(clip for manifest in examined for clip in read(manifest))
    return texts.suitable(texts.read([Path(name) for name in files]) if files else _default_texts(), overlap)


def _default_texts() -> Iterator[str]:
    return itertools.chain(texts.read(sorted(SHARED.glob("text/*.txt"))), austen.sentences())


def speak(job: Job) -> None:
    """Speaks into `job.folder`/ENGINE until there are as many hours as asked for, or no more text."""
    for name in job.engines:
        CAST[name].make()  # fetches what it needs, once and before several processes start
    limit = _count(job)
    if job.processes == 1:
        _work(job, limit, 0)
        return
    with processes(job.processes) as pool:
        with starting():
            parts = [pool.submit(_work, job, limit, index) for index in range(job.processes)]
        for part in as_completed(parts):
            part.result()


def _count(job: Job) -> int:
    """How many utterances of the plan make the hours, going by the texts."""
    total, count = 0.0, 0
    for utterance in job.plan():
        if total >= job.hours * 3600:
            break
        total += texts.seconds(utterance.text) / utterance.speed
        count += 1
    return count


def _work(job: Job, limit: int, index: int) -> None:
    """Speaks every utterance of the plan's first `limit` that is process `index`'s and is not there."""
    done = {name: _spoken(job.folder / name / MANIFEST) for name in job.engines}
    mine = (u for u in itertools.islice(job.plan(), limit) if u.number % job.processes == index)
    todo = [utterance for utterance in mine if utterance.id not in done[utterance.engine]]
    if index == 0:
        of = f"a {job.processes}th of " if job.processes > 1 else ""
        say(f"{len(todo)} utterances of {of}{limit} are to be spoken into {job.folder}")
    for utterance in track(todo, "Speaking") if index == 0 else todo:
        _perform(utterance, job.folder / utterance.engine)


def _spoken(manifest: Path) -> set[str]:
    return {clip.id for clip in read(manifest)} if manifest.exists() else set()


def _perform(utterance: Utterance, folder: Path) -> None:
    engine = _engine(utterance.engine)
    voice = engine.voices[int(utterance.voice * len(engine.voices))]
    sound, rate = engine.speak(utterance.text, voice, utterance.speed / utterance.warp)
    # Rates in whole hundreds keep the resampling's blocks short.
    sound = audio.resample(sound, 100 * round(rate * utterance.warp / 100), audio.SAMPLE_RATE)
    seconds = len(sound) / audio.SAMPLE_RATE
    if not plausible(utterance.text, seconds):
        return
    path = folder / f"{utterance.number // FOLDER:03}" / f"{utterance.id}.opus"
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.save(path, sound * np.float32(min(1, 0.95 / max(float(abs(sound).max()), 1e-6))))
    with Appender(folder / MANIFEST) as manifest:
        speaker = f"{engine.name}-{voice}"
        manifest.add(Clip(utterance.id, path, utterance.text, speaker, seconds, engine.licence, engine.source))


def plausible(text: str, seconds: float) -> bool:
    slow, fast = LETTERS_PER_SECOND
    # Half a second of silence around the words is usual.
    return SHORTEST <= seconds <= WINDOW and len(text) / fast <= seconds <= 1 + len(text) / slow


@cache
def _engine(name: str) -> Engine:
    return CAST[name].make()
