# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Reads Moonshine checkpoints: folders as transformers writes them, or the hub's repositories of such."""

import hashlib
import os
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from whisper158 import needs
from whisper158.errors import die
from whisper158.lab.families.moonshine_network import Dims, tensor_shapes
from whisper158.model.checkpoint import Array
from whisper158.model.hf import stored
from whisper158.model.load import fetch_from_hub, on_hub
from whisper158.model.vocabulary import read_json

KIND = "moonshine"
CONFIG, TOKENIZER = "config.json", "tokenizer.json"
# The setting and what it may be; nothing that a file says makes us loop or allocate without bound.
_SIZES: Mapping[str, Container[int]] = {
    "hidden_size": range(32, 2049),
    "intermediate_size": range(32, 8193),
    "encoder_num_hidden_layers": range(1, 65),
    "decoder_num_hidden_layers": range(1, 65),
    "encoder_num_attention_heads": range(1, 65),
    "decoder_num_attention_heads": range(1, 65),
    "vocab_size": range(4, 2**18),
}
# Settings that change what the model computes: a file may leave them out, but may not have others.
_SETTINGS = {
    "encoder_hidden_act": "gelu",
    "decoder_hidden_act": "silu",
    "attention_bias": False,
    "tie_word_embeddings": True,
    "rope_scaling": None,
}
_TURNING_SHARE, _THETA = 0.9, 10000.0  # where a file leaves them out


class Words(Protocol):
    """Text to ordinary tokens and back"""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, tokens: list[int]) -> str: ...


@dataclass(frozen=True)
class Checkpoint:
    """first, last: the tokens that stand before and after a text. sha256: of all files that say what it is."""

    dims: Dims
    tensors: Mapping[str, Array]
    words: Words
    first: int
    last: int
    sha256: str


def load(name: str) -> Checkpoint:
    """Of a folder, or of a model on the hub, named like UsefulSensors/moonshine-tiny. Raises UserError."""
    path = Path(os.path.expanduser(name))
    needs.python(KIND)
    try:
        if path.exists() or not on_hub(name):
            return read(path)
        return read(fetch_from_hub(name))
    except OSError as error:
        die(f"{error.filename or name}: {error.strerror or error}")


def read(folder: Path) -> Checkpoint:
    config = folder / CONFIG
    settings = read_json(config)
    dims = _dims(settings, config)
    stock, weights = stored(folder, "Moonshine")
    tensors = {name: stock.take(name, shape) for name, shape in tensor_shapes(dims).items()}
    stock.drop_copy("proj_out.weight", tensors["decoder.embed_tokens.weight"])
    stock.done()
    first, last = (_token(settings, key, dims, config) for key in ("decoder_start_token_id", "eos_token_id"))
    files = (config, folder / TOKENIZER, *weights)
    return Checkpoint(dims, tensors, Tokenizer(folder / TOKENIZER, dims), first, last, _sha256(files))


def _dims(settings: Any, file: Path) -> Dims:
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind != KIND:
        die(f"{file}: model_type is {kind!r}, where Moonshine's first version has {KIND!r}")
    for key, allowed in _SIZES.items():
        value = settings.get(key)
        if type(value) is not int or value not in allowed:
            die(f"{file}: {key} is {value!r}, which no Moonshine has")
    for key, expected in _SETTINGS.items():
        if settings.get(key, expected) != expected:
            die(f"{file}: {key} is {settings[key]!r}, where Moonshine has {expected!r}")
    width, heads = settings["hidden_size"], settings["encoder_num_attention_heads"]
    for key in ("decoder_num_attention_heads", "encoder_num_key_value_heads", "decoder_num_key_value_heads"):
        if settings.get(key) not in (None, heads):
            die(f"{file}: {key} is {settings[key]!r}, but there are {heads} heads")
    if width % heads:
        die(f"{file}: {width} channels are no whole number of {heads} heads")
    share, theta = _turning(settings, file)
    rotary = int(width // heads * share)
    if rotary % 2 or not rotary:
        die(f"{file}: {rotary} channels of a head turn, which are no planes")
    return Dims(
        width,
        settings["intermediate_size"],
        settings["encoder_num_hidden_layers"],
        settings["decoder_num_hidden_layers"],
        heads,
        settings["vocab_size"],
        rotary,
        theta,
    )


def _turning(settings: Mapping[str, Any], file: Path) -> tuple[float, float]:
    """Which share of a head turns, and how fast: newer versions of transformers write that into one field."""
    given = settings.get("rope_parameters")
    found = {**settings, **given} if isinstance(given, dict) else settings
    if found.get("rope_type", "default") != "default":
        die(f"{file}: rope_type is {found['rope_type']!r}, where Moonshine has 'default'")
    share, theta = found.get("partial_rotary_factor", _TURNING_SHARE), found.get("rope_theta", _THETA)
    for name, value, most in (("partial_rotary_factor", share, 1), ("rope_theta", theta, 1e9)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            die(f"{file}: {name} is {value!r}, must be above 0 and at most {most:g}")
    return float(share), float(theta)


def _token(settings: Mapping[str, Any], key: str, dims: Dims, file: Path) -> int:
    value = settings.get(key)
    if type(value) is not int or not 0 <= value < dims.n_vocab:
        die(f"{file}: {key} is {value!r}, which is none of {dims.n_vocab} tokens")
    return value


class Tokenizer:
    def __init__(self, file: Path, dims: Dims) -> None:
        import tokenizers

        content = file.read_bytes()
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(content)
        except Exception as error:  # what the library raises has no type of its own
            die(f"{file}: no tokenizer ({error})")
        if self._tokenizer.get_vocab_size() > dims.n_vocab:
            die(f"{file}: has {self._tokenizer.get_vocab_size()} tokens, but the model {dims.n_vocab}")

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()


def _sha256(files: tuple[Path, ...]) -> str:
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
