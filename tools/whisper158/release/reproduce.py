# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Whether two builds give the same bytes: of the runtime, in other folders and at another time; and of models.

What is compared is what `meson install` installs, stripped: what differs in debugging information alone does not count.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whisper158 import needs
from whisper158.build import runtime, sysroot
from whisper158.build.runtime import Variant
from whisper158.console import say, step
from whisper158.errors import die
from whisper158.model.models import named
from whisper158.model.pack import FORMATS
from whisper158.paths import RUNTIME
from whisper158.release.parts import sha256
from whisper158.run import run, tool

# Of different lengths and depths, because both have made builds differ before.
PLACES = ("a", "another/place with a longer name")


@dataclass(frozen=True)
class Seed:
    """What packing must not depend on."""

    hashes: str  # PYTHONHASHSEED
    threads: str


SEEDS = (Seed("1", "1"), Seed("2", "4"))

PACK = "import sys; from whisper158.model.models import pack_to; pack_to(sys.argv[1], '', sys.argv[2])"
PACK_GOLDEN = (
    "import sys; from pathlib import Path; from whisper158.model.golden import golden; "
    "from whisper158.model.pack import FORMATS, pack; "
    "pack(golden(), FORMATS[sys.argv[1]], Path(sys.argv[2]))"
)


def reproduce(models: Sequence[str]) -> None:
    """Everything, twice; dies where something differs."""
    for model in models:
        named(model)
    with tempfile.TemporaryDirectory(prefix="whisper158-") as scratch:
        for variant in (runtime.NATIVE, runtime.BOARD):
            needs.debian(*variant.debian)
            report(f"the runtime {variant.title}", *(build(variant, Path(scratch) / place) for place in PLACES))
        for format in FORMATS:
            report(f"a made-up model in {format}", *pack_twice(PACK_GOLDEN, format, Path(scratch)))
        for model in models:
            report(model, *pack_twice(PACK, model, Path(scratch)))


def build(variant: Variant, place: Path) -> dict[str, str]:
    """Copies the sources to a place of their own, builds and installs there; returns the sums of what is installed."""
    home = place / variant.name
    with step(f"Building the runtime {variant.title} in {home}"):
        copy_sources(home / "source")
        files = [sysroot.cross_file(home / "cross.ini")] if variant.cross else []
        options = [f"--cross-file={file}" for file in files]
        environment = runtime.environment(variant)
        run([tool("meson"), "setup", *variant.options, *options, home / "build", home / "source"], env=environment)
        run([tool("ninja"), "-C", home / "build", "-j", str(runtime.JOBS)], env=environment)
        install = ["install", "-C", str(home / "build"), "--no-rebuild", "--strip", "--quiet"]
        run([tool("meson"), *install, "--destdir", home / "root"], env=environment)
    return sums(home / "root")


def copy_sources(to: Path) -> None:
    """With the times of today, which are other ones each time."""
    shutil.copytree(RUNTIME, to, copy_function=shutil.copy, ignore=shutil.ignore_patterns("corpus"))


def pack_twice(program: str, model: str, scratch: Path) -> list[dict[str, str]]:
    found = []
    for number, seed in enumerate(SEEDS):
        out = scratch / f"packed-{number}.w158"
        environment = {"PYTHONHASHSEED": seed.hashes, "OMP_NUM_THREADS": seed.threads}
        with step(f"Packing {model}, hash seed {seed.hashes}, {seed.threads} threads"):
            run([sys.executable, "-c", program, model, str(out)], env=environment)
        found.append({f"{model}.w158": sha256(out)})
        out.unlink()
    return found


def sums(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): sha256(path) for path in sorted(root.rglob("*")) if path.is_file()}


def differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    return sorted(path for path in first.keys() | second.keys() if first.get(path) != second.get(path))


def report(what: str, first: dict[str, str], second: dict[str, str]) -> None:
    if other := differences(first, second):
        die(f"{what} is not the same when it is made again: {', '.join(other)} differ")
    say(f"{what}: {len(first)} files, the same bytes both times")
    for path, digest in first.items():
        print(f"{digest}  {path}")
