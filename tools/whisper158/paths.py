# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Where things lie in the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "meta-whisper158" / "runtime"
# Never inside RUNTIME: BitBake's fetcher hashes and copies all of that folder.
BUILD = ROOT / "build"
REQUIREMENTS = ROOT / "requirements"

# The file that ties the blob's writer to its reader (model/golden.py).
GOLDEN = RUNTIME / "tests" / "data" / "golden.w158"
