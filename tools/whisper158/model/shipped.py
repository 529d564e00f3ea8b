# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Trained models that come with the project, in the layer: a checkout of that folder alone has them too.

A model is three files: NAME.w158.xz; NAME.inc, which tells the recipe what to fetch and by which sha256 to know it;
and NAME.provenance, what the model says of itself, which is also the text that its licence stands in.
"""

import hashlib
import lzma
import re
import shutil
from pathlib import Path

from whisper158 import whole
from whisper158.cache import cache_dir, keyed_entry
from whisper158.console import step
from whisper158.errors import die
from whisper158.model import blob
from whisper158.paths import MODELS

FOLDER = MODELS
SUFFIX = ".w158.xz"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
NAMED = "a name has small letters, digits, and . _ - in between"
LICENCE = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR) [A-Za-z0-9.+-]+)*")  # SPDX's expressions, without brackets
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

    return keyed_entry(cache_dir() / "blobs" / f"{name}-{digest[:12]}", fill) / f"{name}.w158"


def unpack(compressed: Path, out: Path) -> None:
    try:
        with lzma.open(compressed) as source, out.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (lzma.LZMAError, EOFError) as error:
        die(f"{compressed}: damaged ({error})", "restore it: git checkout -- the file")


def install(file: str) -> Path:
    """Makes the blob `file` a model of the layer, under the name in its provenance. Returns the compressed file."""
    path = Path(file)
    told = provenance(path)
    name = told.get("name", "")
    if not NAME.fullmatch(name):
        die(f"{path}: its provenance has no usable name", "./inv model.export RUN --name NAME gives it one")
    with step(f"Compressing {path}"):
        content = path.read_bytes()
        compressed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
    if len(compressed) > LARGEST:
        die(f"{path}: takes {len(compressed)} bytes compressed, more than {LARGEST}", "its head may need fewer bits")
    text = "".join(f"{plain(key)}={plain(value)}\n" for key, value in told.items())
    recipe = metadata(name, hashlib.sha256(content).hexdigest(), licence(path, told), text)
    FOLDER.mkdir(parents=True, exist_ok=True)
    # The recipe's part is the last, so that it never speaks of a model that is not there yet.
    for suffix, data in ((SUFFIX, compressed), (".provenance", text.encode()), (".inc", recipe.encode())):
        whole.write(FOLDER / f"{name}{suffix}", data)
    return FOLDER / f"{name}{SUFFIX}"


def remove(name: str) -> None:
    """Takes the model `name` out of the layer."""
    if name not in names():
        die(f"the layer has no model {name!r}", f"it has {', '.join(names()) or 'none'}")
    for suffix in (".inc", ".provenance", SUFFIX):
        (FOLDER / f"{name}{suffix}").unlink(missing_ok=True)


def provenance(path: Path) -> dict[str, str]:
    """What the blob says of where it comes from."""
    content = blob.read(path)
    lines = content.text("provenance").splitlines() if "provenance" in content else []
    return dict(line.split("=", 1) for line in lines if "=" in line)


def licence(path: Path, told: dict[str, str]) -> str:
    """The blob's licence as BitBake's LICENSE writes it."""
    expression = told.get("licence", "")
    if not LICENCE.fullmatch(expression):
        die(
            f"{path}: its provenance says {expression!r} for a licence",
            "it must be names of SPDX, with AND or OR between them",
        )
    return expression.replace(" AND ", " & ").replace(" OR ", " | ")


def metadata(name: str, sha256: str, licence: str, provenance: str) -> str:
    """The .inc file of a model. All that is put into it is plain: see plain()."""
    described = " \\\n".join(f"    {line}" for line in provenance.splitlines())
    checksum = hashlib.md5(provenance.encode(), usedforsecurity=False).hexdigest()
    return f"""\
# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# Written by ./inv model.install, and read by whisper158-model where WHISPER158_MODEL is "{name}".
SRC_URI = "file://{name}.w158.xz file://{name}.provenance"
WHISPER158_MODEL_SHA256 = "{sha256}"
LICENSE = "{licence}"
LIC_FILES_CHKSUM = "file://{name}.provenance;md5={checksum}"
DESCRIPTION = "What the model says of itself: \\
{described} \\
"
"""


def plain(text: str) -> str:
    """Without what means something to BitBake, whose variables can run code: the text may be anybody's."""
    return re.sub(r"[^A-Za-z0-9 _.,:;/+@%()=-]", "?", text)
