# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Models by name: NAME-FORMAT, such as tiny.en-q8, packed at first use and kept in the cache."""

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

from whisper158.cache import cache_dir, make_entry
from whisper158.console import step
from whisper158.errors import die
from whisper158.model import random, shipped, silero
from whisper158.model.blob import Packing
from whisper158.model.fetch import MODELS
from whisper158.model.load import load
from whisper158.model.pack import FORMATS, Format, pack

# Until a ternary model is as good (docs/model-card.md), the smallest one whose text can be trusted.
DEFAULT = "tiny.en-q8"

# Days after which a packed model that nobody asked for, and that today's code would pack anew, is dropped.
KEPT_DAYS = 14


def ensure(model: str) -> Path:
    """The .w158 file of `model`: a path (which must exist), or a name of one that is shipped or is packed now."""
    path = Path(model)
    if path.suffix == ".w158" or "/" in model:
        return path if path.is_file() else die(f"there is no model file {model}")
    if model in shipped.names():
        return shipped.ensure(model)
    checkpoint, format = split(model)
    return packed(checkpoint, FORMATS[format])


def packed(checkpoint: str, form: Format) -> Path:
    """The .w158 file of a checkpoint with a name in the format `form`, packed now if it never was."""
    model = f"{checkpoint}-{form.name}"

    def fill(folder: Path) -> None:
        loaded = load(checkpoint)  # shows its own progress where it has to download
        detector = None if checkpoint in random.NAMES else silero.load()  # made-up models take no download
        with step(f"Packing {model}"):
            pack(loaded, form, folder / f"{model}.w158", detector=detector)

    entry = make_entry(cache_dir() / "blobs" / f"{model}-{code_version()}", fill)
    entry.touch()
    drop_old(entry)
    return entry / f"{model}.w158"


def with_packings(form: Format, frames: Packing, token: Packing) -> Format:
    """A ternary format in other packings, under a name of its own: t158.t4.t2."""
    return replace(
        form,
        name=f"{form.name}.{frames.name}.{token.name}".lower(),
        frames=replace(form.frames, packing=frames),
        token=replace(form.token, packing=token),
    )


def split(model: str) -> tuple[str, str]:
    """Checkpoint and format of a model's name."""
    checkpoint, _, format = model.rpartition("-")
    if not checkpoint or format not in FORMATS:
        die(f"{model!r} is not a model's name", f"names are CHECKPOINT-FORMAT; the formats are {', '.join(FORMATS)}")
    return checkpoint, format


def code_version() -> str:
    """Stands for everything that decides what is in a packed model: the code here, which pins the checkpoints too."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def drop_old(current: Path) -> None:
    """Removes what other versions of the code packed, unless it was used lately."""
    prefix = current.name.removesuffix(code_version())
    for entry in current.parent.glob(f"{prefix}*"):
        if entry != current and time.time() - entry.stat().st_mtime > KEPT_DAYS * 86400:
            shutil.rmtree(entry, ignore_errors=True)


def pack_to(model: str, format: str, out: str, vad: bool = True) -> Path:
    """Packs `model` to the file `out`: a name, or where `format` is given, whatever load() takes."""
    checkpoint, form = (model, format) if format else split(model)
    if form not in FORMATS:
        die(f"there is no format {form!r}", f"the formats are {', '.join(FORMATS)}")
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
