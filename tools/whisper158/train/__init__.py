# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Training: a float Whisper teaches its ternary copy, block by block and then as a whole (docs/training.md)."""

CONFIGURATIONS = "the configurations that come with the project are in configs/"
