# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Datasets of Hugging Face's hub, for machines with a network. They are read as a stream and kept as Opus."""

import importlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from whisper158.data import audio
from whisper158.data.manifest import Clip
from whisper158.errors import die

PREFIX = "hf:"

# What columns are called, by various people.
TEXTS = ("text", "sentence", "transcription", "normalized_text", "raw_text")
SPEAKERS = ("speaker_id", "client_id", "speaker", "spk_id")


def download(name: str, split: str, folder: Path, licence: str) -> Iterator[Clip]:
    """The clips of the dataset `name` (hf:OWNER/NAME or hf:OWNER/NAME:CONFIGURATION), written below `folder`.

    A clip that is there already is not written again.
    """
    path, _, configuration = name.removeprefix(PREFIX).partition(":")
    split = split or "train"
    found = rows(path, configuration or None, split)
    clips = folder / "-".join(re.findall(r"[\w.]+", f"{path} {configuration} {split}"))
    clips.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(found):
        file = clips / f"{number:08}.opus"
        seconds = soundfile.info(file).duration if file.exists() else keep(row, file, path)
        speaker = str(_first(row, SPEAKERS) or path)
        text = " ".join(str(_first(row, TEXTS) or "").split())
        yield Clip(file.stem, file, text or None, speaker, seconds, licence, f"Hugging Face {path}")


def rows(path: str, configuration: str | None, split: str) -> Any:
    """As a stream. Raises UserError where the dataset cannot be reached."""
    try:
        datasets = importlib.import_module("datasets")
    except ImportError:
        die("Hugging Face's package `datasets` is not installed", ".venv/bin/python -m pip install datasets")
    try:
        found = datasets.load_dataset(path, configuration, split=split, streaming=True)
        # The bytes as they are: what decodes them here is libsndfile, for one dependency less.
        return found.cast_column("audio", datasets.Audio(decode=False))
    except Exception as error:  # whatever the network, the hub and the dataset's own code may raise
        die(f"the dataset {path} cannot be opened: {' '.join(str(error).split())[:300]}", "is there a network?")


def keep(row: Mapping[str, Any], file: Path, name: str) -> float:
    """Writes a row's sound, as the file's name says, and returns how many seconds it lasts."""
    content = (row.get("audio") or {}).get("bytes")
    if not isinstance(content, bytes):
        die(f"the dataset {name} has no column `audio` with sound in it")
    try:
        sound, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        die(f"the dataset {name} has sound of a kind that libsndfile cannot read")
    mono = audio.resample(sound.mean(axis=1, dtype=np.float32), rate, audio.SAMPLE_RATE)
    audio.save(file, mono)
    return len(mono) / audio.SAMPLE_RATE


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)
