# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What `whisper158 info` tells of a model, next to what the file says when it is read with Python."""

import json
import math
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whisper158.model import blob

Cli = Callable[..., subprocess.CompletedProcess[bytes]]


def good(result: subprocess.CompletedProcess[bytes]) -> str:
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode()


@pytest.fixture(scope="module")
def told(cli: Cli, golden: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(good(cli("info", "--json", "--sections", golden)))
    return answer


@pytest.fixture(scope="module")
def read(golden: Path) -> blob.Blob:
    return blob.read(golden)


def is_linear(section: blob.Section) -> bool:
    return bool(re.search(r"\.blocks\..*\.weight$", section.name)) and len(section.shape) == 2


def test_sections_are_those_of_the_file(told: dict[str, Any], read: blob.Blob) -> None:
    assert [section["name"] for section in told["sections"]] == list(read.sections)
    for shown, section in zip(told["sections"], read.sections.values(), strict=True):
        assert shown == {
            "name": section.name,
            "dtype": section.dtype.name.lower(),
            "packing": section.packing.name.lower(),
            "shape": list(section.shape),
            "group": section.group,
            "offset": read.offsets[section.name],
            "size": section.size,
        }


def test_dimensions_are_those_of_config(told: dict[str, Any], read: blob.Blob) -> None:
    *dimensions, min_audio_ctx, activation_bits = read.array("config").tolist()
    assert list(told["dimensions"].values()) == dimensions
    assert (told["min_audio_ctx"], told["activation_bits"]) == (min_audio_ctx, activation_bits)
    assert told["languages"] == read.text("decoding.languages").split(",")
    assert told["multilingual"]


def test_provenance_is_told_in_full(told: dict[str, Any], read: blob.Blob) -> None:
    assert told["provenance"] == dict(line.split("=", 1) for line in read.text("provenance").splitlines())


def test_bytes_add_up_to_the_file(told: dict[str, Any], golden: Path, read: blob.Blob) -> None:
    assert told["file_size"] == golden.stat().st_size == sum(told["bytes"].values())
    encoder = sum(section.size for name, section in read.sections.items() if name.startswith("encoder."))
    assert told["bytes"]["encoder"] == encoder


def test_linear_layers_are_counted_by_format(told: dict[str, Any], read: blob.Blob) -> None:
    layers = [section for section in read.sections.values() if is_linear(section)]
    weights = sum(math.prod(section.shape) for section in layers)
    size = sum(section.size + (section.scale.size if section.group else 0) for section in layers)
    assert sum(form["layers"] for form in told["linear"]) == len(layers)
    assert sum(form["weights"] for form in told["linear"]) == weights
    assert sum(form["bytes"] for form in told["linear"]) == size
    assert told["bits_per_weight"] == pytest.approx(8 * size / weights, abs=1e-4)
    for form in told["linear"]:
        assert form["scales"] == ("none" if form["dtype"] == "f16" else "group" if form["group"] else "row")
        assert form["bits_per_weight"] == pytest.approx(8 * form["bytes"] / form["weights"], abs=1e-4)
    parameters = sum(
        math.prod(section.shape)
        for name, section in read.sections.items()
        if name.startswith(("encoder.", "decoder.")) and not name.endswith(".scale")
    )
    assert told["parameters"] == parameters


def test_a_person_reads_the_same(cli: Cli, golden: Path, told: dict[str, Any]) -> None:
    text = good(cli("info", golden))
    for line in (
        r"Name +golden",
        r"Format +mixed",
        r"Kind +8 languages: en zh de es ru ko fr ja",
        r"Encoder +2 layers, 64 wide, 2 heads; 80 mel bands, 40 frames \(0\.8 s\)",
        r"Decoder +2 layers, 64 wide, 2 heads; 32 tokens of text",
        r"Linear layers +\d+ in t158, packed as t2, a scale for each row: \d\.\d{3} bits per weight",
        rf"Parameters +{told['parameters']}",
        rf"File +{told['file_size']} bytes \(0\.3 MiB\)",
        r"  licence +MIT",
    ):
        assert re.search(rf"^{line}$", text, re.MULTILINE), line
    assert "Section" not in text
    table = good(cli("info", "--sections", golden)).removeprefix(text).splitlines()
    assert table[1].split() == ["Section", "dtype", "packed", "shape", "group", "offset", "bytes"]
    assert [line.split()[0] for line in table[2:]] == [section["name"] for section in told["sections"]]


def with_provenance(read: blob.Blob, path: Path, text: str) -> Path:
    """The same model with another provenance."""
    payload = np.frombuffer(text.encode(), np.uint8)
    sections = {**read.sections, "provenance": blob.Section("provenance", blob.Dtype.U8, payload.shape)}
    payloads = [payload if name == "provenance" else read.array(name) for name in sections]
    blob.write(path, list(sections.values()), payloads)
    return path


def test_provenance_may_hold_anything_printable(cli: Cli, read: blob.Blob, tmp_path: Path) -> None:
    lines = "name=a=b\nempty=\nlanguage_of_the_speakers=Français\n"
    path = with_provenance(read, tmp_path / "a.w158", lines)
    assert good(cli("info", path)).endswith(
        "Provenance\n  name            a=b\n  empty           \n  language_of_the_speakers Français\n"
    )
    assert json.loads(good(cli("info", "--json", path)))["provenance"]["language_of_the_speakers"] == "Français"


def test_provenance_cannot_play_with_the_terminal(cli: Cli, read: blob.Blob, tmp_path: Path) -> None:
    result = cli("info", with_provenance(read, tmp_path / "a.w158", "name=\x1b[2Jx\n"))
    assert (result.returncode, result.stdout) == (os.EX_DATAERR, b"")
    assert b"\x1b" not in result.stderr


COMMANDS = ["transcribe", "info", "bench", "tune", "selftest", "devices", "listen", "stats"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_and_names_every_option(cli: Cli, command: str) -> None:
    text = good(cli(command, "--help"))
    assert text.startswith(f"Usage: whisper158 {command} ")
    assert max(map(len, text.splitlines())) <= 80
    assert good(cli(command, "-h")) == text
    # Every option that is named is known: it gets as far as missing its value, its file or the model.
    for option in set(re.findall(r"(?<!\S)--[a-z-]+", text)) - {"--help"}:
        result = cli(command, option)
        assert b"unknown" not in result.stderr, option


def test_the_program_names_its_commands(cli: Cli) -> None:
    text = good(cli("--help"))
    assert re.findall(r"^  ([a-z]+) ", text, re.MULTILINE) == COMMANDS
    assert re.fullmatch(r"whisper158 \d+\.\d+\.\d+\n", good(cli("--version")))
