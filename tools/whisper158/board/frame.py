# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How a command gets through a terminal unharmed, and how its end is told from its output.

A mark that nobody else prints goes before and after the output. Where it is sent it is split by two quotes, so that an
echo of what was sent is not taken for it.
"""

import re
import secrets

# What every mark begins with.
MARK = "w158-"
# Part of a line that a serial port's receiver is trusted to hold while its reader is busy.
PIECE = 100


def fresh_mark() -> str:
    """Nothing else that may appear on a console."""
    return f"{MARK}{secrets.token_hex(4)}"


def split(word: str) -> str:
    """`word` as a shell puts it together: its echo does not look like it."""
    return f"{word[:3]}''{word[3:]}"


def load(encoded: str) -> list[str]:
    """Lines that put a command into a variable, each short enough for a terminal in its line mode."""
    pieces = (encoded[start : start + PIECE] for start in range(0, len(encoded), PIECE))
    return ["w158=", *(f"w158=\"$w158\"'{piece}'" for piece in pieces)]


def start(encoded: str, begin: str, end: str) -> str:
    """The line that runs what was loaded, if all of it has arrived."""
    return (
        f"printf '%s\\n' {split(begin)}; if [ \"${{#w158}}\" = {len(encoded)} ]; "
        'then sh -c "$(printf %b "$w158")" </dev/null 2>&1; w158=$?; else w158=lost; fi; '
        f"{finish(end)}"
    )


def finish(end: str) -> str:
    """The line that prints the mark after the output, with the status; it may be sent again."""
    return f"printf '\\n%s-%s-end\\n' {split(end)} \"$w158\""


def encode(command: str) -> str:
    """As what `printf %b` decodes: printable ASCII without quotes, so that neither a shell that reads it, nor its line
    editor or history, nor a terminal takes any of it for something else."""
    plain = set(range(0x20, 0x7F)) - set(b"'\\!")
    return "".join(chr(byte) if byte in plain else f"\\0{byte:03o}" for byte in command.encode())


def trim(output: str, begin: str) -> str:
    """A command's output without what surrounds it: echoes and a mark before, perhaps a broken mark after."""
    _, found, rest = output.rpartition(f"{begin}\n")
    output = rest if found else output
    # Of a mark that was broken apart, the beginning.
    return re.split(rf"\n{MARK}", output)[0].rstrip("\n")
