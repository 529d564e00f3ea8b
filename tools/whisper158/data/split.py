# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Train, dev and test sets that have no speaker in common, the same ones for the same seed."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisper158 import flags
from whisper158.console import say
from whisper158.data.manifest import Clip, read, write
from whisper158.data.texts import Overlap
from whisper158.errors import Usage, die

NAMES = ("train", "dev", "test")
Sets = Mapping[str, Sequence[Clip]]


@dataclass(frozen=True)
class Job:
    manifests: tuple[Path, ...]
    out: Path
    dev: float
    test: float
    seed: int
    against: tuple[Path, ...]


def job(manifests: Sequence[str], out: str, dev: str, test: str, seed: int, against: Sequence[str]) -> Job:
    """What is meant by the flags of `./inv model.data.split`."""
    if not manifests:
        die("model.data.split needs a manifest", "./inv model.data.split FILE")
    dev_share, test_share = flags.number("--dev", dev, 0, 1), flags.number("--test", test, 0, 1)
    if dev_share + test_share >= 1:
        raise Usage(f"--dev {dev} and --test {test} leave nobody to train on", "together they must be less than 1")
    folder = flags.out_folder("--out", out)
    read_from = tuple(Path(name) for name in (*manifests, *against))
    for name in NAMES:
        flags.distinct("--out", folder / f"{name}.jsonl", read_from)
    return Job(tuple(map(Path, manifests)), folder, dev_share, test_share, seed, tuple(map(Path, against)))


def split_files(job: Job) -> None:
    """Writes train.jsonl, dev.jsonl and test.jsonl, of which the first has nothing of the evaluation sets `against`."""
    sets = split([clip for manifest in job.manifests for clip in read(manifest)], job.dev, job.test, job.seed)
    examined = {str(manifest): read(manifest) for manifest in job.against}
    # Two evaluation sets may well share speakers, as they are not learned from.
    for name, others in examined.items():
        refuse_overlap({**sets, name: others})
    refuse_same_texts(sets["train"], [clip for clips in examined.values() for clip in clips])
    for name, clips in sets.items():
        write(job.out / f"{name}.jsonl", clips)
        speakers, hours = len({clip.speaker for clip in clips}), sum(clip.seconds for clip in clips) / 3600
        say(f"{job.out / name}.jsonl: {len(clips)} clips, {speakers} speakers, {hours:.2f} h")


def split(clips: Sequence[Clip], dev: float, test: float, seed: int) -> dict[str, list[Clip]]:
    """Shares `dev` and `test` of the speakers, at least one each where there should be any, and the rest to train."""
    if len({clip.id for clip in clips}) < len(clips):
        die("a clip with the same id is in two of the manifests", "were they meant to be one and the same?")
    if not clips:
        die("there is no clip in the manifests", "./inv model.data.index writes a manifest of recordings")
    speakers = sorted({clip.speaker for clip in clips}, key=lambda name: _order(name, seed))
    counts = {
        name: max(1, round(share * len(speakers))) if share else 0 for name, share in (("dev", dev), ("test", test))
    }
    if sum(counts.values()) >= len(speakers):
        die(f"{len(speakers)} speakers are too few to split", "leave a set out: --test 0")
    names = iter(speakers)
    place = {speaker: name for name, count in counts.items() for speaker in itertools.islice(names, count)}
    sets: dict[str, list[Clip]] = {name: [] for name in NAMES}
    for clip in clips:
        sets[place.get(clip.speaker, "train")].append(clip)
    return {name: chosen for name, chosen in sets.items() if chosen}


def _order(speaker: str, seed: int) -> bytes:
    """Chance that depends on the name alone, so that it does not matter in which order clips come."""
    return hashlib.sha256(f"{seed} {speaker}".encode()).digest()


def refuse_overlap(sets: Sets) -> None:
    """Raises UserError if someone speaks in two of the sets."""
    home: dict[str, str] = {}
    for name, clips in sets.items():
        for clip in clips:
            if home.setdefault(clip.speaker, name) != name:
                die(f"the speaker {clip.speaker!r} is in {home[clip.speaker]} and in {name}", "split by speaker")


def refuse_same_texts(train: Sequence[Clip], examined: Sequence[Clip]) -> None:
    """Raises UserError if what is said in `train` is, in part or whole, what is said in an evaluation set."""
    overlap = Overlap(examined)
    for clip in train:
        if clip.text and clip.text in overlap:
            die(
                f"the clip {clip.id} says what an evaluation set says: {clip.text!r}", "take it out of the training set"
            )
