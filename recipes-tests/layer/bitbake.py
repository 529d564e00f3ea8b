# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A build folder for the parser in driver.py: what the tests of recipes ask it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whisper158.build import sysroot

DRIVER = Path(__file__).with_name("driver.py")


@dataclass(frozen=True)
class Answer:
    """What the driver printed, or why it did not."""

    value: Any
    said: str


@dataclass(frozen=True)
class Build:
    folder: Path
    layer: Path
    # Layers besides, such as one that appends to our recipes.
    others: tuple[Path, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)

    def ask(self, *words: str) -> Answer:
        """Has the driver do something, well or not."""
        configuration = self.folder / "conf" / "local.conf"
        configuration.parent.mkdir(parents=True, exist_ok=True)
        settings = {**cross_settings(self.folder), **self.settings}
        configuration.write_text("".join(f'{name} = "{value}"\n' for name, value in settings.items()))
        # The tasks run the programs of the environment that the tests run in: meson, ninja.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        done = subprocess.run(
            [sys.executable, DRIVER, self.folder, self.layer, *words],
            env={"PATH": path, "HOME": str(self.folder), "EXTRA_LAYERS": " ".join(map(str, self.others))},
            capture_output=True,
            text=True,
        )
        value = json.loads(done.stdout) if done.returncode == 0 else None
        return Answer(value, done.stderr)

    def recipes(self) -> dict[str, dict[str, Any]]:
        """What the recipes say, by name; -native ones too."""
        answer = self.ask("show")
        assert answer.value is not None, answer.said
        return {recipe["name"]: recipe for recipe in answer.value}

    def run(self, recipe: str) -> tuple[Path, dict[str, str | None]]:
        """Builds a recipe; the folder with what it installs, and for each file its package."""
        answer = self.ask("run", recipe)
        assert answer.value is not None, answer.said
        return Path(answer.value["root"]), answer.value["files"]


def cross_settings(folder: Path) -> dict[str, str]:
    return {
        "STUB_CROSS_FILE": str(sysroot.cross_file(folder / "cross.ini")),
        "STUB_CFLAGS": f"--sysroot={sysroot.sysroot()} -mcpu={sysroot.CPU}",
        "STUB_JOBS": "1",
        "BB_NO_NETWORK": "1",
    }
