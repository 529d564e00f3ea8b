# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A board, real or emulated: its console, what is written onto it, what is asked of it."""
