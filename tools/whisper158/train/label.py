# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Texts for recordings that have none, by a float model: with case and punctuation, as Whisper writes.

What a teacher says in error is learned as well, above all its loops. So a text that nobody can have said is refused and
its clip goes, with the reason, to a second file. Both files grow clip by clip, and an interrupted run goes on.
"""

import importlib
import json
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from whisper158 import flags, needs
from whisper158.build import runtime
from whisper158.console import say, track
from whisper158.data.audio import samples
from whisper158.data.manifest import Appender, Clip, read
from whisper158.data.texts import normal
from whisper158.errors import die
from whisper158.evaluate import wer
from whisper158.evaluate.accuracy import signs
from whisper158.evaluate.engine import Engine, Segment
from whisper158.model import models, random
from whisper158.model.fetch import MODELS
from whisper158.model.load import on_hub

REJECTED = "rejected.jsonl"

# A clip in which fewer are said is mostly something else.
WORDS_PER_SECOND = 0.25

# Text that zlib shortens to less than 1 / 2.4 repeats itself: Whisper's own threshold, as is that of the probability.
COMPRESSION = 2.4
LOG_PROBABILITY = -1.0

# Clips that are heard at a time
TOGETHER = {"runtime": 1, "pytorch": 16}


# What is heard of a clip: the text, and the runtime's segments where it was the runtime that listened.
Heard = tuple[str, Sequence[Segment]]
Listener = Callable[[Sequence[Clip]], list[Heard]]


def label(manifests: Sequence[Path], out: Path, model: str, through: str = "runtime", agree: str = "") -> None:
    """Writes the clips of `manifests` to `out`, each with a text: its own, or what `model` hears.

    through: "runtime" for a packed model, clip by clip; "pytorch" for a float checkpoint, many clips at a time.
    agree: where it is given, clips with a text get the model's too, for case and punctuation, if that is no more than
    so many percent wrong by theirs.
    """
    if not manifests:
        die("model.data.label needs a manifest", "./inv model.data.label FILE")
    limit = _limit(agree)
    flags.out_file("--out", out, make_folder=True)
    refused = out.with_name(f"{out.stem}.{REJECTED}")
    for name in (out, refused):
        flags.distinct("--out", name, manifests)
    if limit is not None:
        needs.python("evaluate")
    clips = [replace(clip, id=f"{path.parent.name}/{clip.id}") for path in manifests for clip in read(path)]
    if len({clip.id for clip in clips}) < len(clips):
        die("two of the manifests lie in folders of the same name", "write them to two files")
    if not _left(clips, out, refused):
        say(f"{out} has all of the {len(clips)} clips")
        return
    with LISTENERS[through](model) as listener, Appender(out, alone=True) as labelled, Appender(refused) as rejected:
        todo = _left(clips, out, refused)
        count = TOGETHER[through]
        together = [todo[start : start + count] for start in range(0, len(todo), count)]
        kept = sum(_label(some, listener, model, limit, labelled, rejected) for some in track(together, "Labelling"))
    say(f"{kept} of {len(todo)} clips have a text; {refused.name} says why the others have none")


def check_model(model: str, through: str) -> None:
    """Raises UserError for what no listener can be made of, and fetches nothing."""
    flags.choice("--through", through, LISTENERS)
    if through == "runtime":
        models.check(model)
    elif not (model in MODELS or model in random.NAMES or on_hub(model) or os.path.exists(os.path.expanduser(model))):
        die(f"--model {flags.brief(model)} is no checkpoint", f"through pytorch it is {', '.join(MODELS)}, or a path")


def _limit(agree: str) -> float | None:
    """The greatest word error rate that `agree` allows; None where only clips without a text are to be heard."""
    if not agree:
        return None
    return flags.number("--agree", agree, 0, 100) / 100


def _label(
    clips: Sequence[Clip], listener: Listener, model: str, limit: float | None, labelled: Appender, rejected: Appender
) -> int:
    """How many of `clips` got a text"""
    to_hear = [clip for clip in clips if clip.text is None or limit is not None]
    heard = dict(zip([clip.id for clip in to_hear], listener(to_hear), strict=True)) if to_hear else {}
    kept = 0
    for clip in clips:
        if clip.id in heard:
            text, segments = _line(heard[clip.id][0]), heard[clip.id][1]
            if reason := fault(text, clip.seconds, segments) or disagreement(text, clip.text, limit):
                rejected.add_line({"id": clip.id, "reason": reason, "text": text})
                continue
            clip = replace(clip, text=text, source=f"{clip.source}; text by {model}")
        labelled.add(clip)
        kept += 1
    return kept


def disagreement(text: str, transcript: str | None, limit: float | None) -> str | None:
    """How far `text` is from what somebody else wrote down, if that is further than `limit`."""
    if transcript is None or limit is None:
        return None
    if not normal(transcript):
        return "its transcript says nothing"
    # Without the interval that word_error_rate() adds: it takes a thousand samples, and of one clip it says nothing.
    (count,) = wer.errors([transcript], [text])
    rate = float(count[1:].sum() / count[0])
    return f"{rate:.0%} off its transcript" if rate > limit else None


def _line(text: str) -> str:
    """On one line, whatever a model may say."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


@contextmanager
def _runtime(model: str) -> Iterator[Listener]:
    with Engine(runtime.shared_library(), models.ensure(model)) as engine:

        def listen(clips: Sequence[Clip]) -> list[Heard]:
            all_segments = [engine.transcribe(samples(clip), language="en") for clip in clips]
            return [(" ".join(segment.text for segment in segments), segments) for segments in all_segments]

        yield listen


@contextmanager
def _pytorch(model: str) -> Iterator[Listener]:
    needs.python("train")
    speaking = importlib.import_module("whisper158.train.speak")
    with speaking.listener(model) as transcribe:
        yield lambda clips: [(text, ()) for text in transcribe(clips)]


LISTENERS: Mapping[str, Callable[[str], AbstractContextManager[Listener]]] = MappingProxyType(
    {"runtime": _runtime, "pytorch": _pytorch}
)


def fault(text: str, seconds: float, segments: Sequence[Segment]) -> str | None:
    """Why `text` cannot be what is said in `seconds` of sound; None if it can."""
    words = normal(text).split()
    if not words:
        return "nothing heard"
    if any(segment.repetition for segment in segments) or signs.loops(text):
        return "it repeats itself"
    if len(text) / len(zlib.compress(text.encode())) > COMPRESSION:
        return "it compresses too well"
    if signs.runs_away(text, seconds):
        return "too many words for its length"
    if len(words) < math.floor(WORDS_PER_SECOND * seconds) - 1:
        return "too few words for its length"
    if any(segment.avg_logprob < LOG_PROBABILITY for segment in segments):
        return "the model is not sure"
    return None


def _left(clips: Sequence[Clip], out: Path, refused: Path) -> list[Clip]:
    """Those that are in neither file yet, by length, for clips that are heard together should be of like length."""
    done = _ids(refused) | ({clip.id for clip in read(out)} if out.exists() else set())
    return sorted((clip for clip in clips if clip.id not in done), key=lambda clip: clip.seconds)


def _ids(rejected: Path) -> set[str]:
    if not rejected.exists():
        return set()
    try:
        return {str(json.loads(line)["id"]) for line in rejected.read_text().splitlines()}
    except (ValueError, KeyError, TypeError, OSError):
        die(f"{rejected} is damaged", "remove it, and its clips are heard again")
