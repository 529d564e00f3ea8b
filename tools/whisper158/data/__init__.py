# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Speech to train on and to evaluate with: found, spoken by voices, labelled by a teacher, augmented."""
