# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the project is made of, read from where it is a fact: recipes, models' provenance, lock files."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from whisper158.paths import MODELS, REQUIREMENTS, RUNTIME

OURS = "MIT"


@dataclass(frozen=True)
class Library:
    """Of others, that our programs are linked with. Which version is for the image's makers to choose."""

    recipe: str  # what OpenEmbedded-Core calls it
    licence: str  # of the library, without the programs that come along
    home: str
    what: str


# By the names that whisper158's recipe has in DEPENDS and PACKAGECONFIG.
LIBRARIES = (
    Library("xxhash", "BSD-2-Clause", "https://xxhash.com", "checksums of models; its header is compiled into ours"),
    Library("json-c", "MIT", "https://github.com/json-c/json-c", "JSON"),
    Library("libsamplerate0", "BSD-2-Clause", "https://libsndfile.github.io/libsamplerate", "other rates than 16 kHz"),
    Library("libsndfile1", "LGPL-2.1-only", "https://libsndfile.github.io/libsndfile", "WAV, FLAC, Ogg and others"),
    Library("alsa-lib", "LGPL-2.1-only", "https://www.alsa-project.org", "microphones; only the daemon and devices"),
    Library(
        "libmicrohttpd", "LGPL-2.1-or-later", "https://www.gnu.org/software/libmicrohttpd", "HTTP; only the daemon"
    ),
)


@dataclass(frozen=True)
class File:
    """Of ours, that is installed as it is, or built in."""

    path: Path
    licence: str
    what: str


FILES = (
    File(RUNTIME / "daemon" / "page.html", OURS, "the page of whisper158d --http, built into it"),
    File(RUNTIME / "selftest" / "speech.wav", "LicenseRef-public-domain", "what whisper158 selftest listens to"),
    File(RUNTIME / "tests" / "data" / "golden.w158", OURS, "the model of whisper158 selftest, with made-up weights"),
)


@dataclass(frozen=True)
class Model:
    """That the layer has."""

    name: str
    sha256: str
    licence: str
    provenance: dict[str, str]


def models() -> list[Model]:
    return [read_model(path.stem) for path in sorted(MODELS.glob("*.inc"))]


def read_model(name: str) -> Model:
    facts = dict(re.findall(r'^(\w+) = "([^"\\]*)"$', (MODELS / f"{name}.inc").read_text(), re.MULTILINE))
    lines = (MODELS / f"{name}.provenance").read_text().splitlines()
    provenance = dict(line.split("=", 1) for line in lines if "=" in line)
    return Model(name, facts["WHISPER158_MODEL_SHA256"], facts["LICENSE"], provenance)


@dataclass(frozen=True)
class Package:
    """Of Python, for the host's tools."""

    name: str
    version: str
    hashes: tuple[str, ...]
    groups: tuple[str, ...]


def packages() -> list[Package]:
    """Of all lock files together, which agree on versions."""
    found: dict[str, Package] = {}
    for lock in sorted(REQUIREMENTS.glob("*.lock")):
        for name, version, hashes in re.findall(
            r"^([a-z0-9-]+)==([^ ]+).*\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)",
            lock.read_text(),
            re.MULTILINE,
        ):
            groups = found[name].groups if name in found else ()
            digests = tuple(re.findall("sha256:([0-9a-f]{64})", hashes))
            found[name] = Package(name, version, digests, (*groups, lock.stem))
    return [found[name] for name in sorted(found)]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
