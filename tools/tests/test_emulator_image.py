# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What is in the emulator's image, looked at from outside, without booting it."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from whisper158.build import emulator, recipe, runtime
from whisper158.build.emulator import configure, keys
from whisper158.build.emulator.image import AUDIO_CONTEXT, Image, options_for
from whisper158.run import run

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def image(golden: Path) -> Image:
    return Image(emulator.build(str(golden)))


def debugfs(image: Image, request: str) -> str:
    return run(["debugfs", "-R", request, image.root])


def content(image: Image, path: str) -> str:
    return debugfs(image, f"cat {path}")


def test_the_file_system_is_whole(image: Image) -> None:
    run(["e2fsck", "-fn", image.root])


def test_everything_is_roots_and_secrets_are_for_root_only(image: Image) -> None:
    for path, mode in {
        "/": "0755",
        "/root": "0700",
        "/tmp": "01777",
        "/etc/shadow": "0640",
        "/etc/ssh/ssh_host_ed25519_key": "0600",
        "/root/.ssh/authorized_keys": "0600",
        "/usr/bin/whisper158d": "0755",
    }.items():
        found = debugfs(image, f"stat {path}")
        assert re.search(rf"Mode:\s+{mode}\b", found), (path, found)
        assert re.search(r"User:\s+0\s+Group:\s+0\b", found), (path, found)


def test_units_and_options_are_those_that_meson_installs(image: Image, tmp_path: Path) -> None:
    installed = runtime.install(runtime.BOARD, tmp_path / "installed")
    units = sorted((installed / "usr" / "lib" / "systemd" / "system").iterdir())
    assert len(units) == 3
    for unit in units:
        assert content(image, f"/usr/lib/systemd/system/{unit.name}") == unit.read_text()
    options = content(image, "/etc/default/whisper158")
    theirs = (installed / "etc" / "default" / "whisper158").read_text()
    assert options == f'{theirs}WHISPER158D_OPTIONS="--device={configure.CARD}"\n'
    for name in ("whisper158", "whisper158d"):
        debugfs(image, f"dump /usr/bin/{name} {tmp_path}/{name}")
        assert (tmp_path / name).read_bytes() == (installed / "usr" / "bin" / name).read_bytes()


def test_ours_are_packages_like_any_other(image: Image, tmp_path: Path) -> None:
    """dpkg, asked about the file system from outside: all is installed, and what our packages brought is as it was."""
    for path in ("/var/lib/dpkg", "/usr", "/etc/default"):
        out = tmp_path / path.lstrip("/")
        out.parent.mkdir(parents=True, exist_ok=True)
        debugfs(image, f"rdump {path} {out.parent}")
    dpkg = ["dpkg", f"--root={tmp_path}"]
    shown = ["--showformat", "${Package} ${Version} ${db:Status-Status}\n", "--show"]
    listed = run(["dpkg-query", f"--admindir={tmp_path}/var/lib/dpkg", *shown]).splitlines()
    assert {f"{package.name} {package.version}-r0 installed" for package in recipe.packages()} <= set(listed)
    assert len(listed) > 100 and all(line.endswith(" installed") for line in listed)
    for name in recipe.PACKAGES:
        # The file of options has what the emulated card needs in it, as a user's edit.
        found = subprocess.run([*dpkg, "--verify", name], capture_output=True, text=True).stdout
        assert re.sub(r"^\S+ c /etc/default/whisper158\n", "", found) == ""


def test_the_model_is_there_under_both_names(image: Image, golden: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(golden.read_bytes()).hexdigest()
    assert image.facts["model"] == {"name": golden.stem, "sha256": digest, "bytes": golden.stat().st_size}
    debugfs(image, f"dump /usr/share/whisper158/{golden.name} {tmp_path}/model")
    assert hashlib.sha256((tmp_path / "model").read_bytes()).hexdigest() == digest
    assert f'"{golden.name}"' in debugfs(image, "stat /usr/share/whisper158/default.w158")


def test_what_starts(image: Image) -> None:
    wants = "/etc/systemd/system/{}.wants"
    assert "whisper158d.service" in debugfs(image, f"ls -p {wants.format('multi-user.target')}")
    sockets = debugfs(image, f"ls -p {wants.format('sockets.target')}")
    assert "whisper158d.socket" in sockets and "whisper158d-wyoming.socket" in sockets
    for unit in configure.MASKED:
        assert '"/dev/null"' in debugfs(image, f"stat /etc/systemd/system/{unit}"), unit


def test_keys_are_those_of_the_folder(image: Image) -> None:
    assert content(image, "/root/.ssh/authorized_keys") == (keys.keys() / f"{keys.OWNER}.pub").read_text()
    kind, key = content(image, "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    assert image.known_hosts.read_text() == f"{configure.HOST_NAME} {kind} {key}\n"
    assert image.key.stat().st_mode & 0o777 == 0o600


def test_nothing_is_left_of_what_was_left_out(image: Image) -> None:
    assert "perl" not in debugfs(image, "ls -p /usr/bin")
    assert "doc" not in debugfs(image, "ls -p /usr/share").split("/")
    assert "login" in debugfs(image, "ls -p /usr/bin")


def test_the_same_again_takes_nothing(image: Image, golden: Path) -> None:
    before = image.root.stat().st_mtime_ns
    assert emulator.build(str(golden)) == image.folder
    assert image.root.stat().st_mtime_ns == before


def test_models_for_half_a_minute_get_short_windows(golden: Path, babbler: Path) -> None:
    assert options_for(golden) == ()
    assert 0 < AUDIO_CONTEXT < 1500
    assert options_for(babbler) == ()
