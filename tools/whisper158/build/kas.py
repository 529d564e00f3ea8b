# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""kas: which files make an image, where it works, and how it is called. What it builds is said in kas/, not here."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper158 import whole
from whisper158.cache import cache_dir
from whisper158.errors import Usage
from whisper158.model import blob, models, shipped
from whisper158.paths import BUILD, ROOT
from whisper158.run import tool

FOLDER = ROOT / "kas"
BSP = "kas/bsp/astra.yml"
EULA = "eula-synaptics"
# The version of kas's format that our files are written in.
FORMAT = 14

# Options that only work when the environment says more, and what that is.
VARIABLES = {"mirror": "SOURCE_MIRROR_URL", "sstate-mirror": "WHISPER158_SSTATE_MIRROR"}
# What else may be said in the environment and must reach BitBake through a container's wall.
HANDED_ON = (*VARIABLES.values(), "BB_HASHSERVE_UPSTREAM")

# What would make kas build something else than was asked for. TMPDIR is where most programs put small files; kas would
# hand it to BitBake, which would build there.
IGNORED = ("KAS_MACHINE", "KAS_TARGET", "KAS_TASK", "KAS_DISTRO", "TMPDIR")


@dataclass(frozen=True)
class Machine:
    name: str
    # The image recipe.
    target: str
    needs_eula: bool

    @property
    def file(self) -> str:
        return f"kas/machine/{self.name}.yml"


@dataclass(frozen=True)
class Folders:
    # The layers' repositories.
    work: Path
    # BitBake's, with the image in the end.
    build: Path
    # Both shared by all builds, and worth more than any of them.
    downloads: Path
    sstate: Path

    def images(self, machine: str) -> Path:
        return self.build / "tmp" / "deploy" / "images" / machine


@dataclass(frozen=True)
class Model:
    name: str
    # None for one that the layer has.
    file: Path | None
    sha256: str
    # As LICENSE has it; empty where the model does not say, or the layer knows.
    licence: str = ""


def machines() -> list[str]:
    return names("machine")


def options() -> list[str]:
    """What --with takes. The EULA has a flag of its own, because to accept it is not an option among others."""
    return [name for name in names("opt") if name != EULA]


def names(folder: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / folder).glob("*.yml") if not path.stem.endswith(".lock"))


def machine(name: str) -> Machine:
    said = load(FOLDER / "machine" / f"{name}.yml")
    return Machine(name, str(said["target"]), BSP in said["header"]["includes"])


def load(path: Path) -> Any:
    import yaml

    return yaml.safe_load(path.read_text())


def folders(machine: str, container: bool = False) -> Folders:
    """Where a build of `machine` works: the environment says it, else build/ and the cache."""
    # BitBake refuses a folder whose path changes, as it does on the way into a container.
    name = f"build-{machine}-container" if container else f"build-{machine}"
    work = set_or("KAS_WORK_DIR", BUILD / "yocto")
    return Folders(
        work=work,
        build=set_or("KAS_BUILD_DIR", work / name),
        downloads=set_or("DL_DIR", cache_dir() / "yocto" / "downloads"),
        sstate=set_or("SSTATE_DIR", cache_dir() / "yocto" / "sstate"),
    )


def set_or(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).absolute()


def model(name: str) -> Model:
    """The model that is to be in the image: one of the layer's by its name, any other as a file with its checksum."""
    path = models.ensure(name)
    blob.read(path)  # raises where it is damaged, which the board would find out otherwise
    sha256 = digest(path)
    if name in shipped.names():
        return Model(name, None, sha256)
    if not shipped.NAME.fullmatch(path.stem):
        raise Usage(f"{path}: its name cannot be a model's", f"rename it: {shipped.NAMED}")
    told = shipped.provenance(path)
    licence = shipped.licence(path, told) if shipped.LICENCE.fullmatch(told.get("licence", "")) else ""
    return Model(path.stem, path, sha256, licence)


def digest(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(chosen: Machine, extra: tuple[str, ...], model: Model, where: Folders) -> Path:
    """Writes the file that kas is given: the machine's, the options', and which model it is.

    It lies in the checkout, because all files of one build have to be of one repository.
    """
    import yaml

    content: dict[str, Any] = {
        "header": {"version": FORMAT, "includes": [chosen.file, *(f"kas/opt/{name}.yml" for name in extra)]},
        "local_conf_header": {"whisper158-model": local_conf(model)},
    }
    if handed_on := {name: os.environ[name] for name in HANDED_ON if os.environ.get(name)}:
        content["env"] = handed_on
    path = BUILD / "yocto" / f"{chosen.name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.write(path, "# Written by ./inv build-image, each time anew.\n" + yaml.safe_dump(content, sort_keys=False))
    if model.file is not None:
        lay_in(model.file, where.build / "models" / f"{model.name}.w158")
    return path


def local_conf(model: Model) -> str:
    lines = [f'WHISPER158_MODEL = "{model.name}"']
    if model.file is not None:
        # By way of TOPDIR, which is where it is in a container too.
        lines += [
            f'WHISPER158_MODEL_FILE = "${{TOPDIR}}/models/{model.name}.w158"',
            f'WHISPER158_MODEL_SHA256 = "{model.sha256}"',
        ]
    if model.licence:
        lines += [f'WHISPER158_MODEL_LICENSE = "{model.licence}"']
    return "\n".join(lines) + "\n"


def lay_in(source: Path, target: Path) -> None:
    """Copies a file to where BitBake finds it; without another copy on the disk if that can be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole.replacing(target) as draft:
        try:
            os.link(source.resolve(), draft)
        except OSError:
            shutil.copyfile(source, draft)


def command(verb: str, container: bool, *arguments: str | Path) -> list[str]:
    return [tool("kas-container" if container else "kas"), verb, *map(str, arguments)]


def environment(where: Folders, jobs: int) -> Mapping[str, str]:
    """All of the environment that kas gets: ours, less what would lead it astray."""
    kept = {name: value for name, value in os.environ.items() if name not in IGNORED}
    kept |= {
        "KAS_WORK_DIR": str(where.work),
        "KAS_BUILD_DIR": str(where.build),
        "DL_DIR": str(where.downloads),
        "SSTATE_DIR": str(where.sstate),
    }
    kept.setdefault("BB_NUMBER_THREADS", str(jobs))
    kept.setdefault("PARALLEL_MAKE", f"-j {jobs}")
    return kept


def outside(path: str, where: Folders) -> Path:
    """A path that was said inside of the container, as it is outside of it; others stay what they are."""
    mounts = {"/work": where.work, "/build": where.build, "/repo": ROOT}
    for inside, here in mounts.items():
        if path.startswith(f"{inside}/") and not Path(path).exists():
            return here / path.removeprefix(f"{inside}/")
    return Path(path)
