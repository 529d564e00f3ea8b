# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from dataclasses import asdict
from typing import Any

import pytest

from whisper158.errors import UserError
from whisper158.model.golden import VOCABULARY
from whisper158.model.tokens import encode, space_token, special_tokens, suppressed_tokens

SHAPES = [("english", 50256, 51864, False), ("multilingual", 50257, 51865, True), ("large-v3", 50257, 51866, True)]


@pytest.mark.parametrize(
    ("n_text", "n_vocab", "multilingual", "expected"),
    [
        (50256, 51864, False, (50256, 50257, 50258, 0, 50357, 50358, 50359, 50360, 50361, 50362, 50363)),
        (50257, 51865, True, (50257, 50258, 50259, 99, 50358, 50359, 50360, 50361, 50362, 50363, 50364)),
        (50257, 51866, True, (50257, 50258, 50259, 100, 50359, 50360, 50361, 50362, 50363, 50364, 50365)),
    ],
)
def test_special_tokens(n_text: int, n_vocab: int, multilingual: bool, expected: tuple[int, ...]) -> None:
    special = special_tokens(n_text, n_vocab, multilingual)
    values = asdict(special)
    assert tuple(len(v) if isinstance(v, tuple) else v for v in values.values()) == expected
    assert special.timestamp_begin + 1501 == n_vocab


@pytest.mark.parametrize("n_text", [0, 50000, 50357, 51864])
def test_a_vocabulary_of_another_model(n_text: int) -> None:
    with pytest.raises(UserError, match=f"51865 tokens, {n_text} of them text"):
        special_tokens(n_text, 51865, True)


def test_encode_merges_the_pair_of_least_id_first() -> None:
    ids = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4, b"abc": 5}
    assert encode(b"abc", ids) == [5]
    assert encode(b"abab", ids) == [4, 4]
    assert encode(b"abbc", ids) == [4, 3]
    assert encode(b"", ids) == []
    with pytest.raises(UserError, match="no token for the byte b'x'"):
        encode(b"ax", ids)


def test_a_vocabulary_without_a_space() -> None:
    with pytest.raises(UserError, match="no token for a space"):
        space_token([b"a"])


def test_what_is_suppressed() -> None:
    special = special_tokens(len(VOCABULARY), len(VOCABULARY) + 1608, True)
    suppressed = suppressed_tokens(VOCABULARY, special)
    assert list(suppressed) == sorted(set(suppressed))
    words = {VOCABULARY[i] for i in suppressed if i < len(VOCABULARY)}
    assert words >= {b"(", b" (", b"[", b"--", b" -", b" '", b"\xe2\x99", b" \xe2\x99", b" \xe2\x99\xaa"}
    assert not words & {b" ", b".", b",", b"?", b"!", b"-", b"'", b" the", b"a"}
    assert special.transcribe in suppressed and special.no_speech in suppressed
    assert special.eot not in suppressed and special.no_timestamps not in suppressed


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "n_text", "n_vocab", "multilingual"), SHAPES)
def test_tokens_are_the_originals(name: str, n_text: int, n_vocab: int, multilingual: bool) -> None:
    tokenizer_module: Any = pytest.importorskip("whisper.tokenizer")
    languages = 100 if name == "large-v3" else 99
    original = tokenizer_module.get_tokenizer(multilingual, num_languages=languages)
    special = special_tokens(n_text, n_vocab, multilingual)
    for field, value in asdict(special).items():
        if field not in ("languages", "first_language"):
            assert value == getattr(original, field), field
    if multilingual:
        assert special.languages == tuple(tokenizer_module.LANGUAGES)[:languages]
        for i, language in enumerate(special.languages):
            assert special.first_language + i == original.to_language_token(language)

    vocabulary = [original.encoding.decode_single_token_bytes(i) for i in range(n_text)]
    never = {original.transcribe, original.translate, original.sot, original.sot_prev, original.sot_lm}
    expected = sorted({*original.non_speech_tokens, *never, original.no_speech})
    assert list(suppressed_tokens(vocabulary, special)) == expected
    assert [space_token(vocabulary)] == original.encode(" ")
