# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The program behind `inv`: Invoke, with the verbs of tasks.py.

Three things differ from plain Invoke: the verbs are those of this checkout wherever one stands, a verb may take any
number of files, and what a user did wrong is a sentence and an exit status instead of a traceback.
"""

import os
import sys
from collections.abc import Iterable
from copy import deepcopy
from importlib.metadata import version

from invoke import Exit, ParseError, Program
from invoke.parser import ParserContext

from whisper158.errors import UserError
from whisper158.paths import ROOT


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


def gather(words: list[str], verbs: Iterable[ParserContext]) -> list[str]:
    """Spells `transcribe a.wav b.wav` as `transcribe --files=a.wav --files=b.wav`.

    Invoke takes one word for a positional argument, even where the argument is a list. Bare words that follow such a
    verb belong to it, so no second verb can follow.
    """
    known = {name: verb for verb in verbs for name in (verb.name, *verb.aliases)}
    spelled: list[str] = []
    verb: ParserContext | None = None
    takes_all: str | None = None
    value_follows = False
    only_files = False
    for word in words:
        if value_follows:
            value_follows = False
        elif takes_all and word == "--" and not only_files:
            only_files = True
            continue
        elif word.startswith("-") and word != "-" and not only_files:
            value_follows = verb is not None and word in verb.flags and verb.flags[word].takes_value
        elif takes_all:
            word = f"--{takes_all}={word}"
        elif word in known:
            verb = known[word]
            takes_all = next((argument.name for argument in verb.positional_args if argument.kind is list), None)
        spelled.append(word)
    return spelled


if __name__ == "__main__":
    program = Inv(name="whisper158", binary="./inv", binary_names=["inv"], version=version("whisper158"))
    program.run(["./inv", "--search-root", str(ROOT), *sys.argv[1:]])
