# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Which clips a run learns from, and which it is watched with: never the same speakers."""

import glob
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from whisper158.cache import cache_dir
from whisper158.data.manifest import Clip, read
from whisper158.errors import die
from whisper158.paths import ROOT
from whisper158.train.config import Config, Data, Source
from whisper158.train.words import Words, words_of


@dataclass(frozen=True)
class Chosen:
    """clips and weights to learn from; dev: to watch the run with; digest: stands for all of it."""

    clips: tuple[Clip, ...]
    weights: npt.NDArray[np.float64]
    dev: tuple[Clip, ...]
    digest: str


def choose(data: Data, seed: int) -> Chosen:
    """Raises UserError if a source has no clips."""
    found = [(clip, source.weight) for source in data.sources for clip in _of(source, data)]
    dev = _dev(data, seed)
    # By name alone: excerpts of one corpus come from many places. Two people of one name cost a few clips, no more.
    heard, speakers = {clip.path for clip in dev}, {clip.speaker for clip in dev}
    kept = [(c, w) for c, w in found if c.path not in heard and c.speaker not in speakers]
    if not kept:
        die("data.sources: no clips are left to learn from", "loosen min_seconds and max_seconds, or lower dev_clips")
    digest = hashlib.sha256("\n".join(f"{c.path} {c.seconds} {c.text} {w}" for c, w in kept).encode()).hexdigest()
    return Chosen(tuple(c for c, _ in kept), np.array([w for _, w in kept]), dev, digest[:12])


def words(config: Config) -> Mapping[Path, Words]:
    """Where clips may be cut, if any stage does that. Raises UserError if there are none that may."""
    if not any(stage.splice_share for stage in config.stages):
        return {}
    manifests = {path for source in config.data.sources for path in _paths(source.manifest)}
    found: dict[Path, Words] = {}
    for manifest in manifests:
        clips = read(manifest)
        known = words_of(manifest, clips)
        found |= {clip.path: known[clip.id] for clip in clips if known.get(clip.id)}
    if not found:
        die("splice_share: no clip of data.sources has been aligned", "./inv model.data.align MANIFEST...")
    return found


def _of(source: Source, data: Data) -> list[Clip]:
    paths = _paths(source.manifest)
    if not paths and not source.optional:
        die(f"data.sources: there is no file {source.manifest}", "./inv model.data makes manifests (docs/data.md)")
    clips = [clip for path in paths for clip in read(path)]
    return [clip for clip in clips if data.min_seconds <= clip.seconds <= data.max_seconds]


def folder(name: str) -> Path:
    """A path of a configuration: from the project's folder, unless it begins with /, ~ or $CACHE."""
    return ROOT / Path(name.replace("$CACHE", str(cache_dir()), 1)).expanduser()


def _paths(pattern: str) -> list[Path]:
    return sorted(map(Path, glob.glob(str(folder(pattern)))))


def _dev(data: Data, seed: int) -> tuple[Clip, ...]:
    """Whole speakers, in an order that the seed gives, until there are enough clips; of each at most four."""
    if not data.dev_source or not data.dev_clips:
        return ()
    clips = [clip for clip in _of(Source(data.dev_source), data) if clip.text]
    by_speaker: dict[str, list[Clip]] = {}
    for clip in clips:
        by_speaker.setdefault(clip.speaker, []).append(clip)
    order = sorted(by_speaker, key=lambda speaker: hashlib.sha256(f"{seed} {speaker}".encode()).digest())
    chosen: list[Clip] = []
    for speaker in order:
        if len(chosen) >= data.dev_clips:
            break
        chosen += by_speaker[speaker][:4]
    return tuple(chosen)
