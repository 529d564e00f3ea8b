# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Whisper as cells are made of it: heard greedily, by the runtime's rules (evaluate/accuracy/greedy.py)."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from whisper158.evaluate.accuracy.cells import Said
from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.evaluate.accuracy.greedy import HOP, Rules, Simulated, first_window, heard_columns, spectrogram
from whisper158.evaluate.accuracy.listeners import LANGUAGE
from whisper158.evaluate.accuracy.sets import Utterance
from whisper158.lab import cost as costs
from whisper158.lab.codes import Weight
from whisper158.lab.cost import Cost, Window
from whisper158.lab.families import whisper as family
from whisper158.lab.families.whisper import WhisperModel
from whisper158.lab.grid import Grid
from whisper158.lab.method import Layer
from whisper158.lab.stage import Flow
from whisper158.lab.subject import Subject
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.load import load
from whisper158.model.tokens import space_token, special_tokens, suppressed_tokens
from whisper158.train.tokenizer import tokenizer


class WhisperSubject(Subject):
    model: WhisperModel

    def __init__(self, name: str) -> None:
        self.checkpoint = load(name)
        self.model = family.model(self.checkpoint)
        self.sha256 = content_sha256(self.checkpoint)

    def flows(self, clips: Sequence[Utterance], context: AudioContext) -> list[Flow]:
        return flows(self.model, self.checkpoint, clips, context)

    def quantise_head(self, grid: Grid) -> Weight:
        return family.quantise_head(self.model, grid)

    def cost(self, layers: Mapping[str, Layer], head: Weight | None, window: Window) -> Cost:
        return costs.cost(self.model.dims, layers, head, window)

    def hear(self, clips: Sequence[Utterance], context: AudioContext) -> list[Said]:
        # Stock checkpoints are good for nothing but their full context, so that is their shortest.
        full = self.model.dims.n_audio_ctx
        return hear(Simulated(self.model.whisper, rules(self.checkpoint), context, full), clips)


def content_sha256(checkpoint: Checkpoint) -> str:
    """Of what was read, not of the file: other code may read the same file otherwise, a file may lack the words, and
    made-up weights have none."""
    state = hashlib.sha256(repr((checkpoint.dims, checkpoint.vocabulary)).encode())
    for name, tensor in sorted(checkpoint.tensors.items()):
        state.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
        state.update(np.ascontiguousarray(tensor).data)
    return state.hexdigest()


def hear(listening: Simulated, clips: Sequence[Utterance]) -> list[Said]:
    found = [(clip.id, listening.hear(clip.load())) for clip in clips]
    return [Said(id, heard.text if heard else None, heard.repetition if heard else False) for id, heard in found]


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
    samples = clip.load()
    mel = spectrogram(samples, n_mels)
    columns = len(samples) // HOP
    frames = context.of_window(heard_columns(mel, columns), full, full)
    return torch.from_numpy(first_window(mel, columns, frames))


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
