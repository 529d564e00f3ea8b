# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Loads a float Whisper checkpoint: by name, from a file or folder in any of four formats, or from a model hub.

Whatever the format, the same weights come out under the same names, checked.
"""

import hashlib
import importlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from whisper158.errors import UserError, die
from whisper158.model import ct2, ggml, hf, openai_pt, random, vocabulary
from whisper158.model.checkpoint import Checkpoint, Contents, Dims
from whisper158.model.fetch import MODELS, fetch

# What we need of a hub's repository; the same weights often lie there in further formats.
_HUB_FILES = ["README.md", "*.json", "model.safetensors", "model-*.safetensors", "model.bin", "vocabulary.txt"]


def load(name_or_path: str) -> Checkpoint:
    """Load the checkpoint that is named `tiny.en` or `base`, lies at a path, or is called `org/name` on the hub.

    random-tiny.en and its like are made up on the spot (random.py).
    A path is a Hugging Face folder (safetensors), a CTranslate2 folder, an OpenAI .pt or a ggml file. Neither .pt nor a
    folder without a tokenizer has a vocabulary: they get that of the named model of their kind, which may be fetched.
    Raises UserError, naming file and tensor, for whatever is wrong with them.
    """
    try:
        if name_or_path in MODELS:
            return _load_named(name_or_path)
        if name_or_path in random.NAMES:
            return random.checkpoint(name_or_path)
        path = Path(os.path.expanduser(name_or_path))
        if name_or_path and path.exists():
            return _load_path(path)
        if on_hub(name_or_path):
            return _load_path(fetch_from_hub(name_or_path), title=name_or_path)
    except OSError as error:
        die(f"{error.filename or name_or_path}: {error.strerror or error}")
    die(
        f"{name_or_path!r} is neither a model's name ({', '.join(MODELS)}) nor an existing path",
        "models of the Hugging Face hub are named like openai/whisper-small",
    )


def _load_named(name: str) -> Checkpoint:
    model = MODELS[name]
    folder = fetch(name)
    try:
        sha256 = _sha256((folder / "model.bin",))
        if sha256 != model.sha256:
            die(f"{folder / 'model.bin'} is not what was downloaded (its sha256 differs)")
        contents = ct2.read(folder)
    except (OSError, UserError) as error:
        die(f"the cached model {name} is damaged: {getattr(error, 'message', error)}", f"remove {folder} and try again")
    assert contents.vocabulary is not None
    return Checkpoint(name, contents.dims, contents.tensors, contents.vocabulary, model.source, sha256, model.licence)


def _load_path(path: Path, title: str | None = None) -> Checkpoint:
    if path.name in ("model.bin", "model.safetensors") and path.is_file():
        path = path.parent
    title = title or os.path.basename(os.path.abspath(path))
    # Both end up in lines of text, and a file's name may hold anything.
    source = "".join(char if char.isprintable() else "?" for char in title)
    contents = _read_folder(path) if path.is_dir() else _read_file(path)
    words = contents.vocabulary or _default_vocabulary(contents.dims)
    return Checkpoint(
        _plain_name(title),
        contents.dims,
        contents.tensors,
        words,
        source,
        _sha256(contents.weights),
        _licence(path),
    )


def _read_folder(folder: Path) -> Contents:
    if (folder / "model.bin").exists():
        return ct2.read(folder)
    if (folder / "config.json").exists():
        return hf.read(folder)
    die(f"{folder}: holds neither config.json (Hugging Face) nor model.bin (CTranslate2)")


def _read_file(path: Path) -> Contents:
    if not path.is_file():
        die(f"{path}: neither a file nor a folder")
    with path.open("rb") as file:
        start = file.read(4)
    if start == ggml.MAGIC:
        return ggml.read(path)
    if start.startswith((b"PK\3\4", b"\x80")):
        return openai_pt.read(path)
    die(
        f"{path}: neither an OpenAI checkpoint (.pt) nor a ggml file of whisper.cpp",
        "name the folder to load a Hugging Face or CTranslate2 model",
    )


def _default_vocabulary(dims: Dims) -> tuple[bytes, ...]:
    """There are only two vocabularies, and a named model has each."""
    return vocabulary.from_ct2_folder(fetch("base" if dims.multilingual else "tiny.en"), dims)


def on_hub(name: str) -> bool:
    """Whether a hub may have a model of this name"""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) is not None


def fetch_from_hub(name: str) -> Path:
    """The folder of a model of the Hugging Face hub. Raises UserError."""
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError:
        die(
            f"{name!r} is not an existing path, and to fetch it from the Hugging Face hub huggingface_hub is needed",
            "install huggingface_hub, or give the path of a downloaded model",
        )
    try:
        return Path(hub.snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:  # the errors of several network libraries, which have no common ancestor
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        die(
            f"{name!r} is not an existing path, and it could not be fetched from the Hugging Face hub: {reason}",
            "give the path of a downloaded model",
        )


def _plain_name(title: str) -> str:
    """What to call the model: "ggml-tiny.en.bin", "openai/whisper-tiny.en" and "tiny.en.pt" are all tiny.en."""
    stem = re.sub(r"\.(pt|bin)$", "", title.rsplit("/", 1)[-1])
    stem = re.sub(r"^(ggml-|faster-whisper-|whisper-)", "", stem)
    return re.sub(r"[^A-Za-z0-9._-]", "-", stem) or "model"


def _licence(path: Path) -> str:
    """As the model card says, if there is one."""
    card = path / "README.md"
    if path.is_dir() and card.is_file():
        match = re.search(r"\A---\n(?:.*\n)*?license: *([\w.-]+) *\n", card.read_text(errors="replace")[:65536])
        if match:
            return match[1]
    return "unknown"


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
