# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Text to tokens and back, with the vocabulary of the checkpoint."""

from dataclasses import dataclass

import tiktoken

from whisper158.model.checkpoint import Checkpoint
from whisper158.model.tokens import SpecialTokens, special_tokens, suppressed_tokens

# GPT-2's rule for what is a word (openai/gpt-2, src/encoder.py).
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@dataclass(frozen=True)
class Tokenizer:
    encoding: tiktoken.Encoding
    special: SpecialTokens
    suppressed: tuple[int, ...]
    multilingual: bool

    def text(self, text: str) -> list[int]:
        """The tokens of what is said; a space comes first, as in Whisper's own training."""
        words = " ".join(text.split())
        return list(self.encoding.encode_ordinary(f" {words}")) if words else []

    def prompt(self) -> list[int]:
        """What stands before the text or before its first timestamp, in English."""
        special = self.special
        return [special.sot, special.first_language, special.transcribe] if self.multilingual else [special.sot]

    def say(self, tokens: list[int]) -> str:
        """The text of ordinary tokens; all others are left out."""
        return self.encoding.decode([t for t in tokens if t < self.special.eot]).strip()

    def timestamp(self, seconds: float) -> int:
        return int(self.special.timestamp_begin + round(seconds / 0.02))


def tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    # In GPT-2's vocabulary a token's id is the rank of its merge, so the vocabulary is all there is to know.
    ranks = {token: rank for rank, token in enumerate(checkpoint.vocabulary)}
    encoding = tiktoken.Encoding(checkpoint.name, pat_str=WORDS, mergeable_ranks=ranks, special_tokens={})
    dims = checkpoint.dims
    special = special_tokens(len(checkpoint.vocabulary), dims.n_vocab, dims.multilingual)
    suppressed = tuple(suppressed_tokens(checkpoint.vocabulary, special))
    return Tokenizer(encoding, special, suppressed, dims.multilingual)
