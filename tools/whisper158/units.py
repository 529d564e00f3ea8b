# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The units of whisper158.h, in which sound and time are counted (tools/tests/test_facts.py holds the two together)."""

SAMPLE_RATE = 16000
FRAMES_PER_SECOND = 50  # of the encoder
WINDOW_SECONDS = 30
WINDOW_FRAMES = FRAMES_PER_SECOND * WINDOW_SECONDS
TILE = 16  # frames: contexts are rounded up to whole tiles of the kernels
MAX_THREADS = 64
