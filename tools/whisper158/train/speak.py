# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the student makes of whole clips, to watch a run with: greedy, without timestamps."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from whisper158.data.audio import samples
from whisper158.data.manifest import Clip
from whisper158.model.load import load
from whisper158.train.features import FRAMES_PER_SECOND, log_mel
from whisper158.train.network import Whisper, original
from whisper158.train.place import place, precision
from whisper158.train.quantisers import halved
from whisper158.train.tokenizer import Tokenizer, tokenizer

TOGETHER = 16  # clips
FRAMES_BEYOND = 25  # the runtime's half second of --audio-context auto
TOKENS_PER_SECOND = 8


# OpenAI's own weights were taught full windows only, and hear nearly as well with this much (docs/training.md).
UNTRAINED_FRAMES = 750


@contextmanager
def listener(name: str) -> Iterator[Callable[[Sequence[Clip]], list[str]]]:
    """Has the float checkpoint `name`, as load() takes it, transcribe many clips at a time."""
    checkpoint = load(name)
    model, words = original(checkpoint).eval(), tokenizer(checkpoint)
    with place() as where, precision("bf16", where):
        model = model.to(where.device)
        yield lambda clips: transcribe(model, clips, words, UNTRAINED_FRAMES)


def transcribe(model: Whisper, clips: Sequence[Clip], tokenizer: Tokenizer, least: int = 0) -> list[str]:
    """The text of each clip, in the order given. The context follows the clips, from `least` frames on."""
    order = sorted(range(len(clips)), key=lambda i: clips[i].seconds)
    texts = [""] * len(clips)
    for start in range(0, len(order), TOGETHER):
        chosen = order[start : start + TOGETHER]
        for i, text in zip(chosen, _together(model, [clips[i] for i in chosen], tokenizer, least), strict=True):
            texts[i] = text
    return texts


@torch.no_grad()
def _together(model: Whisper, clips: list[Clip], tokenizer: Tokenizer, least: int) -> list[str]:
    device = next(model.parameters()).device
    longest = max(clip.seconds for clip in clips)
    needed = math.ceil(longest * FRAMES_PER_SECOND) + FRAMES_BEYOND
    frames = min(model.dims.n_audio_ctx, max(least, needed))
    mels = [log_mel(samples(clip), frames, model.dims.n_mels) for clip in clips]
    audio = model.encoder(torch.stack(mels).to(device)).out
    return [tokenizer.say(row) for row in _greedy(model, audio, tokenizer, 8 + int(longest * TOKENS_PER_SECOND))]


def _greedy(model: Whisper, audio: Tensor, tokenizer: Tokenizer, longest: int) -> list[list[int]]:
    special = tokenizer.special
    prompt = [*tokenizer.prompt(), special.no_timestamps]
    tokens = torch.tensor([prompt] * len(audio), device=audio.device)
    never = torch.zeros(model.dims.n_vocab, device=audio.device)
    never[[*tokenizer.suppressed, *range(special.no_timestamps, model.dims.n_vocab)]] = -math.inf
    embedding = model.decoder.token_embedding
    matrix = embedding.matrix().T
    matrix = matrix.bfloat16() if halved(audio.device) else matrix
    heard = model.decoder.hear(audio)
    for step in range(min(longest, model.dims.n_text_ctx // 2)):
        last = model.decoder.say(tokens, heard).out[:, -1]
        logits = (last.to(matrix.dtype) @ matrix).float() + never
        if step == 0:
            logits[:, special.eot] = -math.inf
        best = logits.argmax(dim=-1)
        best[(tokens[:, len(prompt) :] == special.eot).any(dim=1)] = special.eot
        tokens = torch.cat([tokens, best[:, None]], dim=1)
        if bool((best == special.eot).all()):
            break
    return [_until(row, special.eot) for row in tokens[:, len(prompt) :].tolist()]


def _until(row: list[int], eot: int) -> list[int]:
    return row[: row.index(eot)] if eot in row else row
