# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import re
import tomllib

import pytest

from whisper158.build.locks import INPUTS
from whisper158.paths import REQUIREMENTS, ROOT

NAMES = sorted(INPUTS)


def locked(name: str) -> set[str]:
    text = (REQUIREMENTS / f"{name}.lock").read_text()
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_packages_are_locked_by_version_and_hash_and_by_nothing_else(name: str) -> None:
    for line in (REQUIREMENTS / f"{name}.lock").read_text().splitlines():
        assert re.fullmatch(
            r"#.*|[a-z0-9-]+==[0-9a-z.]+( ; [a-zA-Z0-9_.'<>= ()!]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line
        ), line


def test_what_the_project_needs_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    wanted = {**groups, "tools": [*project["project"]["dependencies"], *groups["install"]]}
    for name in NAMES:
        assert {re.split(r"[[<>=]", requirement)[0] for requirement in wanted[name]} <= locked(name)


def test_groups_agree_on_versions() -> None:
    pins: dict[str, str] = {}
    for name in NAMES:
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", (REQUIREMENTS / f"{name}.lock").read_text(), re.M):
            assert pins.setdefault(package, version) == version, package


def test_pytorch_is_not_locked() -> None:
    assert not {"torch", "triton"} & locked("oracle")
