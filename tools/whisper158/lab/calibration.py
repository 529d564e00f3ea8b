# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What every method is calibrated with: the same clips, chosen in the same way, for all of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from whisper158.errors import die
from whisper158.evaluate.accuracy import sets
from whisper158.evaluate.accuracy.contexts import COLUMNS_PER_FRAME, AudioContext
from whisper158.evaluate.accuracy.greedy import Rules, heard_columns, spectrogram
from whisper158.evaluate.accuracy.listeners import LANGUAGE
from whisper158.evaluate.accuracy.sets import Set, Utterance
from whisper158.lab.families import whisper as family
from whisper158.lab.families.whisper import WhisperModel
from whisper158.lab.stage import Flow
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.tokens import space_token, special_tokens, suppressed_tokens
from whisper158.train.clips import folder
from whisper158.train.tokenizer import tokenizer


@dataclass(frozen=True)
class Source:
    """source: a set's name, or the path of a manifest with texts, as `model.evaluate --sets` takes them. clips: how
    many of it, which the seed chooses."""

    source: str
    clips: int = 128
    seed: int = 158

    @property
    def name(self) -> str:
        path = Path(self.source)
        return path.parent.name if path.name == sets.MANIFEST else path.stem


def choose(source: Source) -> Set:
    """The set of the clips that were chosen; which they are depends on their ids and the seed alone."""
    whole = find(source.source)
    spoken = [utterance for utterance in whole.utterances if utterance.text.strip()]
    if len(spoken) < source.clips:
        die(f"calibration.clips: there are {len(spoken)} clips with words in {source.source}, not {source.clips}")
    chosen = sorted(spoken, key=lambda utterance: _rank(source.seed, utterance))[: source.clips]
    return sets.of(whole.name, chosen)


def find(word: str, most: int = 0) -> Set:
    """A set by its name, or by a path from the project's folder."""
    return sets.find(str(folder(word)) if "/" in word else word, most)


def _rank(seed: int, utterance: Utterance) -> bytes:
    return hashlib.sha256(f"{seed} {utterance.id}".encode()).digest()


def flows(model: WhisperModel, checkpoint: Checkpoint, clips: Sequence[Utterance], context: AudioContext) -> list[Flow]:
    """Each clip's first window as it enters the model, with the text that is said in it."""
    words = tokenizer(checkpoint)
    found = []
    for clip in clips:
        mel = window(clip, model.dims.n_mels, context, model.dims.n_audio_ctx)
        tokens = [*words.prompt(), words.special.no_timestamps, *words.text(clip.text)]
        found.append(family.flow(model, mel, tokens[: model.dims.n_text_ctx]))
    return found


def window(clip: Utterance, n_mels: int, context: AudioContext, full: int) -> Tensor:
    """[n_mels, 2 x frames], as the runtime cuts it"""
    mel = spectrogram(clip.load(), n_mels)
    columns = min(mel.shape[1], heard_columns(mel, int(clip.seconds * 100)))
    frames = context.of_window(columns, full, full)
    padded = torch.zeros(n_mels, COLUMNS_PER_FRAME * frames)
    seen = min(mel.shape[1], padded.shape[1])
    padded[:, :seen] = torch.from_numpy(mel[:, :seen])
    return padded


def rules(checkpoint: Checkpoint) -> Rules:
    """How text is made of what the model says: those that a blob of this checkpoint would hold."""
    vocabulary, dims = checkpoint.vocabulary, checkpoint.dims
    special = special_tokens(len(vocabulary), dims.n_vocab, dims.multilingual)
    first = special.first_language + special.languages.index(LANGUAGE) if dims.multilingual else 0
    spoken = [first, special.transcribe] if dims.multilingual else []
    return Rules(
        prompt=[special.sot, *spoken, special.no_timestamps],
        eot=special.eot,
        space=space_token(vocabulary),
        no_speech=special.no_speech,
        most=dims.n_text_ctx // 2,
        suppressed=list(suppressed_tokens(vocabulary, special)),
        vocabulary=list(vocabulary),
    )
