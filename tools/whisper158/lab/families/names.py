# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Which family a model is of, before anything of it is fetched or imported."""

import os
from pathlib import Path

from whisper158.model.vocabulary import read_json

MOONSHINE = "moonshine"


def is_moonshine(model: str) -> bool:
    """By what a folder says of itself, or by the name of what is still on a hub."""
    config = Path(os.path.expanduser(model)) / "config.json"
    try:
        settings = read_json(config)
    except OSError:
        # Not there, or not for us to read, which whoever loads it will say.
        return model.rsplit("/", 1)[-1].lower().startswith(MOONSHINE)
    return isinstance(settings, dict) and str(settings.get("model_type")).startswith(MOONSHINE)
