# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The Yocto layer, as far as the tools have to know it: where its things lie, and what its recipes say."""

import re
from pathlib import Path

from whisper158.errors import die
from whisper158.paths import LAYER, RUNTIME

RECIPES = LAYER / "recipes-whisper158"

# Which of the layer's models is taken where nobody chooses one.
MODEL_RECIPE = RECIPES / "whisper158-model" / "whisper158-model_0.1.0.bb"

# The one file of options, which becomes /etc/default/whisper158 on the target.
CONFIGURATION = RUNTIME / "daemon" / "systemd" / "whisper158.default"
INSTALLED_CONFIGURATION = Path("/etc/default/whisper158")

# Where the daemon answers Home Assistant, on the target.
WYOMING_PORT = 10300

# Where models lie on the target, and there the link to the one that is used.
INSTALLED_MODELS = Path("/usr/share/whisper158")
DEFAULT_MODEL = "default.w158"


def version() -> str:
    """The runtime's version, as its build says."""
    return _find(RUNTIME / "meson.build", r"^  version: '([^']+)'")


def default_model() -> str:
    """The name of the model that is built in where WHISPER158_MODEL is not set."""
    return _find(MODEL_RECIPE, r'^WHISPER158_MODEL \?\?= "([^"]+)"')


def series() -> list[str]:
    """The releases of Yocto that the layer is for."""
    return _find(LAYER / "conf" / "layer.conf", r'^LAYERSERIES_COMPAT_whisper158 = "([^"]+)"').split()


def _find(file: Path, pattern: str) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE)
    return found[1] if found else die(f"{file}: there is no line like {pattern}")
