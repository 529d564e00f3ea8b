# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whisper158.model.melbank import mel_filters


@pytest.mark.parametrize("n_mels", [80, 128])
def test_every_filter_is_a_triangle_of_the_same_area(n_mels: int) -> None:
    filters = mel_filters(n_mels)
    assert filters.shape == (n_mels, 201) and filters.dtype == np.float32
    assert (filters >= 0).all() and (filters.max(axis=1) > 0).all()
    assert (np.diff(filters.argmax(axis=1)) >= 0).all()
    wide = filters[-20:]  # wide enough for a sum over bins of 40 Hz to be near the integral
    assert np.allclose(wide.sum(axis=1) * 40, 1, atol=0.02)
    assert not filters[:, 0].any() and not filters[:, 200].any()


@pytest.mark.oracle
@pytest.mark.parametrize("n_mels", [80, 128])
def test_filters_are_the_originals(n_mels: int) -> None:
    whisper: Any = pytest.importorskip("whisper")
    with np.load(Path(whisper.__file__).parent / "assets" / "mel_filters.npz") as original:
        assert np.abs(mel_filters(n_mels) - original[f"mel_{n_mels}"]).max() <= 1e-7
