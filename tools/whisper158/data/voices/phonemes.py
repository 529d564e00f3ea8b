# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""English text to the phonetic alphabet, by the library of eSpeak NG.

The library drops punctuation, from which voices take their melody; so the text goes through it in pieces, and the
marks between them stay.
"""

import ctypes as c
import re
from functools import cache
from typing import Any

from whisper158 import needs
from whisper158.errors import die

LIBRARY = "libespeak-ng.so.1"

# Values of speak_lib.h: only translate, never play; text is UTF-8; phonemes are IPA in UTF-8.
_AUDIO_OUTPUT_RETRIEVAL, _CHARS_UTF8, _PHONEMES_IPA = 1, 1, 0x02

# A mark at the end of a word, or a dash. A full stop behind a title or within a number ends nothing.
_MARKS = re.compile(r"((?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)[,.;:!?…]+(?=\s|$)|\s--?\s|--|—)")

# Quotes and brackets are seen, not heard.
_SILENT = re.compile(r"""["“”()\[\]]|(?<!\w)'|'(?!\w)""")

# What the library puts around words that it takes for another language's.
_LANGUAGE_FLAG = re.compile(r"\([a-z-]+\)")


def phonemes(text: str, accent: str) -> str:
    """`text` in IPA with its punctuation; `accent` is one of eSpeak's voices, such as en-us."""
    library = _library(accent)
    out = ""
    for index, piece in enumerate(_MARKS.split(_SILENT.sub("", text))):
        if index % 2:
            out += " — " if piece.strip()[0] in "-—" else f"{piece[0]} "
        elif piece.strip():
            out += _translate(library, piece)
    return out.strip()


def _translate(library: Any, piece: str) -> str:
    buffer = c.create_string_buffer(piece.encode())
    rest = c.c_void_p(c.addressof(buffer))
    clauses = []
    while rest.value:
        said = library.espeak_TextToPhonemes(c.byref(rest), _CHARS_UTF8, _PHONEMES_IPA)
        clauses.append((said or b"").decode(errors="replace").strip())
    return _LANGUAGE_FLAG.sub("", " ".join(filter(None, clauses)))


def _library(accent: str) -> Any:
    """The library, speaking with `accent`: it has one state for the whole process."""
    library = _load()
    if library.espeak_SetVoiceByName(accent.encode()) != 0:
        die(f"eSpeak NG has no voice {accent}")
    return library


@cache
def _load() -> Any:
    needs.debian("voices")
    try:
        library = c.CDLL(LIBRARY)
    except OSError:
        die(f"the library {LIBRARY} is not installed", "install eSpeak NG")
    library.espeak_TextToPhonemes.restype = c.c_char_p
    library.espeak_TextToPhonemes.argtypes = (c.POINTER(c.c_void_p), c.c_int, c.c_int)
    if library.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL, 0, None, 0) < 0:
        die("eSpeak NG does not find its data", "install espeak-ng-data")
    return library
