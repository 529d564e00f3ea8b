# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a quantised model says: greedy, by the runtime's rules (evaluate/accuracy/greedy.py)."""

from collections.abc import Sequence

from whisper158.evaluate.accuracy.cells import Said
from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.evaluate.accuracy.greedy import Rules, Simulated
from whisper158.evaluate.accuracy.sets import Utterance
from whisper158.lab.families.whisper import WhisperModel


class Listening(Simulated):
    """Stock checkpoints are good for nothing but their full context, so that is their shortest."""

    def __init__(self, model: WhisperModel, rules: Rules, context: AudioContext) -> None:
        self._model, self._rules, self._context = model.whisper, rules, context
        self._shortest = model.dims.n_audio_ctx


def hear(listening: Listening, clips: Sequence[Utterance]) -> list[Said]:
    found = [(clip.id, listening.hear(clip.load())) for clip in clips]
    return [Said(id, heard.text if heard else None, heard.repetition if heard else False) for id, heard in found]
