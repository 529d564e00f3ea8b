# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Whisper's special tokens, and which tokens it never samples.

Neither is stored in checkpoints: the first follows from sizes, the second from the bytes of the vocabulary, both by the
rules of whisper/tokenizer.py and whisper/decoding.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from whisper158.errors import die

# In the order of their tokens. large-v3 added the last.
_CODES = """
    en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy
    sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo
    uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue
"""
LANGUAGES = tuple(_CODES.split())
TIMESTAMPS = 1501  # 0.00 s to 30.00 s in steps of 0.02 s
BEFORE_LANGUAGES = 2  # eot, sot
AFTER_LANGUAGES = 6  # translate to no_timestamps

# Speaker tags, music and other annotations of what is not speech. A hyphen or a quote is fine within a word only.
BEGINS_NO_WORD = (" -", " '")
_SYMBOLS = '"#()*+/:;<=>@[\\]^_`{|}~「」『』'
_CLUSTERS = "<< >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪"
ANNOTATIONS = (*_SYMBOLS, *_CLUSTERS.split())
MUSIC = "♩♪♫♬♭♮♯"  # where these are several tokens the first stands for nothing else


@dataclass(frozen=True)
class SpecialTokens:
    """Ids. `languages` are those of a multilingual model, first_language the first's id; empty for English only."""

    eot: int
    sot: int
    first_language: int
    languages: tuple[str, ...]
    translate: int
    transcribe: int
    sot_lm: int
    sot_prev: int
    no_speech: int
    no_timestamps: int
    timestamp_begin: int


def special_tokens(n_text: int, n_vocab: int, multilingual: bool) -> SpecialTokens:
    """The tokens that follow the `n_text` tokens of text and fill the vocabulary up to `n_vocab`.

    An English-only model has ids for languages as well, but no use for them. Raises UserError.
    """
    n_languages = n_vocab - n_text - BEFORE_LANGUAGES - AFTER_LANGUAGES - TIMESTAMPS
    if not 1 <= n_languages <= len(LANGUAGES):
        die(
            f"a vocabulary of {n_vocab} tokens, {n_text} of them text, leaves room for {n_languages} languages, "
            f"but Whisper's have 1 to {len(LANGUAGES)}",
            "Check that the vocabulary belongs to the checkpoint.",
        )
    first_language = n_text + BEFORE_LANGUAGES
    after = first_language + n_languages
    return SpecialTokens(
        eot=n_text,
        sot=n_text + 1,
        first_language=first_language,
        languages=LANGUAGES[:n_languages] if multilingual else (),
        translate=after,
        transcribe=after + 1,
        sot_lm=after + 2,
        sot_prev=after + 3,
        no_speech=after + 4,
        no_timestamps=after + 5,
        timestamp_begin=after + AFTER_LANGUAGES,
    )


def suppressed_tokens(vocabulary: Sequence[bytes], special: SpecialTokens) -> tuple[int, ...]:
    """Ids that are never sampled, in order: annotations, and special tokens that only a prompt may hold."""
    ids = {token: i for i, token in enumerate(vocabulary)}
    result = {special.transcribe, special.translate, special.sot, special.sot_prev, special.sot_lm, special.no_speech}
    result.update(encode(text.encode(), ids)[0] for text in BEGINS_NO_WORD)
    for symbol in (*ANNOTATIONS, *MUSIC):
        for text in (symbol, " " + symbol):
            tokens = encode(text.encode(), ids)
            if len(tokens) == 1 or symbol in MUSIC:
                result.add(tokens[0])
    return tuple(sorted(result))


def space_token(vocabulary: Sequence[bytes]) -> int:
    """The id of the token " ". Raises UserError."""
    try:
        return list(vocabulary).index(b" ")
    except ValueError:
        die("the vocabulary has no token for a space", "Check that it is that of a Whisper model.")


def encode(word: bytes, ids: Mapping[bytes, int]) -> list[int]:
    """Byte-pair encoding of one word, which is not split further: again and again the pair of least id is merged."""
    parts = [word[i : i + 1] for i in range(len(word))]
    while True:
        pairs = [left + right for left, right in pairwise(parts)]
        best = min((pair for pair in pairs if pair in ids), key=ids.__getitem__, default=None)
        if best is None:
            break
        at = pairs.index(best)
        parts[at : at + 2] = [best]
    missing = [part for part in parts if part not in ids]
    if missing:
        die(f"the vocabulary has no token for the byte {missing[0]!r}", "Check that it is that of a Whisper model.")
    return [ids[part] for part in parts]
