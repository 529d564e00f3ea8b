# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a console sends, as plain lines of text; and the log of it."""

import codecs
import re
import time
from pathlib import Path
from typing import TextIO

# CSI (colours, the cursor), strings that name windows or describe sessions (OSC, DCS, PM, APC), and the short ones.
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-OQ-WYZ\\`-~])")
# The beginning of one, or of a line end, at the end of what has arrived.
UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[\]P^_X][^\x07\x1b]*\x1b?|[ -/]*)?|\r+)\Z")
# What is longer is no escape sequence but a line with noise in it.
LONGEST_ESCAPE = 1024
LINE_END = re.compile(r"\r+\n")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# How a log shows keys that have no picture.
CARETS = {code: f"^{chr(code + 64)}" for code in range(32) if chr(code) not in "\t\r\n"}


class Plain:
    """Takes bytes as they come, in whatever pieces, and gives text without escape sequences, with \\n between lines."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.held = ""

    def feed(self, data: bytes) -> str:
        text = self.held + self.decoder.decode(data)
        self.held = ""
        unfinished = UNFINISHED.search(text, max(0, len(text) - LONGEST_ESCAPE))
        if unfinished:
            self.held = unfinished.group()
            text = text[: unfinished.start()]
        return CONTROL.sub("", LINE_END.sub("\n", ESCAPE.sub("", text)))


class Log:
    """Lines with the time at which they began, < before what came and > before what was sent."""

    def __init__(self, path: Path | None) -> None:
        self.file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("a", encoding="utf-8")
        self.direction = ""

    def write(self, direction: str, text: str) -> None:
        if self.file is None or not text:
            return
        if self.direction not in ("", direction):
            self._end_line()
        for line in text.splitlines(keepends=True):
            if not self.direction:
                self.file.write(f"{_now()} {direction} ")
            self.file.write(line.rstrip("\r\n").translate(CARETS))
            self.direction = direction
            if line.endswith(("\r", "\n")):
                self._end_line()
        self.file.flush()

    def note(self, text: str) -> None:
        """What is neither sent nor received: that something began, or was given up."""
        self.write("#", f"{text}\n")

    def close(self) -> None:
        if self.file is not None:
            if self.direction:
                self._end_line()
            self.file.close()
            self.file = None

    def _end_line(self) -> None:
        assert self.file is not None
        self.file.write("\n")
        self.direction = ""


def _now() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))}.{int(now % 1 * 1000):03}"
