# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What stands in the documents: commands, links, headings, options.

A reader and a test go by the same rule. An indented block, or a fence marked `sh`, is commands, one a line; what is not
to be typed is in a fence that says what it is (`text`, `python`). Code in a sentence is a command too if it begins with
`./inv`, `whisper158` or `python` and goes on after the verb. In manual pages every literal block is commands, but for
those of a unit's file.
"""

import functools
import re
import shlex
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from invoke import Collection
from invoke.loader import FilesystemLoader
from markdown_it import MarkdownIt
from markdown_it.token import Token

from whisper158.paths import ROOT, RUNTIME

PROGRAMS = ("whisper158", "whisper158d")
# What a command in a sentence begins with.
SPOKEN = re.compile(r"(\./inv|whisper158d?|\.venv/bin/python|python) ")


@dataclass(frozen=True)
class Found:
    """A piece of a document, and where it stands."""

    document: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.text}"


def pages() -> list[Path]:
    """What people read, as Markdown. The change log tells of commands as they were."""
    folders = (ROOT, ROOT / "docs", ROOT / "meta-whisper158", ROOT / "recipes-tests")
    return [path for folder in folders for path in sorted(folder.glob("*.md")) if path.name != "CHANGELOG.md"]


def manuals() -> list[Path]:
    return sorted((RUNTIME / "man").glob("*.scd"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def tokens(path: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(path.read_text()))


def line(token: Token) -> int:
    return (token.map or [0])[0] + 1


def spans(path: Path) -> Iterator[Found]:
    """Code within sentences."""
    for token in tokens(path):
        for child in token.children or ():
            if child.type == "code_inline":
                yield Found(name(path), line(token), " ".join(child.content.split()))


def blocks(path: Path) -> Iterator[Token]:
    """Those that hold commands."""
    for token in tokens(path):
        if path.suffix == ".scd":
            wanted = token.type == "fence" and not token.content.startswith("[")
        else:
            wanted = token.type == "code_block" or (token.type == "fence" and token.info == "sh")
        if wanted:
            yield token


def commands(path: Path) -> list[Found]:
    """In the order in which they stand there, each without the remark behind it."""
    found = []
    for token in blocks(path):
        first = line(token) + (token.type == "fence")
        for number, text in enumerate(token.content.splitlines(), first):
            if text := re.sub(r"(^|\s+)#\s.*", "", text).strip():
                found.append(Found(name(path), number, text))
    if path.suffix == ".md":
        found += [span for span in spans(path) if SPOKEN.match(span.text) and span not in names(path)]
    return sorted(found, key=lambda command: command.line)


def names(path: Path) -> list[Found]:
    """Code spans of two words: `./inv test` in a sentence speaks of a verb, and need not be all that is to be typed."""
    return [span for span in spans(path) if re.fullmatch(SPOKEN.pattern + r"\S+", span.text)]


def calls(command: str, program: str) -> list[list[str]]:
    """The words that `program` is given, each time that a command calls it."""
    command = re.sub(r"\s\d>&\d", "", command)
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    simple: list[list[str]] = [[]]
    for word in lexer:
        if word[0] in "|&;<>()":
            simple.append([])
        elif simple[-1] or not re.match(r"sudo$|\w+=", word):
            simple[-1].append(word)
    return [words[1:] for words in simple if words[:1] == [program]]


def verbs() -> set[str]:
    """Of ./inv, by all their names."""
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    contexts = Collection.from_module(module).to_contexts()
    return {name for context in contexts for name in (context.name, *context.aliases) if name}


def links(path: Path) -> Iterator[Found]:
    """Where links and pictures lead."""
    for token in tokens(path):
        for child in token.children or ():
            target = child.attrGet("href" if child.type == "link_open" else "src")
            if child.type in ("link_open", "image"):
                yield Found(name(path), line(token), str(target))


def anchors(path: Path) -> set[str]:
    """The names of a page's headings, as GitHub and GitLab make them."""
    made: set[str] = set()
    previous = None
    for token in tokens(path):
        if previous is not None and previous.type == "heading_open":
            text = "".join(child.content for child in token.children or () if child.type in ("text", "code_inline"))
            stem = "".join(c for c in text.strip().lower() if c in " -_" or unicodedata.category(c)[0] in "LN")
            anchor, number = stem.replace(" ", "-"), 0
            while anchor in made:
                number += 1
                anchor = f"{stem.replace(' ', '-')}-{number}"
            made.add(anchor)
        previous = token
    return made


@functools.cache
def options() -> dict[str, set[str]]:
    """By what is called ("./inv bench", "whisper158 info"), the options that its help has.

    That is read in data/help, which test_help.py holds against the programs.
    """
    told: dict[str, set[str]] = {}
    for file in sorted((Path(__file__).parent / "data" / "help").glob("*.txt")):
        for part in re.split(r"^\$ ", file.read_text(), flags=re.MULTILINE)[1:]:
            head, _, text = part.partition(" --help\n")
            told[head] = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text))
    return told
