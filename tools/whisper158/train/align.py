# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Forced alignment: finds when each word of a clip is said (words.py).

A Whisper that is told what was said looks, while it reads, at where it is said. As for OpenAI's word timestamps
(openai/whisper, timing.py), the cross-attention of the later half of its blocks is normalised, smoothed and averaged
over the heads. The best way through that, on which every token has a stretch of its own, one after the other, is the
alignment.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from whisper158.console import say, track
from whisper158.data.audio import samples
from whisper158.data.manifest import Appender, Clip, read
from whisper158.model.load import load
from whisper158.train.batches import PARENT_STEP, key_of, parent_frames
from whisper158.train.features import FRAMES_PER_SECOND, log_mel
from whisper158.train.memory import Memory
from whisper158.train.network import Block, KeysAndValues, Whisper, original
from whisper158.train.tokenizer import Tokenizer, tokenizer
from whisper158.train.words import Words, beside, line_of, spelled, words_of

SMOOTH = 7  # frames, as in timing.py
LONGEST = 400  # tokens; the decoder has 448 positions


def align(manifests: Sequence[Path], model: str, memory: Path | None) -> None:
    """Writes the words of every clip that has a text and no line of words yet. memory: a folder as in a
    configuration's `memory`."""
    todo = {manifest: _left(manifest) for manifest in manifests}
    if not any(todo.values()):
        say("every clip that has a text has its words' times")
        return
    checkpoint = load(model)
    heard = Memory(memory / checkpoint.sha256[:16] if memory else None)
    aligner = Aligner(original(checkpoint).eval(), tokenizer(checkpoint), heard)
    for manifest, clips in todo.items():
        with Appender(beside(manifest), alone=True) as out:
            for clip in track(clips, f"Aligning {manifest.parent.name}"):
                out.add_line(line_of(clip, aligner.words(clip)))


def _left(manifest: Path) -> list[Clip]:
    clips = read(manifest)
    known = words_of(manifest, clips)
    return [clip for clip in clips if clip.text and clip.id not in known]


class Aligner:
    """memory: of what the encoder of `model` makes of clips"""

    def __init__(self, model: Whisper, tokenizer: Tokenizer, memory: Memory) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._memory = memory

    @torch.no_grad()
    def words(self, clip: Clip) -> Words:
        """None of them if there is more text than sound, or more sound than a window."""
        by_word = [self._tokenizer.text(word) for word in spelled(clip)]
        tokens = [token for word in by_word for token in word]
        frames = int(clip.seconds * FRAMES_PER_SECOND)
        if frames > self._model.dims.n_audio_ctx or len(tokens) >= min(LONGEST, frames):
            return ()
        prompt = [*self._tokenizer.prompt(), self._tokenizer.special.no_timestamps]
        looks = self._looks([*prompt, *tokens], self._heard(clip))[:, len(prompt) - 1 :, :frames]
        # A row looks at where the next token is said, the last one at what follows the text.
        firsts = stretches(_prepared(looks).numpy())
        at = np.cumsum([0, *map(len, by_word)])
        borders = [round(float(first) / FRAMES_PER_SECOND, 2) for first in firsts[at]]
        return tuple(pairwise(borders))

    def _heard(self, clip: Clip) -> Tensor:
        """[1, frames, channels]: the encoder's output, in the shortest context in which it is remembered"""
        encoder, dims = self._model.encoder, self._model.dims
        least, key = parent_frames(int(clip.seconds * FRAMES_PER_SECOND) + 1), key_of(clip)
        for frames in range(least, dims.n_audio_ctx + 1, PARENT_STEP):
            known = self._memory.recall(key, (frames, dims.n_audio_state))
            if known is not None:
                return known.float()[None]
        encoded = encoder(log_mel(samples(clip), least, dims.n_mels)[None]).out[0]
        return self._memory.note(key, encoded)[None]

    def _looks(self, tokens: list[int], audio: Tensor) -> Tensor:
        """[heads, tokens, frames]: how much each token looks at each frame, in all heads of the later blocks"""
        decoder = self._model.decoder
        heard = decoder.hear(audio)
        said = decoder.say(torch.tensor([tokens]), heard)
        later = range(len(heard) // 2, len(heard))
        return torch.cat([_attention(decoder.blocks[i], said.stages[i], heard[i]) for i in later])


def _attention(block: Block, entering: Tensor, heard: KeysAndValues) -> Tensor:
    """[heads, tokens, frames] of the block's cross-attention; entering [1, tokens, channels]"""
    assert block.cross_attn is not None and block.cross_attn_ln is not None
    x = entering + block.attn(block.attn_ln(entering), causal=True)
    query = block.cross_attn.query(block.cross_attn_ln(x))
    q, k = (t.unflatten(-1, (block.cross_attn.heads, -1))[0].transpose(0, 1) for t in (query, heard[0]))
    return torch.softmax(q @ k.transpose(1, 2) * q.shape[-1] ** -0.5, dim=-1)


def _prepared(looks: Tensor) -> Tensor:
    """[tokens, frames] of looks [heads, tokens, frames]"""
    deviation, mean = torch.std_mean(looks, dim=1, keepdim=True, correction=0)
    normal = (looks - mean) / (deviation + 1e-9)
    padded = F.pad(normal, (SMOOTH // 2, SMOOTH // 2), mode="replicate")
    return padded.unfold(-1, SMOOTH, 1).median(dim=-1).values.mean(dim=0)


def stretches(gain: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """gain [rows, columns], no more rows than columns. The first column of each row's stretch, where the stretches
    follow each other, none is empty, they cover all columns, and what is gained in them is the most possible
    (Viterbi)."""
    rows, columns = gain.shape
    best = np.full(rows, -np.inf)
    best[0] = gain[0, 0]
    came = np.zeros((columns, rows), bool)  # whether the row's stretch begins at this column
    for column in range(1, columns):
        before = np.concatenate([[-np.inf], best[:-1]])
        came[column] = before > best
        best = np.maximum(before, best) + gain[:, column]
    firsts = np.zeros(rows, np.int64)
    row = rows - 1
    for column in range(columns - 1, 0, -1):
        if row > 0 and came[column, row]:
            firsts[row] = column
            row -= 1
    return firsts
