# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Trained models that come with the project, compressed, in the layer: a checkout of that folder alone has them too."""

import hashlib
import lzma
import os
import re
import shutil
from pathlib import Path

from whisper158.cache import cache_dir, make_entry
from whisper158.console import step
from whisper158.errors import die
from whisper158.model import blob
from whisper158.paths import ROOT

FOLDER = ROOT / "meta-whisper158" / "recipes-whisper158" / "whisper158-model" / "files"
SUFFIX = ".w158.xz"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
LARGEST = 16_000_000  # bytes; a repository keeps every version of a file for ever


def names() -> list[str]:
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def ensure(name: str) -> Path:
    """The .w158 file of the shipped model `name`, uncompressed at first use."""
    compressed = FOLDER / f"{name}{SUFFIX}"
    digest = hashlib.sha256(compressed.read_bytes()).hexdigest()

    def fill(folder: Path) -> None:
        with step(f"Unpacking {name}"):
            unpack(compressed, folder / f"{name}.w158")

    return make_entry(cache_dir() / "blobs" / f"{name}-{digest[:12]}", fill) / f"{name}.w158"


def unpack(compressed: Path, out: Path) -> None:
    try:
        with lzma.open(compressed) as source, out.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (lzma.LZMAError, EOFError) as error:
        die(f"{compressed}: damaged ({error})", "restore it: git checkout -- the file")


def install(file: str) -> Path:
    """Compresses the blob `file` into the layer, under the name in its provenance. Returns the path of the result."""
    path = Path(file)
    name = _name(path)
    with step(f"Compressing {path}"):
        content = lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME)
    if len(content) > LARGEST:
        die(f"{path}: takes {len(content)} bytes compressed, more than {LARGEST}", "its head may need fewer bits")
    FOLDER.mkdir(parents=True, exist_ok=True)
    target = FOLDER / f"{name}{SUFFIX}"
    draft = target.with_name(f".{target.name}.draft")
    draft.write_bytes(content)
    os.replace(draft, target)
    return target


def _name(path: Path) -> str:
    content = blob.read(path)
    lines = content.text("provenance").splitlines() if "provenance" in content else []
    name = dict(line.split("=", 1) for line in lines if "=" in line).get("name", "")
    if not NAME.fullmatch(name):
        die(f"{path}: its provenance has no usable name", "./inv model.export RUN --name NAME gives it one")
    return name
