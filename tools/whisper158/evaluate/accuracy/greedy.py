# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a model says by the runtime's rules, computed in PyTorch: greedy, one window, without timestamps.

The rules are those of runtime/src/transcribe.c and sample.c, written a second time so that one can judge the other.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

from whisper158.evaluate.accuracy.contexts import COLUMNS_PER_FRAME, AudioContext
from whisper158.evaluate.accuracy.listeners import LANGUAGE, Heard
from whisper158.evaluate.original import encode
from whisper158.evaluate.simulate import simulation
from whisper158.model.blob import Blob

Samples = npt.NDArray[np.float32]

HOP = 160
WINDOW = 30 * 16000
SILENCE = 1 / 65536
TOKENS_PER_SECOND = 16
TOKENS_PER_WINDOW = 16
NO_SPEECH_THRESHOLD = 0.6
LOGPROB_THRESHOLD = -1.0
# From the loudest to the floor, 80 dB; a little less, because the floor itself may be rounded to above it.
RANGE = 2 - 1e-5
LEAST_REPETITIONS = 4
LEAST_REPEATED_TOKENS = 24


@dataclass(frozen=True)
class Rules:
    """Of a blob's sections decoding.* and vocab.*, what is needed without timestamps."""

    prompt: list[int]
    eot: int
    space: int
    no_speech: int
    most: int
    suppressed: list[int]
    vocabulary: list[bytes]

    @classmethod
    def of(cls, blob: Blob) -> "Rules":
        eot, sot, _, transcribe, _, _, no_speech, no_timestamps, _, first_language, languages, _, most, space, *_ = (
            blob.array("decoding").tolist()
        )
        codes = blob.text("decoding.languages").split(",")
        spoken = [first_language + codes.index(LANGUAGE), transcribe] if languages else []
        offsets, data = blob.array("vocab.offsets").tolist(), blob.array("vocab.bytes").tobytes()
        return cls(
            prompt=[sot, *spoken, no_timestamps],
            eot=eot,
            space=space,
            no_speech=no_speech,
            most=most,
            suppressed=blob.array("decoding.suppress").tolist(),
            vocabulary=[data[a:b] for a, b in pairwise(offsets)],
        )

    def text(self, tokens: list[int]) -> str:
        known = (self.vocabulary[token] for token in tokens if token < len(self.vocabulary))
        return b"".join(known).decode(errors="replace").strip()


class Simulated:
    """A Listener; it takes no audio that is longer than a window. `shortest` is the model's shortest context."""

    def __init__(
        self, model: Whisper, rules: Rules, context: AudioContext, shortest: int, shaken: bool = False
    ) -> None:
        self._model = model
        self._rules = rules
        self._context = context
        self._shortest = shortest
        self._shaken = shaken

    @classmethod
    def of(cls, blob: Blob, context: AudioContext, shaken: bool) -> "Simulated":
        return cls(simulation(blob), Rules.of(blob), context, int(blob.array("config")[-2]), shaken)

    def hear(self, samples: Samples) -> Heard | None:
        dims: ModelDimensions = self._model.dims
        columns = len(samples) // HOP
        if columns > COLUMNS_PER_FRAME * self._context.of_window(columns, self._shortest, dims.n_audio_ctx):
            return None
        if np.abs(samples[: columns * HOP]).max(initial=0) < SILENCE:
            return Heard("", False)
        mel = spectrogram(samples, dims.n_mels)
        if self._shaken:
            mel = shake(mel)
        frames = self._context.of_window(heard_columns(mel, columns), self._shortest, dims.n_audio_ctx)
        limit = TOKENS_PER_WINDOW + TOKENS_PER_SECOND * columns // 100
        with torch.no_grad():
            return self._decode(encode(self._model, first_window(mel, columns, frames)), limit)

    def _decode(self, encoded: Samples, limit: int) -> Heard:
        rules = self._rules
        audio = torch.from_numpy(encoded)[None]
        limit = min(limit, rules.most, self._model.dims.n_text_ctx - len(rules.prompt))
        said: list[int] = []
        sampled = 0  # some may be taken back for being a repetition
        total = 0.0
        repetition = False
        cache, hooks = self._model.install_kv_cache_hooks()
        try:
            logits = self._model.decoder(torch.tensor([rules.prompt]), audio, kv_cache=cache)[0]
            no_speech = float(torch.softmax(logits[0].double(), dim=-1)[rules.no_speech])
            while len(said) < limit:
                token, logprob = choose(logits[-1], rules, first=not said)
                total += logprob
                if token == rules.eot:
                    break
                said.append(token)
                sampled += 1
                if once := repeated(said):
                    said, repetition = said[:once], True
                    break
                if len(said) < limit:
                    logits = self._model.decoder(torch.tensor([[token]]), audio, kv_cache=cache)[0]
        finally:
            for hook in hooks:
                hook.remove()
        unsure = total / (sampled + 1) <= LOGPROB_THRESHOLD
        if no_speech > NO_SPEECH_THRESHOLD and unsure:
            return Heard("", False)
        return Heard(rules.text(said), repetition)


def spectrogram(samples: Samples, bands: int) -> Samples:
    """Log-mel of the audio and a window of zeros behind it, as whisper.transcribe has it."""
    return np.asarray(whisper.log_mel_spectrogram(torch.from_numpy(samples), bands, padding=WINDOW))


def shake(mel: Samples) -> Samples:
    """Each number as it is, or the next one above or below it; the same choice each time."""
    chance = np.random.default_rng(158).integers(-1, 2, mel.shape).astype(np.float32)
    moved: Samples = np.where(chance == 0, mel, np.nextafter(mel, np.copysign(np.float32(np.inf), chance)))
    return moved


def heard_columns(mel: Samples, columns: int) -> int:
    """Of the first `columns`, those up to the last one in which anything is above the floor."""
    heard = np.flatnonzero((mel[:, :columns] > mel.max() - RANGE).any(axis=0))
    return int(heard[-1]) + 1 if len(heard) else 0


def first_window(mel: Samples, columns: int, frames: int) -> Samples:
    """[bands, 2 x frames]: of a spectrogram whose first `columns` are audio. Behind them are zeros, as
    whisper.transcribe has it, and not what silence looks like."""
    window: Samples = np.zeros((len(mel), COLUMNS_PER_FRAME * frames), np.float32)
    seen = min(columns, window.shape[1])
    window[:, :seen] = mel[:, :seen]
    return window


def choose(logits: torch.Tensor, rules: Rules, first: bool) -> tuple[int, float]:
    """The most probable token that is allowed, and its log probability among those."""
    logits = logits.double()
    logits[rules.suppressed] = -torch.inf
    if first:
        logits[[rules.space, rules.eot]] = -torch.inf
    token = int(logits.argmax())
    return token, float(logits[token] - logits.logsumexp(dim=-1))


def repeated(tokens: list[int]) -> int:
    """Tokens up to the end of the first occurrence of what repeats at the end, or 0."""
    n = len(tokens)
    for period in range(1, n // LEAST_REPETITIONS + 1):
        run = period
        while run < n and tokens[n - 1 - run] == tokens[n - 1 - run + period]:
            run += 1
        if run >= max(period * LEAST_REPETITIONS, LEAST_REPEATED_TOKENS):
            return n - run + period
    return 0
