# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import struct
import zlib
from pathlib import Path

import pytest

from whisper158.data import austen, texts
from whisper158.data.manifest import Clip
from whisper158.errors import UserError


def said(text: str | None) -> Clip:
    return Clip("a", Path("a"), text, "s", 1.0, "CC0", "here")


NOTHING = texts.Overlap([])


def test_what_can_be_read_out() -> None:
    sentences = [
        "  It  is\u00a0so.",
        "it is SO!",
        "\u201cIt\u2019s a fine day,\u201d she said.",
        'He said, "and left the rest.',
        "One day--two nights.",
        "Yes.",
        "1, 2, 3, 4 and 5, 6",
        "Ça ne va pas.",
        "word " * 100,
    ]
    assert texts.suitable(sentences, NOTHING) == (
        "it is SO!",
        '"It\'s a fine day," she said.',
        "He said, and left the rest.",
        "One day -- two nights.",
    )


def test_nothing_of_an_evaluation_set_is_spoken() -> None:
    overlap = texts.Overlap([said("the quick brown fox jumps over a lazy dog"), said("Open it"), said(None)])
    assert "Open it!" in overlap
    assert "Open it now" not in overlap
    assert "We saw that the Quick, brown fox jumps over." in overlap
    assert "The quick brown fox jumps high over a lazy dog" not in overlap
    sentences = ["Open it.", "He knew the quick brown fox jumps over it.", "Another one."]
    assert texts.suitable(sentences, overlap) == ("Another one.",)


def test_pieces_of_sentences() -> None:
    sentence = 'Well, my dear Jane, said she -- and laughed: "that is all I know of the matter in hand".'
    assert list(texts.clauses(sentence)) == ["My dear Jane", "Said she", "And laughed"]


def test_texts_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9t\xe9")
    with pytest.raises(UserError, match=r"latin is not a text in UTF-8"):
        list(texts.read([tmp_path / "latin"]))
    with pytest.raises(UserError, match=r"cannot read the text .*none: No such file"):
        list(texts.read([tmp_path / "none"]))


def serialised(lines: list[str]) -> bytes:
    strings = b"".join(struct.pack(">2i", 0x40009, len(line)) + line for line in map(str.encode, lines))
    return b"X\n" + struct.pack(">4i", 3, 0, 0, 5) + b"UTF-8" + struct.pack(">2i", 16, len(lines)) + strings


def packed(*novels: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(novel)) + zlib.compress(novel) for novel in novels)


def test_novels_as_r_packs_them(tmp_path: Path) -> None:
    lines = ["EMMA", "", "CHAPTER I", "", "Mr. Knightley _would_ go", "home. He did!", '"Oh?" She', "wept.", ""]
    (tmp_path / "rdb").write_bytes(packed(serialised(lines), serialised(["Another", "one."])))
    first, second = austen.novels(tmp_path / "rdb")
    assert (first, second) == (lines, ["Another", "one."])
    (paragraph,) = austen.paragraphs(first)
    assert austen._END.split(paragraph) == ["Mr. Knightley would go home.", "He did!", '"Oh?"', "She wept."]


@pytest.mark.parametrize("data", [b"1234nothing packed", packed(b"X\n"), packed(serialised(["a"])[:-1] + b"\xff")])
def test_a_damaged_file_is_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "rdb").write_bytes(data)
    with pytest.raises(UserError, match="is not what r-cran-janeaustenr used to contain"):
        list(austen.novels(tmp_path / "rdb"))


@pytest.mark.network
def test_jane_austen() -> None:
    sentences = texts.suitable(austen.sentences(), NOTHING)
    assert len(sentences) > 25_000
    assert sum(map(texts.seconds, sentences)) > 50 * 3600
