# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The program behind `inv`: Invoke, with the verbs of tasks.py.

Three things differ from plain Invoke: the verbs are those of this checkout wherever one stands, a verb may take any
number of files, and what a user did wrong is a sentence and an exit status instead of a traceback.
"""

import errno
import os
import re
import signal
import sys
from collections.abc import Iterable
from copy import deepcopy
from importlib.metadata import version

from invoke import Argument, Exit, ParseError, Program
from invoke.parser import ParserContext

from whisper158 import flags, sudo
from whisper158.errors import Usage, UserError, visible
from whisper158.paths import ROOT

# What the machine refuses whatever the program does, and what a path can be that was typed; other errors of the system
# would be bugs.
MACHINE_ERRORS = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS)
PATH_ERRORS = (errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR)


class Inv(Program):
    def parse_core(self, argv: list[str] | None) -> None:
        try:
            super().parse_core(argv)
            flags.choice("--list-format", self.args["list-format"].value or "flat", ("flat", "nested", "json"))
            if config := self.args.config.value:
                flags.file("--config", config)
                flags.choice("--config: the ending", config.rpartition(".")[2], ("json", "py", "yaml", "yml"))
        except UserError as error:
            raise Exit(f"inv: {error}", error.status) from error
        except ValueError as error:  # Invoke's own flags have one number
            raise Exit("inv: --list-depth is not a whole number", os.EX_USAGE) from error

    def parse_tasks(self) -> None:
        # Of a copy, because to_contexts() uses up the help texts of the tasks.
        verbs = deepcopy(self.collection).to_contexts()
        self.core.unparsed = gather(self.core.unparsed, verbs)
        try:
            check_flags(self.core.unparsed, verbs)
            super().parse_tasks()
        except (ParseError, UserError) as error:
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
        except UnicodeEncodeError as error:
            # Python keeps what is not UTF-8 in words and names of files; libraries below it do not.
            raise Exit(f"inv: {error.object!r} is not UTF-8: give the file another name", os.EX_USAGE) from error
        except OSError as error:
            if error.errno not in MACHINE_ERRORS + PATH_ERRORS:
                raise
            where = visible(flags.brief(str(error.filename or "cannot write")))
            raise Exit(f"inv: {where}: {error.strerror}", os.EX_IOERR) from error
        except KeyboardInterrupt as error:
            raise Exit("inv: interrupted", 128 + signal.SIGINT) from error


def check_flags(words: list[str], verbs: list[ParserContext]) -> None:
    """What Invoke takes for something else: a flag that is given twice, one without a value or with one that it does
    not take, and a number that is none. An empty value is what a shell makes of a variable that is not set; whoever
    means the default leaves the flag out."""
    known = {name: verb for verb in verbs for name in (verb.name, *verb.aliases)}
    verb: ParserContext | None = None
    given: set[str] = set()
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if verb is None or flag not in {**verb.flags, **verb.inverse_flags}:
            if word in known:
                verb, given = known[word], set()
            continue
        argument = verb.flags.get(flag)
        if argument is None or not argument.takes_value:
            if equals:
                raise Usage(f"{flag} takes no value, and is given {flags.brief(value)}")
            continue
        if not equals and (value := next(rest, "--")) in ("--", "--help", *verb.flags):
            raise Usage(f"{flag} needs a value")
        check_value(argument, flag, value, flag in given)
        given.add(flag)


def check_value(argument: Argument, flag: str, value: str, again: bool) -> None:
    if again and argument.kind is not list:
        raise Usage(f"{flag} is given twice")
    if not value.strip():
        raise Usage(f"{flag} is empty: give it a value, or leave it out")
    if argument.kind is int and not re.fullmatch(rf"-?[0-9]{{1,{flags.DIGITS}}}", value):
        raise Usage(f"{flag} {flags.brief(value)} is not a whole number")


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
    # The first is what scripts for completion call, from whatever folder.
    names = [str(ROOT / "inv"), "./inv", "inv"]
    program = Inv(name="whisper158", binary="./inv", binary_names=names, version=version("whisper158"))
    try:
        program.run(["./inv", "--search-root", str(ROOT), *sys.argv[1:]])
    finally:
        sudo.hand_back()
