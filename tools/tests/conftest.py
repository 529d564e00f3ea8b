# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What several tests need. Whatever takes long is made once, at the first request, and kept in the cache."""

from collections.abc import Callable
from pathlib import Path

import pytest

from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip
from whisper158.evaluate.sounds import sounds as recorded_sounds
from whisper158.model import models
from whisper158.paths import ROOT


@pytest.fixture(scope="session")
def sounds() -> tuple[Clip, ...]:
    """Recordings of a person with known words (whisper158.evaluate.sounds)."""
    return recorded_sounds()


@pytest.fixture(scope="session")
def shared_speech() -> Path:
    """The speech beside the checkout, which is too much to be part of it. Its tests are marked `shared`."""
    folder = ROOT.parent / "shared" / "speech"
    if not folder.is_dir():
        pytest.skip("there is no speech in ../shared/speech")
    return folder


@pytest.fixture(scope="session")
def whisper158_binary() -> Path:
    """The `whisper158` program for this machine, up to date."""
    return runtime.program()


@pytest.fixture(scope="session")
def model() -> Callable[[str], Path]:
    """`model("tiny.en-q8")` is that model's .w158 file. Tests that use it are marked `network`."""
    return models.ensure
