# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Batches of speech. Batch i follows from the seed and i alone, so a resumed run sees what it would have seen.

Clips of similar length share a batch, and the batch's encoder context is as long as they need: that is how the student
learns short contexts, and why short clips are cheap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from whisper158.data.audio import samples as read_samples
from whisper158.data.augment import Settings, augment, noise
from whisper158.data.manifest import Clip
from whisper158.train.config import Config, Stage
from whisper158.train.features import FRAME, FRAMES_PER_SECOND, Floats, log_mel
from whisper158.train.tokenizer import Tokenizer
from whisper158.train.words import Words, spelled
from whisper158.units import SAMPLE_RATE

T = TypeVar("T")

UNTOLD = -100  # a label that cross-entropy leaves out
WINDOW = 30.0  # seconds
LONGEST_TEXT = 200  # tokens
LONGEST_STRAY = 40
POOL = 64  # clips among which those of like length are looked for
TILE = 16  # frames; the runtime's contexts are whole tiles
# The parent was taught full windows only. It hears nearly as well with this many frames (tiny.en, docs/training.md).
PARENT_FRAMES, PARENT_STEP = 640, 160
# What is spliced takes so many seconds: up to the context that the parent has anyway.
SPLICED = (2.0, 12.5)
IN_A_ROW = (2, 8)  # words of one clip; the parent makes little of a single one
FADE = SAMPLE_RATE // 200
NEAR = SAMPLE_RATE // 20  # how far alignment may be off


@dataclass
class Text:
    """tokens [batch, length] go in; `labels` [batch, length] are the next ones, UNTOLD where there is none to learn;
    mask [batch, length]: where the parent's opinion counts. mel [batch, n_mels, columns] is what the parent hears: the
    clean sound, in a context that suits it. keys: names of the samples whose clean sound is always the same."""

    tokens: Tensor
    labels: Tensor
    mask: Tensor
    mel: Tensor
    keys: list[str | None]
    stray: "Stray | None" = None


@dataclass
class Stray:
    """Texts that are not those of the sound. rows [sounds]: which sounds have some, all of them as many. tokens
    [texts, length], of one sound after the other, and mask as in Text. asked: of what the mask says, where words are
    compared too."""

    tokens: Tensor
    mask: Tensor
    asked: Tensor
    rows: Tensor

    def to(self, device: torch.device) -> "Stray":
        return Stray(self.tokens.to(device), self.mask.to(device), self.asked.to(device), self.rows.to(device))


@dataclass
class Batch:
    """mel [batch, n_mels, 2 * frames]. key: the batch's name, if its sound comes again. Where it does, the spectrograms
    have no columns: whoever got the batch the first time was to remember what it made of them."""

    mel: Tensor
    frames: int
    text: Text | None = None
    key: int | None = None

    @property
    def seconds(self) -> float:
        return len(self.mel) * self.frames / FRAMES_PER_SECOND

    def to(self, device: torch.device) -> "Batch":
        text = self.text
        if text is not None:
            tokens, labels, mask, mel = (x.to(device) for x in (text.tokens, text.labels, text.mask, text.mel))
            stray = text.stray.to(device) if text.stray else None
            text = Text(tokens, labels, mask, mel, text.keys, stray)
        return Batch(self.mel.to(device), self.frames, text, self.key)

    def silent(self) -> "Batch":
        """A copy without sound, whose text may be changed."""
        text = self.text
        if text is not None:
            text = replace(text, tokens=text.tokens.clone(), mel=text.mel[..., :0].clone())
        return replace(self, mel=self.mel[..., :0].clone(), text=text)


@dataclass(frozen=True)
class Piece:
    """A clip, or some of its words: those whose text and times are here."""

    clip: Clip
    text: str
    begin: float = 0.0
    end: float | None = None

    @property
    def seconds(self) -> float:
        return (self.clip.seconds if self.end is None else self.end) - self.begin


@dataclass(frozen=True)
class Plan:
    """One sample of a batch before its sound is read: pieces that follow each other after gaps of silence (seconds),
    none for silence alone."""

    pieces: tuple[Piece, ...]
    gaps: tuple[float, ...]
    timestamps: bool
    brim: bool

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.pieces) + sum(self.gaps)

    @property
    def key(self) -> str | None:
        """Names the clip if there is nothing but one."""
        alone = len(self.pieces) == 1 and self.pieces[0].end is None and not self.brim
        return key_of(self.pieces[0].clip) if alone else None


class Batches(Dataset[Batch]):
    """Item i is the batch of step i (of all processes together: step * processes + rank)."""

    def __init__(
        self,
        config: Config,
        clips: Sequence[Clip],
        weights: npt.NDArray[np.float64],
        tokenizer: Tokenizer,
        n_mels: int,
        processes: int = 1,
        sentences: Sequence[str] = (),
        words: Mapping[Path, Words] | None = None,
    ) -> None:
        self._config = config
        self._data = config.data
        self._tokenizer = tokenizer
        self._n_mels = n_mels
        self._processes = processes
        self._clips = list(clips)
        self._share = weights / weights.sum()
        spoken = [i for i, clip in enumerate(clips) if clip.text]
        self._sentences = sentences
        self._spoken = [clips[i] for i in spoken]
        self._spoken_share = weights[spoken] / weights[spoken].sum() if spoken else weights[:0]
        self._words = words or {}
        self._same_voice = _by_voice(self._spoken)
        self._made: dict[int, Batch] = {}

    def __len__(self) -> int:
        return self._config.steps * self._processes

    def __getitem__(self, index: int) -> Batch:
        stage, within = self._config.stage_at(index // self._processes)
        sound = index - (within - stage.sounding(within)) * self._processes
        if sound in self._made:
            batch = self._made[sound].silent()
        else:
            rng = np.random.default_rng([self._config.seed, sound])
            frames = stage.frames or self._data.frames
            if not stage.text:
                return self._sound_batch(rng, frames, stage.crop_seconds)
            batch = self._spoken_batch(rng, frames, stage.splice_share)
            if stage.cycle:
                keep(self._made, sound, batch.silent(), stage.cycle)
        if batch.text is not None:
            batch.text.stray = self._stray(np.random.default_rng([self._config.seed, index, 1]), batch.text, stage)
            if stage.corrupt:
                self._corrupt(np.random.default_rng([self._config.seed, index, 2]), batch.text, stage.corrupt)
        return replace(batch, key=sound if stage.cycle else None)

    # ------------------------------------------------------------------------------------------------- without text

    def _sound_batch(self, rng: np.random.Generator, budget: int, crop_seconds: float) -> Batch:
        longest = WINDOW if rng.random() < self._data.full_share else crop_seconds
        seconds = longest if longest == WINDOW else rng.uniform(min(1.5, longest), longest)
        frames = max(self._data.min_frames, _frames(seconds))
        chosen = rng.choice(len(self._clips), size=max(1, budget // frames), p=self._share)
        sounds = [self._crop(rng, self._clips[i], frames) for i in chosen]
        return Batch(torch.stack([log_mel(sound, frames, self._n_mels) for sound in sounds]), frames)

    def _crop(self, rng: np.random.Generator, clip: Clip, frames: int) -> Floats:
        """A random part of the clip; a clip that is shorter starts somewhere within."""
        sound = self._worse(rng, read_samples(clip), frames * FRAME)
        room = frames * FRAME - len(sound)
        if room < 0:
            start = int(rng.integers(-room))
            return sound[start : start + frames * FRAME]
        lead = int(rng.integers(room + 1)) if rng.random() < 0.3 else 0
        return np.pad(sound, (lead, room - lead))

    # ---------------------------------------------------------------------------------------------------- with text

    def _spoken_batch(self, rng: np.random.Generator, budget: int, splice_share: float) -> Batch:
        plans = [self._plan(rng, splice_share) for _ in range(POOL)]
        if rng.random() < self._data.full_share:
            frames = round(WINDOW * FRAMES_PER_SECOND)
            chosen = plans[: max(1, budget // frames)]
        else:
            frames, chosen = self._alike(rng, plans, budget)
        return self._batch(rng, chosen, frames)

    def _plan(self, rng: np.random.Generator, splice_share: float) -> Plan:
        timestamps = bool(rng.random() < self._data.timestamps_share)
        if rng.random() < self._data.silence_share:
            return Plan((), (float(rng.uniform(1, 10)),), timestamps=False, brim=False)
        brim = bool(rng.random() < self._data.brim_share)
        if splice_share and rng.random() < splice_share:
            return Plan(self._spliced(rng), (), False, brim)
        plan = Plan((_whole(self._draw(rng)),), (), timestamps, brim)
        if rng.random() < self._data.join_share:
            more = int(rng.integers(1, 5))
            for _ in range(more):
                another = _whole(self._draw(rng))
                longer = replace(plan, pieces=(*plan.pieces, another), gaps=(*plan.gaps, rng.uniform(0.1, 0.8)))
                if longer.seconds > self._data.max_seconds:
                    break
                plan = longer
        return plan

    def _draw(self, rng: np.random.Generator) -> Clip:
        return self._spoken[rng.choice(len(self._spoken), p=self._spoken_share)]

    def _spliced(self, rng: np.random.Generator) -> tuple[Piece, ...]:
        """A few words of this clip and a few of that one, of one voice or of many."""
        one_voice = rng.random() < 0.5
        first = self._draw(rng)
        pieces = [self._some(rng, first)]
        wanted = rng.uniform(*SPLICED)
        while (left := wanted - sum(piece.seconds for piece in pieces)) > 0:
            same = self._same_voice[first.source, first.speaker]
            piece = self._some(rng, same[int(rng.integers(len(same)))] if one_voice else self._draw(rng))
            if piece.seconds > max(left, SPLICED[0]):
                break
            pieces.append(piece)
        return tuple(pieces)

    def _some(self, rng: np.random.Generator, clip: Clip) -> Piece:
        """Some words of the clip that follow each other; all of it, if nobody knows where they are."""
        words, text = self._words.get(clip.path, ()), spelled(clip)
        if not words:
            return _whole(clip)
        count = min(len(words), int(rng.integers(*IN_A_ROW, endpoint=True)))
        first = int(rng.integers(len(words) - count + 1))
        last = first + count - 1
        return Piece(clip, " ".join(text[first : last + 1]), words[first][0], words[last][1])

    def _alike(self, rng: np.random.Generator, plans: list[Plan], budget: int) -> tuple[int, list[Plan]]:
        """As many plans of similar length as the budget holds, and their frames."""
        plans = sorted(plans, key=lambda plan: plan.seconds)
        # The shortest silences after the end are the most frequent ones: that is what the runtime gives.
        tail = 0.1 + self._data.tail_seconds * rng.random() ** 2
        last = int(rng.integers(len(plans)))
        frames = max(self._data.min_frames, _frames(plans[last].seconds + tail))
        first = max(0, last + 1 - max(1, budget // frames))
        return frames, plans[first : last + 1]

    def _batch(self, rng: np.random.Generator, plans: list[Plan], frames: int) -> Batch:
        context = parent_frames(frames)
        heard, clean, sequences = [], [], []
        for plan in plans:
            sound = self._sound(rng, plan)
            lead = max(0, frames * FRAME - len(sound)) if plan.brim else 0
            # The window was cut to the clip's length; a clip that is to fill it stays as long as it is.
            room = len(sound) if plan.brim else frames * FRAME
            worse = np.pad(self._worse(rng, sound, room), (lead, 0))
            heard.append(log_mel(worse, frames, self._n_mels))
            clean.append(log_mel(np.pad(sound, (lead, 0)), context, self._n_mels))
            sequences.append(self._sequence(plan, lead / SAMPLE_RATE))
        keys = [plan.key for plan in plans]
        text = _text(sequences, torch.stack(clean), keys, self._tokenizer.special.eot)
        return Batch(torch.stack(heard), frames, text)

    def _stray(self, rng: np.random.Generator, text: Text, stage: Stage) -> Stray | None:
        rows = [row for row in range(len(text.tokens)) if rng.random() < self._data.stray_share]
        if not rows or not self._sentences:
            return None
        pool = text.tokens[text.tokens < self._tokenizer.special.eot].numpy()
        chosen = [self._another(rng, text, row, pool, own=i % 2 > 0) for row in rows for i in range(stage.strays)]
        shape = (len(chosen), max(len(ids) for ids, _ in chosen))
        tokens = torch.full(shape, self._tokenizer.special.eot)
        mask = torch.zeros(shape, dtype=torch.bool)
        for row, (ids, counts) in enumerate(chosen):
            tokens[row, : len(ids)] = ids
            mask[row, : len(ids)] = counts
        asked = mask & torch.from_numpy(rng.random(shape) < stage.asked_share)
        return Stray(tokens, mask, asked, torch.tensor(rows))

    def _another(
        self, rng: np.random.Generator, text: Text, row: int, pool: npt.NDArray[np.int64], own: bool
    ) -> tuple[Tensor, Tensor]:
        """Tokens and mask of a sentence from somewhere, or of the sound's own beginning with up to half of its words
        exchanged."""
        if own and text.mask[row].any():
            ids = text.tokens[row, :LONGEST_STRAY].clone()
            words = ids < self._tokenizer.special.eot
            changed = words & torch.from_numpy(rng.random(len(ids)) < rng.uniform(0, 0.5))
            ids[changed] = torch.from_numpy(rng.choice(pool, int(changed.sum())))
            return ids, text.mask[row, :LONGEST_STRAY]
        prompt = [*self._tokenizer.prompt(), self._tokenizer.special.no_timestamps]
        sentence = self._sentences[int(rng.integers(len(self._sentences)))]
        ids = torch.tensor([*prompt, *self._tokenizer.text(sentence)[:LONGEST_STRAY]])
        return ids, torch.arange(len(ids)) >= len(prompt)

    def _corrupt(self, rng: np.random.Generator, text: Text, most: float) -> None:
        """Puts words of the batch in the place of others, in half of its samples."""
        words = text.tokens < self._tokenizer.special.eot
        pool = text.tokens[words].numpy()
        for row in np.flatnonzero(rng.random(len(words)) < 0.5):
            chosen = words[row] & torch.from_numpy(rng.random(words.shape[1]) < rng.uniform(0, most))
            if chosen.any():
                text.tokens[row, chosen] = torch.from_numpy(rng.choice(pool, int(chosen.sum())))

    def _sound(self, rng: np.random.Generator, plan: Plan) -> Floats:
        if not plan.pieces:
            return noise(round(plan.gaps[0] * SAMPLE_RATE), rng)
        gaps = [np.zeros(round(gap * SAMPLE_RATE), np.float32) for gap in plan.gaps]
        return np.concatenate([part for i, piece in enumerate(plan.pieces) for part in (_cut(piece), *gaps[i : i + 1])])

    def _worse(self, rng: np.random.Generator, sound: Floats, longest: int) -> Floats:
        return augment(sound, rng, SETTINGS, longest) if rng.random() < self._data.augment_share else sound

    def _sequence(self, plan: Plan, lead: float) -> tuple[list[int], list[int], list[bool]]:
        """Tokens, labels and mask of one sample."""
        special = self._tokenizer.special
        prompt = self._tokenizer.prompt()
        if not plan.pieces:
            tokens = [*prompt, special.no_timestamps, special.eot]
            labels = [special.no_speech, *[UNTOLD] * (len(prompt) - 1), special.eot]
            return tokens[:-1], labels, [False] * len(labels)
        text = self._tokenizer.text(" ".join(piece.text for piece in plan.pieces))[:LONGEST_TEXT]
        if plan.timestamps:
            end = min(WINDOW, lead + plan.seconds)
            tokens = [*prompt, self._tokenizer.timestamp(lead), *text, self._tokenizer.timestamp(end), special.eot]
            # When it was said is the parent's to say; the clip's borders are only near.
            labels = [*[UNTOLD] * len(prompt), *text, UNTOLD, special.eot]
            mask = [True, *[False] * (len(prompt) - 1), *[True] * (len(text) + 2)]
        else:
            tokens = [*prompt, special.no_timestamps, *text, special.eot]
            labels = [*[UNTOLD] * len(prompt), *text, special.eot]
            mask = [True, *[False] * (len(prompt) - 1), *[True] * (len(text) + 1)]
        return tokens[:-1], labels, mask


SETTINGS = Settings()


def keep(memory: dict[int, T], key: int, value: T, room: int) -> None:
    """Adds `value`; what was added first makes room for it."""
    while len(memory) >= room:
        del memory[next(iter(memory))]
    memory[key] = value


def _whole(clip: Clip) -> Piece:
    return Piece(clip, clip.text or "")


def _cut(piece: Piece) -> Floats:
    """The piece's samples: cut where it is most quiet near the border that was found, without clicks."""
    sound = read_samples(piece.clip)
    if piece.end is None:
        return sound
    first, last = (_quiet(sound, round(border * SAMPLE_RATE)) for border in (piece.begin, piece.end))
    part = sound[first : max(last, first + 1)].copy()
    ramp = np.linspace(0, 1, min(FADE, len(part)), dtype=np.float32)
    part[: len(ramp)] *= ramp
    part[-len(ramp) :] *= ramp[::-1]
    return part


def _quiet(sound: Floats, border: int) -> int:
    """The place near `border` around which 10 ms are the least loud; of borders of the sound themselves, those"""
    if not 2 * FADE < border < len(sound) - 2 * FADE:
        return 0 if border < len(sound) // 2 else len(sound)
    first, last = max(0, border - NEAR), min(len(sound), border + NEAR)
    energy = np.convolve(sound[first:last].astype(np.float64) ** 2, np.ones(2 * FADE), mode="valid")
    return first + FADE + int(energy.argmin())


def _by_voice(clips: Sequence[Clip]) -> dict[tuple[str, str], list[Clip]]:
    found: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        found.setdefault((clip.source, clip.speaker), []).append(clip)
    return found


def _frames(seconds: float) -> int:
    return min(round(WINDOW * FRAMES_PER_SECOND), _whole_tiles(round(seconds * FRAMES_PER_SECOND)))


def parent_frames(frames: int) -> int:
    """In few lengths, so that a clip is not remembered in many."""
    return min(round(WINDOW * FRAMES_PER_SECOND), max(PARENT_FRAMES, -(-frames // PARENT_STEP) * PARENT_STEP))


def key_of(clip: Clip) -> str:
    """Another recording in the same place is another clip."""
    status = clip.path.stat()
    return f"{clip.path}:{status.st_size}:{status.st_mtime_ns}"


def _whole_tiles(frames: int) -> int:
    return -(-frames // TILE) * TILE if frames < round(WINDOW * FRAMES_PER_SECOND) else frames


def _text(
    sequences: Sequence[tuple[list[int], list[int], list[bool]]], mel: Tensor, keys: list[str | None], filler: int
) -> Text:
    shape = (len(sequences), max(len(tokens) for tokens, _, _ in sequences))
    tokens, labels = torch.full(shape, filler), torch.full(shape, UNTOLD)
    mask = torch.zeros(shape, dtype=torch.bool)
    for row, (ids, wanted, counts) in enumerate(sequences):
        tokens[row, : len(ids)] = torch.tensor(ids)
        labels[row, : len(ids)] = torch.tensor(wanted)
        mask[row, : len(ids)] = torch.tensor(counts)
    return Text(tokens, labels, mask, mel, keys)
