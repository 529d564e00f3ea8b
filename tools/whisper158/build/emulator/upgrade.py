# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Newer packages than an image has: the same program, options and model with other content and a higher version."""

import dataclasses
import hashlib
import tempfile
from pathlib import Path

import numpy as np

from whisper158.build import layer, runtime
from whisper158.build.emulator import database, debs
from whisper158.build.emulator.base import base
from whisper158.model import blob
from whisper158.run import run

REVISION = 1
# An architecture that is not the guest's.
FOREIGN = "amd64"
# What makes a program another one that does the same.
SECTION = ".note.whisper158.upgrade"

# The blob's section that tells its name.
PROVENANCE = "provenance"


def newer(model: Path, out: Path) -> tuple[list[Path], str]:
    """All packages, in `out`, with a higher version, and the model's sha256. It is `model` under another name."""
    with tempfile.TemporaryDirectory(prefix="whisper158-") as folder:
        installed = runtime.install(runtime.BOARD, Path(folder) / "installed")
        alter(installed, Path(folder) / "note")
        renamed = Path(folder) / f"{model.stem}-r{REVISION}{model.suffix}"
        rename(model, renamed)
        made = debs.build(installed, renamed, out, database.libraries(base().tree), REVISION)
        return made, hashlib.sha256(renamed.read_bytes()).hexdigest()


def foreign(deb: Path, out: Path) -> Path:
    """`deb` for a processor that is not the guest's."""
    with tempfile.TemporaryDirectory(prefix="whisper158-") as folder:
        root = Path(folder) / "root"
        run(["dpkg-deb", "--raw-extract", deb, root])
        control = root / "DEBIAN" / "control"
        text = control.read_text().replace(f"Architecture: {debs.ARCHITECTURE}", f"Architecture: {FOREIGN}")
        control.write_text(text)
        return debs.pack(root, out / deb.name.replace(debs.ARCHITECTURE, FOREIGN))


def alter(installed: Path, note: Path) -> None:
    """Gives programs and libraries a section that nobody reads, and the file of options a line that says nothing."""
    note.write_text(f"revision {REVISION}\n")
    for path in filter(debs.is_program, installed.rglob("*")):
        run(["aarch64-linux-gnu-objcopy", f"--add-section={SECTION}={note}", path])
    with (installed / layer.INSTALLED_CONFIGURATION.relative_to("/")).open("a") as options:
        options.write(f"# Revision {REVISION}.\n")


def rename(model: Path, out: Path) -> None:
    """`model` with another name in its provenance: the same weights, another file."""
    source = blob.read(model)
    lines = [line for line in source.text(PROVENANCE).splitlines() if not line.startswith("name=")]
    told = np.frombuffer("".join(f"{line}\n" for line in (f"name={out.stem}", *lines)).encode(), np.uint8)
    payloads = {name: told if name == PROVENANCE else source.array(name) for name in source.sections}
    sections = [
        dataclasses.replace(section, shape=told.shape) if section.name == PROVENANCE else section
        for section in source.sections.values()
    ]
    blob.write(out, sections, payloads.values())
