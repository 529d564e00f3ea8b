# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How many instructions the runtime takes on the board's architecture: counted, exact, the same every time."""
