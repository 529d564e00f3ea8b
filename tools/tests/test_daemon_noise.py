# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Ten minutes in which nobody speaks, through whisper158d as it is shipped: no text comes of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.daemon_process import kinds, running
from whisper158.build import runtime
from whisper158.data.audio import SAMPLE_RATE
from whisper158.evaluate.accuracy import noises

TEN_MINUTES = 600 * SAMPLE_RATE


@pytest.mark.network
def test_ten_minutes_of_noise_are_no_text(model: Callable[[str], Path], tmp_path: Path) -> None:
    """Silence, hum, fans, key clicks, music and more, of several levels. What the VAD lets through counts, too."""
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    samples = np.concatenate([clip.samples for clip in [*noises.silence(), *noises.noise()]])
    assert len(samples) >= TEN_MINUTES
    recording = tmp_path / "nobody.raw"
    recording.write_bytes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    options = [f"--input={recording}", "--raw", "--fast", "--wait", "--interim=always"]
    with running(program, model("tiny.en-q8"), tmp_path, *options) as daemon:
        with daemon.stopped():
            client = daemon.connect()
            client.say({"subscribe": ["all"]})
        events = list(client)
        assert daemon.end() == 0
    assert {"final", "partial", "speech-start", "error", "dropped"}.isdisjoint(kinds(events))
    assert kinds(events).count("level") > 100
