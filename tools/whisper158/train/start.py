# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Starts a training run in a process of its own, with what that process needs around it."""

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from whisper158 import flags, needs
from whisper158.errors import Usage, die
from whisper158.model import shipped
from whisper158.train import CONFIGURATIONS, label

MOST = 1_000_000_000

# Training frees and takes tensors of the same sizes over and over. glibc gives large ones back to the system each time,
# and clearing fresh pages then takes a third of a step; told to keep them, it does not.
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TOP_PAD_": str(1 << 28),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 35),
}


def start(config: Path, resume: bool, steps: str | None, dry_run: bool, frames: str | None) -> int:
    """Trains as `config` says; returns the exit status. Ctrl-C reaches the run, which saves and ends."""
    flags.file("the configuration", config, CONFIGURATIONS)
    flags.alone("--dry-run", dry_run, {"--resume": resume, "--steps": steps}, "it takes a few steps, and keeps nothing")
    if frames and not dry_run:
        raise Usage("--frames says nothing without --dry-run", "a run has what its configuration says: data.frames")
    if steps:
        flags.whole("--steps", steps, 1, MOST)
    if frames:
        flags.whole("--frames", frames, 1, MOST)
    needs.python("train")
    command = [sys.executable, "-m", "whisper158.train", str(config)]
    command += ["--resume"] if resume else []
    command += ["--steps", steps] if steps else []
    command += ["--dry-run"] if dry_run else []
    command += ["--frames", frames] if frames else []
    with subprocess.Popen(command, env=KEEP_MEMORY | os.environ) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def export(run: str, out: str, name: str) -> Path:
    """Here rather than imported by tasks.py: PyTorch has to be installed first."""
    if not os.path.exists(run):
        raise flags.Missing(f"there is no training run {flags.brief(run)}", "./inv model.export FOLDER")
    if out:
        flags.out_file("--out", out)
    if name and not shipped.NAME.fullmatch(name):
        raise Usage(f"--name {flags.brief(name)} cannot be a model's name", shipped.NAMED)
    needs.python("train")
    module = importlib.import_module("whisper158.train.export")
    return Path(module.export(run, out, name))


def align(manifests: Sequence[Path], model: str, memory: str) -> None:
    """Finds the words of clips; an interrupted run goes on when it is started again."""
    if not manifests:
        die("model.data.align needs a manifest", "./inv model.data.align FILE")
    label.check_model(model, "pytorch")
    for manifest in manifests:
        flags.file("the manifest", manifest, "./inv model.data.index writes one")
    remembered = flags.out_folder("--memory", memory) if memory else None
    needs.python("train")
    importlib.import_module("whisper158.train.align").align(manifests, model, remembered)


def costs(run: str) -> str:
    flags.file("the log", Path(run) / "log.jsonl", "./inv model.costs FOLDER, the folder of a training run")
    needs.python("train")
    return str(importlib.import_module("whisper158.train.costs").table(run))


def moved(before: str, after: str) -> str:
    for path in (before, after):
        flags.file("the checkpoint", Path(path), "./inv model.moved RUN/one.pt RUN/another.pt")
    needs.python("train")
    return str(importlib.import_module("whisper158.train.moved").table(before, after))
