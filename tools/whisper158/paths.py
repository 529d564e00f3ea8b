# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Where things lie in the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "meta-whisper158"
RUNTIME = LAYER / "runtime"
# Models that come with the layer: NAME.w158.xz, and what the recipe says of it, NAME.inc and NAME.provenance.
MODELS = LAYER / "recipes-whisper158" / "whisper158-model" / "files"
# Never inside RUNTIME: BitBake's fetcher hashes and copies all of that folder.
BUILD = ROOT / "build"
REQUIREMENTS = ROOT / "requirements"

# The file that ties the blob's writer to its reader (model/golden.py).
GOLDEN = RUNTIME / "tests" / "data" / "golden.w158"
