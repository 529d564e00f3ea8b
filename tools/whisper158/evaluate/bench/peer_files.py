# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The peers' own files of a checkpoint, made at first use and kept in the cache: the same weights as in our blobs."""

import hashlib
from importlib import metadata
from pathlib import Path
from types import ModuleType

from whisper158.cache import cache_dir, keyed_entry
from whisper158.console import step
from whisper158.evaluate.bench import ggml_file
from whisper158.model import models
from whisper158.model.load import load


def whispercpp(checkpoint: str, kind: str) -> Path:
    """A ggml file."""
    name = f"{checkpoint}-{kind}.bin"

    def fill(folder: Path) -> None:
        loaded = load(checkpoint)
        with step(f"Writing {name}"):
            ggml_file.write(loaded, ggml_file.KINDS[kind], folder / name)

    return keyed_entry(entry(f"{checkpoint}-{kind}", ggml_file), fill) / name


def ctranslate2(checkpoint: str) -> Path:
    """A folder with an int8 model."""
    # Of the optional group of packages.
    from whisper158.evaluate.bench import ct2_folder

    def fill(folder: Path) -> None:
        loaded = load(checkpoint)
        with step(f"Converting {checkpoint} for CTranslate2"):
            ct2_folder.write(loaded, folder)

    made_by = f"ct2-{metadata.version('ctranslate2')}"
    return keyed_entry(entry(f"{checkpoint}-{made_by}", ct2_folder), fill)


def entry(name: str, writer: ModuleType) -> Path:
    """In the cache, under a name that changes with the code that decides what is in it: what reads checkpoints, and
    what writes this kind of file."""
    digest = hashlib.sha256(models.code_version().encode())
    digest.update(Path(str(writer.__file__)).read_bytes())
    return cache_dir() / "peers" / f"{name}-{digest.hexdigest()[:12]}"
