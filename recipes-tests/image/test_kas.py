# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The kas files: what kas's own schema says of them, and what comes out when kas puts them together."""

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from whisper158.build import kas
from whisper158.paths import ROOT
from whisper158.run import tool

FILES = sorted(path.relative_to(ROOT) for path in kas.FOLDER.rglob("*.yml"))
COMMIT = re.compile(r"[0-9a-f]{40}")
SCHEMA = json.loads((resources.files("kas") / "schema-kas.json").read_text())


def dump(work: Path, *files: str) -> dict[str, Any]:
    """What kas makes of files; without going for the repositories."""
    done = subprocess.run(
        [tool("kas"), "dump", "--format=json", "--skip=finish_setup_repos", ":".join(files)],
        cwd=ROOT,
        env={**os.environ, "KAS_WORK_DIR": str(work), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Falling back" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def settings(config: dict[str, Any]) -> str:
    return "\n".join(text for _, text in sorted(config["local_conf_header"].items()))


def test_there_are_files() -> None:
    assert {"sl1680", "qemuarm64"} <= set(kas.machines())
    assert {"debug", "mirror", "sstate-mirror", "offline"} <= set(kas.options())


@pytest.mark.parametrize("file", FILES, ids=str)
def test_schema(file: Path) -> None:
    content = yaml.safe_load((ROOT / file).read_text())
    jsonschema.validate(content, SCHEMA)
    # One version for all of them, which is also that of what we write ourselves.
    assert content["header"]["version"] == kas.FORMAT


def test_the_schema_would_notice() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"header": {"version": kas.FORMAT}, "machin": "sl1680"}, SCHEMA)


@pytest.mark.parametrize("name", kas.machines())
def test_machine_with_every_option(name: str, tmp_path: Path) -> None:
    machine = kas.machine(name)
    everything = [f"kas/opt/{option}.yml" for option in (*kas.options(), kas.EULA)]
    config = dump(tmp_path, machine.file, *everything)
    assert (config["machine"], config["target"]) == (name, machine.target)
    assert "meta-whisper158" in config["repos"]["whisper158"]["layers"]
    # No two files use the same name for their part of local.conf, or one would hide the other.
    contents = [yaml.safe_load((ROOT / file).read_text()) for file in FILES]
    parts = [part for content in contents for part in content.get("local_conf_header", {})]
    assert len(parts) == len(set(parts))
    assert {part for part in parts if "-opt-" in part} <= set(config["local_conf_header"])


@pytest.mark.parametrize("name", kas.machines())
def test_pins(name: str, tmp_path: Path) -> None:
    """Every repository has a commit, or a tag that kas.lock can find one for; none just follows a branch."""
    config = dump(tmp_path, kas.machine(name).file)
    pinned = config.get("overrides", {}).get("repos", {})
    assert COMMIT.fullmatch(pinned["poky"]["commit"])
    for repository, said in config["repos"].items():
        if said and "url" in said:
            assert COMMIT.fullmatch(pinned.get(repository, {}).get("commit", "")) or said.get("tag"), repository


def test_only_the_board_needs_the_licence(tmp_path: Path) -> None:
    """And nothing accepts it but the one option that says so."""
    assert {name for name in kas.machines() if kas.machine(name).needs_eula} == {"sl1680"}
    others = [f"kas/opt/{option}.yml" for option in kas.options()]
    assert "EULA" not in settings(dump(tmp_path, "kas/machine/sl1680.yml", *others))
    accepted = settings(dump(tmp_path, "kas/machine/sl1680.yml", "kas/opt/eula-synaptics.yml"))
    assert 'LICENSE_FLAGS_ACCEPTED:append = " commercial Synaptics-EULA"' in accepted


def test_the_emulated_board_needs_no_vendor(tmp_path: Path) -> None:
    assert set(dump(tmp_path, "kas/machine/qemuarm64.yml")["repos"]) == {"poky", "whisper158"}


# In a process of its own: BitBake carries a library of its own that changes what is Python's for all who come after.
PARSE = """
import json, sys, types
# Of the hash server's client the parser wants the name only, and the wheel is without it.
for name in ("hashserv", "hashserv.client"):
    sys.modules[name] = types.ModuleType(name)
from bb import data_smart
from bb.parse.ast import StatementGroup
from bb.parse.parse_py import ConfHandler
given = json.load(sys.stdin)
data, statements = data_smart.DataSmart(), StatementGroup()
for name, value in given["variables"].items():
    data.setVar(name, value)
for number, line in enumerate(given["lines"]):
    ConfHandler.feeder(number, line, "local.conf", statements)
statements.eval(data)
json.dump({name: data.getVar(name) for name in given["wanted"]}, sys.stdout)
"""


def parsed(lines: list[str], variables: dict[str, str], *wanted: str) -> dict[str, Any]:
    """What BitBake's own parser makes of the lines."""
    given = json.dumps({"lines": lines, "variables": variables, "wanted": wanted})
    done = subprocess.run([sys.executable, "-c", PARSE], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_automatic_revisions_become_the_pinned_one(tmp_path: Path) -> None:
    """By BitBake's own parser: a recipe that says AUTOREV gets what the release pins, without asking a network."""
    pin = "a406c266d8a487f8a394849a5595839df7930957"
    variables = {
        "AUTOREV": "${@bb.fetch2.get_autorev(d)}",
        "SYNA_SRCREV_LINUX_6_12_MODULES": pin,
        "SRCREV": "${AUTOREV}",
    }
    lines = logical_lines(settings(dump(tmp_path, "kas/machine/sl1680.yml")))
    found = parsed(lines, variables, "SRCREV", "INIT_MANAGER", "INITRAMFS_IMAGE_BUNDLE")
    # And the rest of it is what BitBake understands, too.
    assert found == {"SRCREV": pin, "INIT_MANAGER": "systemd", "INITRAMFS_IMAGE_BUNDLE": "1"}


def logical_lines(text: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
