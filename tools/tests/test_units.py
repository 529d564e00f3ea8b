# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The units of whisper158d as they are installed, before the judge that systemd brings along."""

import configparser
import re
import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from whisper158.build import layer, runtime
from whisper158.paths import RUNTIME
from whisper158.run import run, tool

# Tenths of what `systemd-analyze security` calls exposure, from 0 to 10.
EXPOSURE = 16


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the runtime was installed."""
    place = tmp_path_factory.mktemp("root")
    folder = runtime.build(runtime.NATIVE)
    run([tool("meson"), "install", "-C", folder, "--no-rebuild", "--quiet", "--destdir", place])
    return place


def found(root: Path, name: str) -> Path:
    (path,) = root.rglob(name)
    return path


def unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """A unit's settings, by section; each may be given several times."""
    settings: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            settings[section] = {}
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            settings[section].setdefault(key, []).append(value)
    return settings


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True)


def exposure(unit: Path) -> subprocess.CompletedProcess[str]:
    return analyze("security", "--offline=yes", f"--threshold={EXPOSURE}", unit)


def test_systemd_understands_the_units(root: Path, tmp_path: Path) -> None:
    for path in (*root.rglob("whisper158d*.socket"), found(root, "whisper158d.service")):
        # What is started must exist, and in `root` it lies elsewhere.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", path.read_text(), flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text)
    result = analyze("verify", "--man=no", *sorted(tmp_path.iterdir()))
    assert (result.returncode, result.stderr) == (0, "")


def test_the_service_is_locked_up(root: Path) -> None:
    result = exposure(found(root, "whisper158d.service"))
    assert result.returncode == 0, result.stdout


def test_a_service_that_is_not_locked_up_would_be_noticed(tmp_path: Path) -> None:
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert exposure(bare).returncode != 0


def test_the_microphone_can_be_had(root: Path) -> None:
    service = unit(found(root, "whisper158d.service"))["Service"]
    assert service["DevicePolicy"] == ["closed"]
    assert service["DeviceAllow"] == ["char-alsa rw"]
    assert service["SupplementaryGroups"] == ["audio"]
    assert "PrivateDevices" not in service


def test_what_was_tuned_is_found(root: Path) -> None:
    """It is for the processor that it was tuned on, which /proc/cpuinfo tells (src/machine.c)."""
    service = unit(found(root, "whisper158d.service"))["Service"]
    assert service["CacheDirectory"] == ["whisper158"]
    assert "ProcSubset" not in service


def test_the_service_waits_for_the_model_and_is_watched(root: Path) -> None:
    service = unit(found(root, "whisper158d.service"))["Service"]
    assert service["Type"] == ["notify"]
    assert "WatchdogSec" in service
    assert "MemoryMax" in service
    assert "CPUWeight" in service


def test_what_the_units_name_is_there(root: Path) -> None:
    service = unit(found(root, "whisper158d.service"))["Service"]
    (defaults,) = service["EnvironmentFile"]
    assert (root / defaults.removeprefix("-/")).is_file()
    for path in root.rglob("whisper158d*.socket"):
        assert unit(path)["Socket"].get("Service", ["whisper158d.service"]) == ["whisper158d.service"]


def test_sockets_have_names_and_are_not_for_everybody(root: Path) -> None:
    lines = unit(found(root, "whisper158d.socket"))["Socket"]
    assert (lines["FileDescriptorName"], lines["SocketMode"], lines["SocketGroup"]) == (["json"], ["0660"], ["audio"])
    wyoming = unit(found(root, "whisper158d-wyoming.socket"))["Socket"]
    assert wyoming["FileDescriptorName"] == ["wyoming"]
    assert wyoming["ListenStream"] == [f"127.0.0.1:{layer.WYOMING_PORT}"]


def test_a_restart_of_the_service_is_enough_for_a_socket_that_was_enabled(root: Path) -> None:
    """systemd refuses to start a socket whose service runs: that must start it before itself."""
    install = unit(found(root, "whisper158d-wyoming.socket"))["Install"]
    assert install["WantedBy"] == ["sockets.target", "whisper158d.service"]
    told = [path.read_text() for path in (*root.rglob("default/whisper158"), RUNTIME / "man" / "whisper158d.8.scd")]
    assert len(told) == 2
    for text in told:
        assert "systemctl enable whisper158d-wyoming.socket" in text
        assert "enable --now whisper158d-wyoming.socket" not in text


def test_the_service_is_started_again_however_often_it_breaks(root: Path) -> None:
    settings = unit(found(root, "whisper158d.service"))
    assert settings["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert settings["Service"]["Restart"] == ["on-failure"]
    # EX_USAGE, EX_DATAERR, EX_NOINPUT: what does not mend itself.
    assert settings["Service"]["RestartPreventExitStatus"] == ["64 65 66"]


def test_the_file_with_options_sets_nothing_by_itself(root: Path) -> None:
    lines = next(root.rglob("default/whisper158")).read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    # Its examples are settings once the sign is taken away.
    parser = configparser.ConfigParser()
    parser.read_string("[file]\n" + "\n".join(line[1:] for line in lines if re.match(r"#[A-Z]\w+=", line)))
    assert set(parser["file"]) == {"whisper158_model", "whisper158d_options"}


def test_the_file_with_options_names_those_that_there_are(root: Path) -> None:
    text = next(root.rglob("default/whisper158")).read_text()
    told = run([runtime.build(runtime.NATIVE) / "daemon" / "whisper158d", "--help"])
    named = set(re.findall(r"^#   (--[a-z-]+)=", text, flags=re.MULTILINE))
    assert "--http" in named
    assert named <= set(re.findall(r"--[a-z-]+", told))


def test_avahi_announces_the_port_of_the_socket_if_asked_to(root: Path) -> None:
    path = found(root, "whisper158.service")
    assert "etc/avahi" not in str(path)
    service = xml.parse(path).getroot().find("service")
    assert service is not None
    assert [(child.tag, child.text) for child in service] == [
        ("type", "_wyoming._tcp"),
        ("port", str(layer.WYOMING_PORT)),
    ]
