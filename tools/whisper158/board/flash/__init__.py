# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""An image's way onto a board: checked, written, and confirmed by what then boots."""
