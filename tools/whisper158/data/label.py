# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Texts for recordings that have none, by a float model: with case and punctuation, as Whisper writes.

What a teacher says in error is learned as well, above all its loops. So a text that nobody can have said is refused and
its clip goes, with the reason, to a second file. Both files grow clip by clip, and an interrupted run goes on.
"""

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from whisper158.build import runtime
from whisper158.console import say, track
from whisper158.data.audio import samples
from whisper158.data.manifest import Appender, Clip, read
from whisper158.data.texts import normal
from whisper158.errors import die
from whisper158.evaluate.engine import Engine, Segment
from whisper158.model import models

REJECTED = "rejected.jsonl"

# Nobody speaks faster than this, and a clip in which so little is said is mostly something else.
WORDS_PER_SECOND = (0.25, 4.5)
FEW_WORDS = 5

# Text that zlib shortens to less than 1 / 2.4 repeats itself: Whisper's own threshold, as is that of the probability.
COMPRESSION = 2.4
LOG_PROBABILITY = -1.0

# A run of up to 6 words that comes so often in a row is a loop.
LONGEST_RUN, REPEATED = 6, 4


def label(manifests: Sequence[Path], out: Path, model: str) -> None:
    """Writes the clips of `manifests` to `out`, each with a text: its own, or what `model` hears."""
    if not manifests:
        die("model.data.label needs a manifest", "./inv model.data.label FILE")
    clips = [replace(clip, id=f"{path.parent.name}/{clip.id}") for path in manifests for clip in read(path)]
    if len({clip.id for clip in clips}) < len(clips):
        die("two of the manifests lie in folders of the same name", "write them to two files")
    refused = out.with_name(f"{out.stem}.{REJECTED}")
    done = _ids(refused) | ({clip.id for clip in read(out)} if out.exists() else set())
    todo = [clip for clip in clips if clip.id not in done]
    if not todo:
        say(f"{out} has all of the {len(clips)} clips")
        return
    with (
        Engine(runtime.shared_library(), models.ensure(model)) as engine,
        Appender(out) as labelled,
        Appender(refused) as rejected,
    ):
        kept = sum(_label(clip, engine, model, labelled, rejected) for clip in track(todo, "Labelling"))
    say(f"{kept} of {len(todo)} clips have a text; {refused.name} says why the others have none")


def _label(clip: Clip, engine: Engine, model: str, labelled: Appender, rejected: Appender) -> bool:
    if clip.text is None:
        segments = engine.transcribe(samples(clip), language="en")
        text = " ".join(" ".join(segment.text for segment in segments).split())
        if reason := fault(text, clip.seconds, segments):
            rejected.add_line({"id": clip.id, "reason": reason, "text": text})
            return False
        clip = replace(clip, text=text, source=f"{clip.source}; text by {model}")
    labelled.add(clip)
    return True


def fault(text: str, seconds: float, segments: Sequence[Segment]) -> str | None:
    """Why `text` cannot be what is said in `seconds` of sound; None if it can."""
    words = normal(text).split()
    slow, fast = WORDS_PER_SECOND
    if not words:
        return "nothing heard"
    if any(segment.repetition for segment in segments) or loops(words):
        return "it repeats itself"
    if len(text) / len(zlib.compress(text.encode())) > COMPRESSION:
        return "it compresses too well"
    if len(words) > math.ceil(fast * seconds) + FEW_WORDS:
        return "too many words for its length"
    if len(words) < math.floor(slow * seconds) - 1:
        return "too few words for its length"
    if min(segment.avg_logprob for segment in segments) < LOG_PROBABILITY:
        return "the model is not sure"
    return None


def loops(words: Sequence[str]) -> bool:
    """Whether some run of words follows itself again and again; one word may do so more often than several."""
    for length in range(1, LONGEST_RUN + 1):
        span = length * (REPEATED if length > 1 else 2 * REPEATED)
        for start in range(len(words) - span + 1):
            if all(words[i] == words[i + length] for i in range(start, start + span - length)):
                return True
    return False


def _ids(rejected: Path) -> set[str]:
    if not rejected.exists():
        return set()
    try:
        return {str(json.loads(line)["id"]) for line in rejected.read_text().splitlines()}
    except (ValueError, KeyError, TypeError, OSError):
        die(f"{rejected} is damaged", "remove it, and its clips are heard again")
