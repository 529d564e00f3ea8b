# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The lock files: every Python package by version and hash, none by address."""

from whisper158 import whole
from whisper158.console import step
from whisper158.paths import REQUIREMENTS, ROOT
from whisper158.run import run, tool

# tools.lock comes first and binds the others, so that all groups agree when they are installed together.
INPUTS: dict[str, tuple[str, ...]] = {
    "tools": ("pyproject.toml", "--group=install"),
    "dev": ("--group=dev", "--constraint=requirements/tools.lock"),
    "opinions": (
        "--group=opinions",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
    ),
    "oracle": (
        "--group=oracle",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--override=requirements/oracle.overrides",
    ),
    "bench": (
        "--group=bench",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--constraint=requirements/oracle.lock",
    ),
    "evaluate": (
        "--group=evaluate",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--constraint=requirements/bench.lock",
    ),
    "train": (
        "--group=train",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/bench.lock",
    ),
    "moonshine": (
        "--group=moonshine",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--constraint=requirements/bench.lock",
    ),
    "transformers": (
        "--group=transformers",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--constraint=requirements/oracle.lock",
        "--constraint=requirements/bench.lock",
        "--constraint=requirements/moonshine.lock",
    ),
    "references": (
        "--group=references",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/bench.lock",
        "--override=requirements/references.overrides",
    ),
    "speech": (
        "--group=speech",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/bench.lock",
    ),
    "image": (
        "--group=image",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--constraint=requirements/bench.lock",
    ),
    "board": (
        "--group=board",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--constraint=requirements/bench.lock",
    ),
    "layer": (
        "--group=layer",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--constraint=requirements/bench.lock",
        "--constraint=requirements/oracle.lock",
        "--override=requirements/layer.overrides",
    ),
    "release": (
        "--group=release",
        "--constraint=requirements/tools.lock",
        "--constraint=requirements/dev.lock",
        "--constraint=requirements/layer.lock",
    ),
}

# Universal: one file for every platform and Python that pyproject.toml allows, with one version of each package.
OPTIONS = (
    *("--universal", "--fork-strategy=fewest", "--python-version=3.11", "--generate-hashes"),
    *("--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
)

HEADER = """# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# Made by `./inv lock` from pyproject.toml; edit that instead.
"""


def lock(upgrade: bool = False) -> None:
    """Writes requirements/*.lock anew; with `upgrade`, not bound to the versions that stand there now."""
    for name, inputs in INPUTS.items():
        path = REQUIREMENTS / f"{name}.lock"
        with step(f"Locking {path.name}"), whole.replacing(path) as draft:
            draft.write_text(path.read_text() if path.exists() and not upgrade else "")
            run([tool("uv"), "pip", "compile", *OPTIONS, f"--output-file={draft}", *inputs], cwd=ROOT)
            draft.write_text(HEADER + draft.read_text())
