# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The person at the desk, who has hands and a voice."""

from whisper158.errors import die


def ask(text: str) -> None:
    """Says what is to be done and waits for Enter, whoever has redirected our own streams."""
    try:
        with open("/dev/tty", "r+", buffering=1) as terminal:
            terminal.write(f"\a\n>>> {text} [Enter] ")
            if not terminal.readline():
                die("nobody answered", "the terminal was closed")
    except OSError:
        die(f"somebody would have to do this, and there is no terminal: {text}")
