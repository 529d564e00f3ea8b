# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What yocto-check-layer asks of a layer, as far as it can be told without BitBake; what oelint-adv says of recipes."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from whisper158.build import layer as ours
from whisper158.paths import LAYER, ROOT
from whisper158.run import run, tool

METADATA = sorted(
    path
    for pattern in ("conf/*.conf", "recipes-*/**/*.bb", "recipes-*/**/*.bbappend", "dynamic-layers/**/*.bb*")
    for path in LAYER.glob(pattern)
)
RECIPES = [path for path in METADATA if path.suffix == ".bb"]

# What oelint-adv finds, by file and rule, and why it stays.
NO_PAGE = "the project has no page of its own yet"
IN_LAYER = "the sources are another folder of this layer, which only this variable can name"
WHOLE = "what a package holds is said in full, so that nothing comes into it unseen"
EXCUSED = {
    ("astra-whisper158.bb", "oelint.file.includenotfound"): "it lies in the vendor's layer",
    ("astra-whisper158.bb", "oelint.file.requireinclude"): "one without that image must not break all builds",
    ("astra-whisper158.bb", "oelint.task.noanonpython"): "nor must it make an image that is not the vendor's",
    ("whisper158-conf_0.1.0.bb", "oelint.var.mandatoryvar.HOMEPAGE"): NO_PAGE,
    ("whisper158-conf_0.1.0.bb", "oelint.vars.fileextrapaths"): IN_LAYER,
    ("whisper158-conf_0.1.0.bb", "oelint.vars.outofcontext"): IN_LAYER,
    (
        "whisper158-model_0.1.0.bb",
        "oelint.task.noanonpython",
    ): "what is wrong with a model is said before anything is built",
    ("whisper158-model_0.1.0.bb", "oelint.var.filesoverride"): WHOLE,
    ("whisper158-model_0.1.0.bb", "oelint.var.mandatoryvar.HOMEPAGE"): NO_PAGE,
    ("whisper158-model_0.1.0.bb", "oelint.var.mandatoryvar.SRC_URI"): "the chosen model's .inc has it",
    ("whisper158_0.1.0.bb", "oelint.var.filesoverride"): WHOLE,
    ("whisper158_0.1.0.bb", "oelint.var.mandatoryvar.HOMEPAGE"): NO_PAGE,
    ("whisper158_0.1.0.bb", "oelint.vars.fileextrapaths"): IN_LAYER,
    ("whisper158_0.1.0.bb", "oelint.vars.mispell.unknown"): "debian.bbclass has DEBIAN_NOAUTONAME",
    ("whisper158_0.1.0.bb", "oelint.vars.outofcontext"): IN_LAYER,
}


def text(path: Path) -> str:
    return path.read_text()


def test_somebody_looks_after_it() -> None:
    readme = text(LAYER / "README.md")
    # yocto-check-layer looks no further where a README names another one.
    assert readme.count("README") == 0
    assert {"maintainer", "patch"} <= set(re.findall(r"maintainer|patch", readme.lower()))
    assert re.search(r"[^@\s]+@[^@\s]+", readme)
    for heading in ("Dependencies", "State", "Use", "Maintenance"):
        assert f"\n## {heading}\n" in readme


def test_it_says_how_to_report_what_is_not_for_everybody() -> None:
    assert "privately" in text(LAYER / "SECURITY.md")


def test_its_licence_is_the_project_s() -> None:
    assert text(LAYER / "COPYING.MIT") == text(ROOT / "LICENSE")


def test_it_is_for_scarthgap_and_needs_the_core_alone() -> None:
    assert ours.series() == ["scarthgap"]
    assert 'LAYERDEPENDS_whisper158 = "core"\n' in text(LAYER / "conf" / "layer.conf")


def test_it_changes_nobody_else_s_build() -> None:
    """No machine, no distribution, and nothing that appends to a recipe; classes that all recipes inherit neither."""
    assert not [path for name in ("machine", "distro") for path in LAYER.glob(f"conf/{name}/**/*")]
    assert not list(LAYER.rglob("*.bbappend"))
    for line in text(LAYER / "conf" / "layer.conf").splitlines():
        setting = re.match(r"(\w+)\s*(?:[?:+.]*=)", line)
        assert setting is None or setting[1].endswith("_whisper158") or setting[1].startswith(("BBPATH", "BBFILE"))


def test_patches_say_whether_upstream_has_them() -> None:
    for patch in LAYER.rglob("*.patch"):
        assert re.search(r"^Upstream-Status: \w+", text(patch), re.MULTILINE), patch


@pytest.mark.parametrize("path", METADATA, ids=lambda path: path.name)
def test_what_it_is_under_stands_in_each_file(path: Path) -> None:
    assert text(path).startswith(
        "# SPDX-FileCopyrightText: 2026 the whisper158 authors\n# SPDX-License-Identifier: MIT\n"
    )


def test_versions_are_the_runtime_s() -> None:
    named = {path.stem.split("_")[1] for path in RECIPES if "_" in path.stem}
    assert named == {ours.version()}


def test_the_test_for_images_is_python_that_oeqa_would_load() -> None:
    path = LAYER / "lib" / "oeqa" / "runtime" / "cases" / "whisper158.py"
    tree = ast.parse(text(path))
    (case,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert [ast.unparse(base) for base in case.bases] == ["OERuntimeTestCase"]
    tests = [node for node in case.body if isinstance(node, ast.FunctionDef)]
    assert tests and all(test.name.startswith("test_") and test.decorator_list for test in tests)
    # One that depends on another names it as module.Class.test.
    named = re.findall(r'OETestDepends\(\["whisper158\.(\w+)\.(\w+)"\]\)', text(path))
    assert named and all(pair[0] == case.name and pair[1] in {test.name for test in tests} for pair in named)


def test_the_linter_finds_nothing_new(tmp_path: Path) -> None:
    """Nor may an excuse stand that nothing needs any more. Hints (info), about trackers and taste, are left out."""
    options = ["--quiet", "--jobs=1", f"--release={ours.series()[0]}", "--hide", "info"]
    command = [tool("oelint-adv"), *options, "--messageformat={path}|{id}|{line}|{msg}", *map(str, RECIPES)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    found = {}
    for line in (done.stdout + done.stderr).splitlines():
        path, rule, *rest = line.split("|", 3)
        found[Path(path).name, rule] = rest
    assert {key: rest for key, rest in found.items() if key not in EXCUSED} == {}
    assert set(found) == set(EXCUSED)


def test_run_ptest_is_a_shell_script_without_faults() -> None:
    run(["shellcheck", ours.RECIPES / "whisper158" / "files" / "run-ptest"])
