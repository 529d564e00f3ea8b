# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What methods are calibrated with is what is heard later, and is known by what was read of the checkpoint."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from whisper158.errors import UserError
from whisper158.evaluate.accuracy import contexts, sets
from whisper158.evaluate.accuracy.sets import Utterance
from whisper158.model.golden import golden
from whisper158.units import SAMPLE_RATE

for name in ("torch", "whisper", "tiktoken"):
    pytest.importorskip(name, reason="needs PyTorch and OpenAI's Whisper: ./inv install oracle, train")

from whisper158.evaluate.accuracy import greedy  # noqa: E402
from whisper158.lab import calibration  # noqa: E402
from whisper158.lab.calibration import Source  # noqa: E402
from whisper158.lab.families import whisper as family  # noqa: E402
from whisper158.lab.families import whisper_subject  # noqa: E402


def clip(seconds: float, told: float | None = None, text: str = "hello world") -> Utterance:
    """told: how long it is by its manifest"""
    samples = np.random.default_rng(158).normal(size=int(seconds * SAMPLE_RATE)).astype(np.float32) * 0.1
    return Utterance(f"{seconds}", text, told or seconds, partial(np.copy, samples))


@pytest.mark.parametrize("context", ["full", "fit", "30"])
@pytest.mark.parametrize("told", [0.4, 0.1, 0.7])
def test_calibration_hears_windows_as_evaluation_does(
    context: str, told: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the audio are zeros, not the spectrogram of silence; how long it is, its samples say."""
    heard: list[Any] = []
    monkeypatch.setattr(greedy, "encode", lambda _, window: heard.append(window))
    monkeypatch.setattr(greedy.Simulated, "_decode", lambda *_: None)
    model, window = family.model(golden()), contexts.parse(context)
    full, utterance = model.dims.n_audio_ctx, clip(0.4, told)
    rules = whisper_subject.rules(golden())
    greedy.Simulated(model.whisper, rules, window, full).hear(utterance.load())
    found = whisper_subject.window(utterance, model.dims.n_mels, window, full).numpy()
    assert np.array_equal(found, heard[0])
    if context == "full":
        assert not found[:, 40:].any() and (found[:, :40] != 0).any()


def test_clips_that_are_longer_than_a_window_are_not_calibrated_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their words would not be those of what is heard."""
    made = sets.of("spoken", [clip(0.5), clip(0.25), clip(0.125, 30.5)])
    monkeypatch.setattr(sets, "find", lambda word, most=0: made)
    assert {calibration.choose(Source("spoken", 2, seed)).ids[0] for seed in range(9)} == {"0.5", "0.25"}
    with pytest.raises(UserError, match="there are 2 clips with words, of 30 s at most"):
        calibration.choose(Source("spoken", 3))


def test_a_model_is_known_by_what_was_read() -> None:
    """The same file may be read otherwise when the code that reads it changes."""
    plain = golden()
    name = "decoder.ln.bias"
    others = [
        replace(plain, tensors={**plain.tensors, name: plain.tensors[name] + np.float32(1e-6)}),
        replace(plain, vocabulary=(*plain.vocabulary[1:], plain.vocabulary[0])),
    ]
    digests = [whisper_subject.content_sha256(each) for each in (plain, golden(), *others)]
    assert digests[0] == digests[1] and len(set(digests)) == 3
