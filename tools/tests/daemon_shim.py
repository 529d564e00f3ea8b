# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A library that comes between whisper158d and the C library: daemon_shim.c says what it can do."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


def shim(folder: Path, **settings: str | int | Path) -> dict[str, str]:
    """The environment of a program that is to have it: `hold`, `speed`, `jump`."""
    library = folder / "shim.so"
    if not library.exists():
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    environment = {f"SHIM_{key.upper()}": str(value) for key, value in settings.items()}
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": "detect_leaks=1:verify_asan_link_order=0", **environment}
