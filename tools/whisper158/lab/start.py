# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Where tasks.py enters: what the laboratory needs is installed before it is imported."""

import importlib
import re
from pathlib import Path

from whisper158 import flags, needs
from whisper158.errors import Usage

GROUPS = ("train", "oracle", "evaluate")
MOST_PROCESSES = 256
ADDRESS = re.compile(r"auto|(ray://)?[A-Za-z0-9.-]+:[0-9]{1,5}")


def of_lab(config: Path) -> None:
    flags.file("the configuration", config, "the configurations that come with the project are in configs/lab/")


def run(config: Path, processes: str, ray: str) -> None:
    of_lab(config)
    if ray and processes != "1":
        raise Usage(
            "--processes and --ray exclude each other", "the cluster knows how many it has: leave --processes out"
        )
    if ray and not ADDRESS.fullmatch(ray):
        raise Usage(f"--ray {flags.brief(ray)} is no address", "auto, HOST:PORT or ray://HOST:PORT")
    count = flags.whole("--processes", processes, 1, MOST_PROCESSES)
    for group in (*GROUPS, *(["ray"] if ray else [])):
        needs.python(group)
    importlib.import_module("whisper158.lab.run").run(config, count, ray)


def report(config: Path) -> None:
    of_lab(config)
    for group in GROUPS:
        needs.python(group)
    importlib.import_module("whisper158.lab.report").report(config)


def pack(config: Path, cell: str, out: str) -> None:
    of_lab(config)
    if not cell:
        raise Usage("lab.pack needs a cell", "--cell, as lab.run says it, such as 'gptq w4g64 a16'")
    if out:
        flags.out_file("--out", out)
    for group in GROUPS:
        needs.python(group)
    importlib.import_module("whisper158.lab.packing").pack(config, cell, out)
