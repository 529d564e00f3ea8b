# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The program behind `inv`: Invoke, with the verbs of tasks.py.

Three things differ from plain Invoke: the verbs are those of this checkout wherever one stands, a verb may take any
number of files, and what a user did wrong is a sentence and an exit status instead of a traceback.
"""

import errno
import os
import sys
from collections.abc import Iterable
from copy import deepcopy
from importlib.metadata import version

from invoke import Argument, Exit, ParseError, Program
from invoke.parser import ParserContext

from whisper158.errors import UserError
from whisper158.paths import ROOT

# What the machine refuses whatever the program does; other errors of the system would be bugs.
MACHINE_ERRORS = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS)


class Inv(Program):
    def parse_tasks(self) -> None:
        # Of a copy, because to_contexts() uses up the help texts of the tasks.
        self.core.unparsed = gather(self.core.unparsed, deepcopy(self.collection).to_contexts())
        try:
            super().parse_tasks()
        except ParseError as error:
            hint = "./inv --list shows the verbs, ./inv VERB --help their flags"
            raise Exit(f"inv: {error}\n  {hint}", os.EX_USAGE) from error

    def no_tasks_given(self) -> None:
        self.list_tasks()
        raise Exit

    def execute(self) -> None:
        try:
            super().execute()
        except UserError as error:
            raise Exit(f"inv: {error}", error.status) from error
        except OSError as error:
            if error.errno not in MACHINE_ERRORS:
                raise
            raise Exit(f"inv: {error.filename or 'cannot write'}: {error.strerror}", os.EX_IOERR) from error


def gather(words: list[str], verbs: Iterable[ParserContext]) -> list[str]:
    """Spells `transcribe a.wav b.wav` as `transcribe --files=a.wav --files=b.wav`.

    Invoke takes one word for a positional argument even where that is a list, and takes --help for one. Bare words are
    a verb's as long as it has arguments to fill, so nothing can follow a verb that takes any number.
    """
    known = {name: verb for verb in verbs for name in (verb.name, *verb.aliases)}
    spelled: list[str] = []
    verb: ParserContext | None = None
    unfilled: list[Argument] = []
    value_follows = False
    only_files = False
    for word in words:
        if value_follows:
            value_follows = False
        elif word == "--" and unfilled and not only_files:
            only_files = True
            continue
        elif word.startswith("-") and word != "-" and not only_files:
            value_follows = verb is not None and word in verb.flags and verb.flags[word].takes_value
        elif unfilled:
            word = f"--{unfilled[0].names[0]}={word}"
            if unfilled[0].kind is not list:
                unfilled.pop(0)
        elif word in known:
            verb = known[word]
            unfilled = list(verb.positional_args)
        spelled.append(word)
    return spelled


if __name__ == "__main__":
    program = Inv(name="whisper158", binary="./inv", binary_names=["inv"], version=version("whisper158"))
    program.run(["./inv", "--search-root", str(ROOT), *sys.argv[1:]])
