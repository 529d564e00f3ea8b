# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Files are replaced under a service that runs, in the way of every package manager: written anew, then renamed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from whisper158.board.service import Service
from whisper158.board.target import Target

FOLDER = "/usr/share/whisper158"
DEFAULT = f"{FOLDER}/default.w158"
OTHER = f"{FOLDER}/whisper158-test.w158"

pytestmark = pytest.mark.destructive


@pytest.fixture
def writable(target: Target) -> None:
    status, _ = target.run(f"touch {FOLDER}/.draft && rm {FOLDER}/.draft")
    if status != 0:
        pytest.skip("the root file system is read-only: such an image is upgraded as a whole")


@pytest.mark.usefixtures("writable")
def test_the_model_is_replaced(target: Target, service: Service, babbler: Path) -> None:
    """The one that is mapped stays whole; a restart takes the new one, and the old one again when it is back."""
    name = service.wait_listening()["model"]
    with another_model(target, babbler):
        assert service.stats()["model"] == name
        service.restart()
        assert service.wait_listening()["model"] != name
    service.restart()
    assert service.wait_listening()["model"] == name


@contextmanager
def another_model(target: Target, content: Path) -> Iterator[None]:
    kept = target.check(f"readlink {DEFAULT}")
    target.put(content.read_bytes(), OTHER)
    target.check(f"ln -s {Path(OTHER).name} {DEFAULT}.dpkg-new && mv {DEFAULT}.dpkg-new {DEFAULT}")
    try:
        yield
    finally:
        target.check(f"ln -s {kept} {DEFAULT}.dpkg-new && mv {DEFAULT}.dpkg-new {DEFAULT}; rm {OTHER}")


@pytest.mark.usefixtures("quick_start", "writable")
def test_the_runtime_is_replaced(target: Target, service: Service) -> None:
    """What runs goes on as it was; a restart takes the new one."""
    pid = service.pid()
    for name in ("whisper158", "whisper158d"):
        path = target.check(f"command -v {name}")
        target.check(f"cp -p {path} {path}.dpkg-new && mv {path}.dpkg-new {path}")
    assert target.check(f"readlink /proc/{pid}/exe").endswith("(deleted)")
    assert service.stats()["event"] == "stats"
    assert service.pid() == pid
    service.restart()
    assert not target.check(f"readlink /proc/{service.pid()}/exe").endswith("(deleted)")
