# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The mel filter bank that Whisper hears through: Slaney's, as librosa.filters.mel computes it."""

import numpy as np
import numpy.typing as npt

from whisper158.units import SAMPLE_RATE

BINS = 201  # of a 400-point transform

# Slaney's scale ("Auditory Toolbox", 1998) is linear below 1000 Hz and logarithmic above.
HZ_PER_MEL = 200 / 3
LOG_FROM_HZ = 1000.0
LOG_FROM_MEL = LOG_FROM_HZ / HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27


def mel_filters(n_mels: int) -> npt.NDArray[np.float32]:
    """Triangles over 0 to 8000 Hz, [n_mels, 201], each 2 / (its width in Hz) high, which makes their areas equal."""
    bins = np.linspace(0, SAMPLE_RATE / 2, BINS)
    corners = _hz(np.linspace(0, _mel(SAMPLE_RATE / 2), n_mels + 2))
    lower, centre, upper = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (bins - lower) / (centre - lower)
    falling = (upper - bins) / (upper - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (upper - lower))).astype(np.float32)


def _mel(hz: float) -> float:
    """Of a frequency in the logarithmic part."""
    return float(LOG_FROM_MEL + np.log(hz / LOG_FROM_HZ) / LOG_STEP)


def _hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < LOG_FROM_MEL, mel * HZ_PER_MEL, LOG_FROM_HZ * np.exp(LOG_STEP * (mel - LOG_FROM_MEL)))
