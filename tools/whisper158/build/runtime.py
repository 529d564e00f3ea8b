# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The runtime in its builds: for this machine, with sanitizers, for fuzzing, for the board's processor.

Each lives in its own folder under build/ and is brought up to date by whoever needs it.
"""

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from whisper158 import flags, needs
from whisper158.build import sysroot
from whisper158.console import step
from whisper158.errors import Usage, die
from whisper158.paths import BUILD, RUNTIME
from whisper158.run import run, show, tool
from whisper158.units import MAX_THREADS, WINDOW_FRAMES

# Of `whisper158 transcribe`, of which it prints one.
FORMS = ("json", "srt", "vtt")

JOBS = min(2, os.cpu_count() or 1)


@dataclass(frozen=True)
class Variant:
    """One way to build the runtime."""

    name: str
    title: str
    options: tuple[str, ...]
    compiler: str = "gcc"
    debian: tuple[str, ...] = ("native",)
    cross: bool = False
    # How much longer than on a fast machine a test may take.
    patience: int = 1
    # Of the tests, what would tell nothing.
    without: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return BUILD / self.name


# What is only built to be tested must not even give a warning.
TESTED = ("-Dtests=true", "-Dwerror=true")

NATIVE = Variant("native", "for this machine", ("-Dbuildtype=release",))
ASAN = Variant(
    "asan",
    "with sanitizers",
    (
        *(*TESTED, "-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false"),
        "-Dc_args=-fno-omit-frame-pointer -fno-sanitize-recover=all",
    ),
    patience=10,
)
# Finds what threads do to each other. Kernels know no threads, and take a quarter of an hour here.
TSAN = Variant(
    "tsan",
    "with ThreadSanitizer",
    (*TESTED, "-Dbuildtype=debugoptimized", "-Db_sanitize=thread", "-Db_lundef=false"),
    patience=20,
    without=("kernels",),
)
FUZZ = Variant("fuzz", "for fuzzing", ("-Dfuzz=true",), compiler="clang", debian=("native", "fuzz"))
AARCH64 = Variant(
    "aarch64",
    "for aarch64",
    (*TESTED, "-Dbuildtype=release"),
    compiler="aarch64-linux-gnu-gcc",
    debian=("native", "cross"),
    cross=True,
    patience=20,
)

# What an image is made of: as the recipe builds it (recipes-whisper158/whisper158).
BOARD = Variant(
    "board",
    "for the board",
    ("-Dbuildtype=release", "--prefix=/usr", "-Dman=disabled", "-Dcompletions=bash"),
    compiler="aarch64-linux-gnu-gcc",
    debian=("native", "cross"),
    cross=True,
)


def build(variant: Variant) -> Path:
    """Brings a build up to date and returns its folder. Quiet unless it takes long or fails."""
    needs.debian(*variant.debian)
    BUILD.mkdir(exist_ok=True)
    with alone(variant), step(f"Building the runtime {variant.title}"):
        configure(variant)
        # Of a fuzzing build, the fuzzers bring along what they test.
        targets = [fuzzer.relative_to(variant.folder) for fuzzer in fuzzers()] if variant is FUZZ else []
        run([tool("ninja"), "-C", variant.folder, "-j", str(JOBS), *targets], env=environment(variant))
    return variant.folder


def install(variant: Variant, root: Path) -> Path:
    """Builds, and installs into the root file system `root`, which is returned. Symbols stay out of it."""
    folder = build(variant)
    with alone(variant):
        options = ["--no-rebuild", "--strip", "--quiet"]
        run([tool("meson"), "install", "-C", folder, *options, "--destdir", root], env=environment(variant))
    return root


def program() -> Path:
    """The `whisper158` program for this machine."""
    return build(NATIVE) / "cli" / "whisper158"


def hear() -> Path:
    """The program that says what the daemon hears in a sound (tests/hear.c), for this machine."""
    target = build(NATIVE) / "daemon" / "hear"
    with alone(NATIVE):
        run([tool("ninja"), "-C", NATIVE.folder, target.relative_to(NATIVE.folder)], env=environment(NATIVE))
    return target


def shared_library() -> Path:
    """The library for this machine, as evaluate.engine loads it."""
    return build(NATIVE) / "src" / "libwhisper158.so"


def test(variant: Variant) -> None:
    """Builds, then runs the C tests, showing each; a failed one is a UserError."""
    folder = build(variant)
    command = [tool("meson"), "test", "-C", str(folder), "--no-rebuild", "--print-errorlogs"]
    command += [f"--num-processes={JOBS}", f"--timeout-multiplier={variant.patience}"]
    command += [f"--no-suite={suite}" for suite in variant.without]
    if show(command, env=environment(variant)) != 0:
        die(f"tests of the runtime {variant.title} failed", f"all they wrote: {folder}/meson-logs/testlog.txt")


def fuzz(*options: str) -> None:
    """Runs each fuzzer with these options of libFuzzer, from its corpus and earlier findings; stops when one breaks."""
    build(FUZZ)
    for fuzzer in fuzzers():
        corpus = RUNTIME / "fuzz" / "corpus" / fuzzer.name
        found = FUZZ.folder / "found" / fuzzer.name
        found.mkdir(parents=True, exist_ok=True)
        settings = ["-max_len=16384", f"-artifact_prefix={found.parent}/{fuzzer.name}-", *options]
        if show([fuzzer, *settings, found, corpus]) != 0:
            die(f"{fuzzer.name} broke the runtime", f"the input that did lies in {found.parent}")


def fuzzers() -> list[Path]:
    """The programs that runtime/fuzz/meson.build makes; their build must have been set up."""
    # Meson answers from the last time it was run, which may have been before a fuzzer was added.
    run([tool("ninja"), "-C", FUZZ.folder, "build.ninja"], env=environment(FUZZ))
    targets = json.loads(run([tool("meson"), "introspect", "--targets", FUZZ.folder]))
    return [
        Path(target["filename"][0])
        for target in targets
        if target["type"] == "executable" and Path(target["defined_in"]).parent == RUNTIME / "fuzz"
    ]


def options(files: Sequence[str], values: dict[str, str | None], switches: dict[str, bool]) -> list[str]:
    """The program's options, as far as they can be judged without it and a model, both of which may take a while."""
    if not files:
        raise Usage("transcribe needs a sound file", "./inv transcribe FILE")
    for file in files:
        if file != "-":
            flags.file("the sound file", file)
    if (threads := values["threads"]) is not None:
        flags.whole("--threads", threads, 1, MAX_THREADS)
    if (context := values["audio-context"]) not in (None, "auto", "full"):
        flags.whole("--audio-context", context, 1, WINDOW_FRAMES)
    if len(forms := [f"--{name}" for name in FORMS if switches[name]]) > 1:
        raise Usage(f"{' and '.join(forms)} exclude each other", "run it again for the other form")
    given = [f"--{name}" for name, wanted in switches.items() if wanted]
    return given + [f"--{name}={value}" for name, value in values.items() if value is not None]


def transcribe(model: Path, files: list[str], options: list[str]) -> int:
    """Runs `whisper158 transcribe` on our own streams; returns its exit status."""
    return show([program(), "transcribe", f"--model={model}", *options, "--", *files])


def configure(variant: Variant) -> None:
    """Runs `meson setup` where there is no build yet, or one that was set up otherwise or only half."""
    command = [tool("meson"), "setup", *variant.options]
    files = [sysroot.cross_file(BUILD / f"{variant.name}.ini")] if variant.cross else []
    for file in files:
        command += ["--cross-file", str(file)]
    wanted = json.dumps([command, run([tool("meson"), "--version"]), [file.read_text() for file in files]])
    stamp = variant.folder / "setup.json"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(variant.folder, ignore_errors=True)
    run([*command, variant.folder, RUNTIME], env=environment(variant))
    stamp.write_text(wanted)


def environment(variant: Variant) -> dict[str, str]:
    """The compiler, and the environment's own ninja for meson to find. The user's flags stay out of cross builds."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path} if variant.cross else {"PATH": path, "CC": variant.compiler}


@contextmanager
def alone(variant: Variant) -> Iterator[None]:
    """Keeps a second process out of the same folder."""
    with (BUILD / f"{variant.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
