# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Starts a training run in a process of its own, with what that process needs around it."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

from whisper158 import needs

# Training frees and takes tensors of the same sizes over and over. glibc gives large ones back to the system each time,
# and clearing fresh pages then takes a third of a step; told to keep them, it does not.
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TOP_PAD_": str(1 << 28),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 35),
}


def start(config: Path, resume: bool, steps: str | None, dry_run: bool) -> int:
    """Trains as `config` says; returns the exit status. Ctrl-C reaches the run, which saves and ends."""
    needs.python("train")
    command = [sys.executable, "-m", "whisper158.train", str(config)]
    command += ["--resume"] if resume else []
    command += ["--steps", steps] if steps else []
    command += ["--dry-run"] if dry_run else []
    with subprocess.Popen(command, env=KEEP_MEMORY | os.environ) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def export(run: str, out: str, name: str) -> Path:
    """Here rather than imported by tasks.py: PyTorch has to be installed first."""
    needs.python("train")
    module = importlib.import_module("whisper158.train.export")
    return Path(module.export(run, out, name))


def costs(run: str) -> str:
    needs.python("train")
    return str(importlib.import_module("whisper158.train.costs").table(run))
