# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Jane Austen's six novels (public domain), which any Debian machine can have: 19th-century prose, as in LibriSpeech.

Debian packs them for R, in a file of zlib streams, one an object. Each is a vector of strings in R's serialisation,
which is all of that format that is read here: big-endian words, a header, then the lines.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from whisper158 import apt
from whisper158.cache import cache_dir, make_entry
from whisper158.console import step
from whisper158.errors import die

PACKAGE = "r-cran-janeaustenr"
FILE = Path("usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")

# More than any of the novels, in case the file is not what it should be.
LARGEST = 1 << 24

# A sentence ends where the next one begins with a capital, but not behind a title.
_END = re.compile(r"""(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)(?:(?<=[.!?])|(?<=[.!?]["']))\s+(?=["']?[A-Z])""")


def sentences() -> Iterator[str]:
    """Every sentence of the novels, in their order. They are fetched at first use and kept in the cache."""
    with step("Fetching Jane Austen's novels"):
        tree = make_entry(cache_dir() / "texts" / "austen", lambda folder: apt.unpack((PACKAGE,), folder))
    for lines in novels(tree / FILE):
        for paragraph in paragraphs(lines):
            yield from _END.split(paragraph)


def novels(file: Path) -> Iterator[list[str]]:
    """The lines of each novel."""
    content = file.read_bytes()
    while content:
        # The length of what follows, unpacked, comes first; the stream itself knows it as well.
        stream = zlib.decompressobj()
        try:
            yield _strings(stream.decompress(content[4:], LARGEST))
        except (zlib.error, struct.error, UnicodeDecodeError):
            die(f"{file} is not what {PACKAGE} used to contain")
        content = stream.unused_data


def _strings(data: bytes) -> list[str]:
    """A vector of strings in the binary format of R's serialize(), version 3."""
    mark, version, _, _, length = struct.unpack_from(">2s4i", data)
    kind, count = struct.unpack_from(">2i", data, 18 + length)
    if mark != b"X\n" or version != 3 or kind & 0xFF != 16:
        raise struct.error
    place, strings = 26 + length, []
    for _ in range(count):
        _, size = struct.unpack_from(">2i", data, place)
        strings.append(data[place + 8 : place + 8 + size].decode())
        place += 8 + max(size, 0)
    return strings


def paragraphs(lines: list[str]) -> Iterator[str]:
    """Lines between empty ones, without headings and the underscores that mean italics."""
    for block in "\n".join(lines).split("\n\n"):
        if not block.isupper() and not re.match(r"\s*(chapter|volume)\b", block, re.IGNORECASE):
            yield " ".join(block.replace("_", "").split())
