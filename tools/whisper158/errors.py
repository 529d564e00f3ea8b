# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a person did or met, said in one sentence, as opposed to a bug of ours."""

import os
from typing import NoReturn


class UserError(Exception):
    """One clear sentence, and where there is one, what to do about it.

    It is raised wherever the cause is known and turned into text and an exit status in one place only: at the
    edge of a command (__main__.py).
    """

    # The exit status; subclasses choose others, from sysexits.h.
    status = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return visible(f"{self.message}\n  {self.hint}" if self.hint else self.message)


class Usage(UserError):
    """A flag, or its value, that is not as it must be."""

    status = os.EX_USAGE


def visible(text: str) -> str:
    """Names of files and what programs wrote may hold anything; none of it is to reach a terminal as a command."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def die(message: str, hint: str | None = None) -> NoReturn:
    """Give up for a reason that the user can understand and cure."""
    raise UserError(message, hint)
