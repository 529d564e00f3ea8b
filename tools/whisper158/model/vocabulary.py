# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The ordinary tokens of a model as raw bytes, from the files in which the formats keep them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whisper158.errors import die
from whisper158.model.checkpoint import Dims


def _unescape_table() -> dict[int, int]:
    """From the characters of GPT-2's byte-level BPE to byte values.

    Printable Latin-1 characters stand for themselves, the other 68 bytes, in order, for U+0100 and on
    (`bytes_to_unicode` of the GPT-2 release). Latin-1 characters that stand for nothing become one without an encoding.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    escapes = {0x100 + i: byte for i, byte in enumerate(others)}
    return dict.fromkeys(others, 0xFFFF) | escapes


_UNESCAPE = _unescape_table()
_ESCAPE = {byte: char for char, byte in _UNESCAPE.items() if byte < 256}


def escaped(token: bytes) -> str:
    """The byte-level BPE string that stands for `token`."""
    return token.decode("latin-1").translate(_ESCAPE)


def read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        die(f"{file}: not JSON ({error})")


def _from_pieces(pieces: Sequence[object], dims: Dims, file: Path) -> tuple[bytes, ...]:
    """Raw bytes of the ordinary tokens, from byte-level BPE strings in the order of their ids."""
    if len(pieces) < dims.eot or (len(pieces) > dims.eot and pieces[dims.eot] != "<|endoftext|>"):
        kind = "a multilingual" if dims.multilingual else "an English-only"
        die(f"{file}: not the vocabulary of {kind} Whisper model, which has <|endoftext|> at {dims.eot}")
    tokens = []
    for number, piece in enumerate(pieces[: dims.eot]):
        try:
            tokens.append(str(piece).translate(_UNESCAPE).encode("latin-1"))
        except UnicodeEncodeError:
            die(f"{file}: token {number} ({piece!r}) is not byte-level BPE")
    return tuple(tokens)


def _from_ids(ids: object, dims: Dims, file: Path) -> tuple[bytes, ...]:
    """As above, from {string: id}."""
    pairs = ids.items() if isinstance(ids, Mapping) else ()
    pieces = {number: piece for piece, number in pairs if type(number) is int}
    for number in range(dims.eot):
        if number not in pieces:
            die(f"{file}: the vocabulary has no token {number}")
    last = dims.eot + (dims.eot in pieces)
    return _from_pieces([pieces[number] for number in range(last)], dims, file)


def from_ct2_folder(folder: Path, dims: Dims) -> tuple[bytes, ...]:
    """vocabulary.json (a list) or, in older conversions, vocabulary.txt (a token a line)."""
    file = folder / "vocabulary.json"
    if file.exists():
        pieces = read_json(file)
        if not isinstance(pieces, list):
            die(f"{file}: not a list of tokens")
        return _from_pieces(pieces, dims, file)
    file = folder / "vocabulary.txt"
    if not file.exists():
        die(f"{folder}: neither vocabulary.json nor vocabulary.txt is there")
    try:
        lines = file.read_bytes().decode().split("\n")
    except UnicodeDecodeError:
        die(f"{file}: not UTF-8 text")
    return _from_pieces(lines[:-1] if lines[-1] == "" else lines, dims, file)


def from_hf_folder(folder: Path, dims: Dims) -> tuple[bytes, ...] | None:
    """vocab.json or tokenizer.json; None if the model was saved without its tokenizer."""
    file = folder / "vocab.json"
    if file.exists():
        return _from_ids(read_json(file), dims, file)
    file = folder / "tokenizer.json"
    if file.exists():
        tokenizer = read_json(file)
        model = tokenizer.get("model") if isinstance(tokenizer, dict) else None
        return _from_ids(model.get("vocab") if isinstance(model, dict) else None, dims, file)
    return None
