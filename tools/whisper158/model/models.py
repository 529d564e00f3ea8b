# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Models by name: NAME-FORMAT, such as tiny.en-q8, packed at first use and kept in the cache."""

import hashlib
import os
from pathlib import Path

from whisper158 import flags
from whisper158.cache import cache_dir, keyed_entry
from whisper158.console import step
from whisper158.errors import die
from whisper158.model import blob, random, shipped, silero
from whisper158.model.fetch import MODELS
from whisper158.model.load import load
from whisper158.model.pack import FORMATS, Format, pack

# Until a ternary model is as good (docs/model-card.md), the smallest one whose text can be trusted.
DEFAULT = "tiny.en-q8"


def ensure(model: str) -> Path:
    """The .w158 file of `model`: a path (which must exist), or a name of one that is shipped or is packed now."""
    if is_path(model):
        return file(model)
    if model in shipped.names():
        return shipped.ensure(model)
    checkpoint, format = named(model)
    return packed(checkpoint, FORMATS[format])


def check(model: str) -> None:
    """Raises UserError where ensure() would, or the file is damaged; fetches and packs nothing, so it can come before
    what takes long."""
    if is_path(model):
        blob.read(file(model))
    elif model not in shipped.names():
        named(model)


def is_path(model: str) -> bool:
    return "/" in model or model.endswith(".w158")


def file(model: str) -> Path:
    return Path(model) if os.path.isfile(model) else die(f"there is no model file {model}")


def packed(checkpoint: str, form: Format) -> Path:
    """The .w158 file of a checkpoint with a name in the format `form`, packed now if it never was."""
    model = f"{checkpoint}-{form.name}"

    def fill(folder: Path) -> None:
        loaded = load(checkpoint)  # shows its own progress where it has to download
        detector = None if checkpoint in random.NAMES else silero.load()  # made-up models take no download
        with step(f"Packing {model}"):
            pack(loaded, form, folder / f"{model}.w158", detector=detector)

    return keyed_entry(cache_dir() / "blobs" / f"{model}-{code_version()}", fill) / f"{model}.w158"


def split(model: str) -> tuple[str, str]:
    """Checkpoint and format of a model's name."""
    checkpoint, _, format = model.rpartition("-")
    if not checkpoint or format not in FORMATS:
        die(f"{model!r} is not a model's name", f"names are CHECKPOINT-FORMAT; the formats are {', '.join(FORMATS)}")
    return checkpoint, format


def named(model: str) -> tuple[str, str]:
    """Checkpoint and format of the name of a model that can be packed without being told where it lies."""
    checkpoint, format = split(model)
    if checkpoint not in MODELS and checkpoint not in random.NAMES:
        die(
            f"{model!r} is not a model's name: there is no checkpoint {checkpoint!r}",
            "./inv model.list shows the names; ./inv model.pack makes a file of any other checkpoint",
        )
    return checkpoint, format


def code_version() -> str:
    """Stands for everything that decides what is in a packed model: the code here, which pins the checkpoints too."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def pack_to(model: str, format: str, out: str, vad: bool = True) -> Path:
    """Packs `model` to the file `out`: a name, or where `format` is given, whatever load() takes."""
    checkpoint, form = (model, format) if format else split(model)
    if form not in FORMATS:
        die(f"there is no format {form!r}", f"the formats are {', '.join(FORMATS)}")
    if out:
        flags.out_file("--out", out)
    loaded = load(checkpoint)
    path = Path(out or f"{loaded.name}-{form}.w158")
    detector = silero.load() if vad else None
    with step(f"Packing {path}"):
        pack(loaded, FORMATS[form], path, detector=detector)
    return path


def show() -> None:
    """Prints the names of all models that need no path."""
    for name in shipped.names():
        print(f"{name:16} comes with the project{' (default)' if name == DEFAULT else ''}")
    for checkpoint, model in MODELS.items():
        for format in FORMATS:
            name = f"{checkpoint}-{format}"
            print(f"{name:16} {model.licence:8} {model.source}{' (default)' if name == DEFAULT else ''}")
