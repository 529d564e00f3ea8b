# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The recipes under BitBake's own parser, and what they build: each file must come into the package meant for it."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layer.bitbake import Build

from whisper158.build import armv8, sysroot
from whisper158.build import layer as ours

MakeBuild = Callable[..., Build]
Recipes = dict[str, dict[str, Any]]

# Path by path, what the packages of the runtime hold. The tests' programs are told apart below.
PACKAGES = {
    "whisper158": {
        "/usr/bin/whisper158",
        "/usr/share/whisper158/selftest/model.w158",
        "/usr/share/whisper158/selftest/speech.wav",
    },
    "libwhisper158": {"/usr/lib/libwhisper158.so.0", f"/usr/lib/libwhisper158.so.{ours.version()}"},
    "whisper158-daemon": {
        "/usr/bin/whisper158d",
        "/usr/lib/systemd/system/whisper158d.service",
        "/usr/lib/systemd/system/whisper158d.socket",
        "/usr/lib/systemd/system/whisper158d-wyoming.socket",
        "/usr/share/whisper158/avahi/whisper158.service",
    },
    "whisper158-bash-completion": {
        "/usr/share/bash-completion/completions/whisper158.bash",
        "/usr/share/bash-completion/completions/whisper158d.bash",
    },
    "whisper158-dev": {
        "/usr/include/whisper158.h",
        "/usr/lib/libwhisper158.so",
        "/usr/lib/pkgconfig/whisper158.pc",
    },
    "whisper158-doc": {"/usr/share/man/man1/whisper158.1", "/usr/share/man/man8/whisper158d.8"},
}


@pytest.fixture(scope="module")
def recipes(make_build: MakeBuild) -> Recipes:
    return make_build().recipes()


@pytest.fixture(scope="module")
def built(make_build: MakeBuild) -> tuple[Path, dict[str, str | None]]:
    """The runtime for the board; where it was installed, and which package each file is for."""
    needed = {"PACKAGECONFIG:append:pn-whisper158": " man"}
    return make_build(**needed).run("whisper158")


def test_there_is_a_recipe_for_each_part(recipes: Recipes) -> None:
    assert set(recipes) == {
        "whisper158",
        "whisper158-native",
        "whisper158-model",
        "whisper158-conf",
        "packagegroup-whisper158",
        "whisper158-image",
    }
    assert not [name for name, recipe in recipes.items() if recipe["skipped"]]
    assert recipes["whisper158"]["version"] == recipes["whisper158-conf"]["version"] == ours.version()


def test_what_a_recipe_needs_is_in_openembedded_core(recipes: Recipes) -> None:
    assert set(recipes["whisper158"]["DEPENDS"].split()) == {
        *("alsa-lib", "json-c", "libmicrohttpd", "libsamplerate0", "libsndfile1", "xxhash"),
    }
    assert recipes["whisper158-native"]["DEPENDS"].split() == ["xxhash"]


def test_options_bring_what_they_need(make_build: MakeBuild) -> None:
    settings = {"PACKAGECONFIG:pn-whisper158": "cli man avahi", "DISTRO_FEATURES": "systemd"}
    recipe = make_build(**settings).recipes()["whisper158"]
    assert "scdoc-native" in recipe["DEPENDS"].split() and "libmicrohttpd" not in recipe["DEPENDS"].split()
    assert recipe["rdepends"]["whisper158-daemon"] == ["avahi-daemon", "whisper158-conf"]
    assert "-Ddaemon=disabled" in recipe["PACKAGECONFIG_CONFARGS"]
    assert "whisper158-ptest" not in recipe["packages"]


def test_wyoming_is_not_enabled(recipes: Recipes) -> None:
    assert recipes["whisper158"]["services"]["whisper158-daemon"] == ["whisper158d.service", "whisper158d.socket"]


def test_a_board_gets_it_all(recipes: Recipes) -> None:
    group = recipes["packagegroup-whisper158"]["rdepends"]["packagegroup-whisper158"]
    offered = {package for recipe in recipes.values() for package in recipe["packages"]}
    assert {"whisper158", "whisper158-daemon", "whisper158-model", "whisper158-conf"} == set(group) <= offered
    assert "packagegroup-whisper158" in recipes["whisper158-image"]["IMAGE_INSTALL"].split()


def test_nothing_starts_without_systemd(make_build: MakeBuild) -> None:
    recipes = make_build(DISTRO_FEATURES="alsa").recipes()
    skipped = {name: recipe["skipped"] for name, recipe in recipes.items() if recipe["skipped"]}
    assert skipped == dict.fromkeys(("packagegroup-whisper158", "whisper158-image"), "DISTRO_FEATURES lacks systemd")


@pytest.mark.slow
def test_every_file_is_in_its_package(built: tuple[Path, dict[str, str | None]]) -> None:
    _, files = built
    assert [path for path, package in files.items() if package is None] == []
    held: dict[str, set[str]] = {}
    for path, package in files.items():
        held.setdefault(str(package), set()).add(path)
    tests = held.pop("whisper158-ptest")
    assert held == PACKAGES
    assert all(path.startswith("/usr/lib/whisper158/ptest/") for path in tests)
    names = {Path(path).name for path in tests}
    assert {"run-ptest", "check-kernels", "test_context"} <= names


@pytest.mark.slow
def test_the_tests_package_has_what_it_runs(built: tuple[Path, dict[str, str | None]], tmp_path: Path) -> None:
    """run-ptest says PASS of every program beside it. (Their turn in an emulator comes with the emulator's image.)"""
    root, _ = built
    script = root / "usr/lib/whisper158/ptest/run-ptest"
    beside = {path.name for path in script.parent.iterdir()} - {"run-ptest"}
    for name in beside:
        stand_in = tmp_path / name
        stand_in.write_text("#!/bin/sh\nexit 0\n")
        stand_in.chmod(0o755)
    copy = tmp_path / "run-ptest"
    copy.write_text(script.read_text())
    program = tmp_path / "whisper158"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    done = subprocess.run(["sh", copy], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    verdicts = {name: word for word, name in (line.split(": ") for line in done.stdout.splitlines())}
    wanted = {name.removeprefix("test_").removeprefix("check-") for name in beside}
    assert verdicts == {**dict.fromkeys(wanted, "PASS"), "selftest": "FAIL"}
    assert done.returncode == 1


@pytest.mark.slow
def test_what_was_built_runs_where_the_board_would(built: tuple[Path, dict[str, str | None]], model: Path) -> None:
    root, _ = built
    emulator = ["qemu-aarch64", "-cpu", sysroot.EMULATED_CPU, "-L", str(sysroot.sysroot())]
    emulator += ["-E", f"LD_LIBRARY_PATH={root}/usr/lib"]
    folder = root / "usr/share/whisper158/selftest"
    command = [*emulator, str(root / "usr/bin/whisper158"), "selftest", f"--data={folder}", f"--model={model}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kernels   ok      neon compute what ref does" in done.stdout


@pytest.mark.slow
def test_a_distributions_flags_bring_no_newer_instructions(built: tuple[Path, dict[str, str | None]]) -> None:
    root, _ = built
    for file in ("usr/lib/libwhisper158.so", "usr/bin/whisper158"):
        assert list(armv8.offences_in(armv8.disassemble(root / file))) == []


def test_the_native_variant_is_the_library(recipes: Recipes) -> None:
    native = recipes["whisper158-native"]
    assert {"-Dcli=disabled", "-Ddaemon=disabled"} <= set(native["PACKAGECONFIG_CONFARGS"].split())
    # native.bbclass would turn whisper158-model into whisper158-model-native, which there is none of.
    assert not any([*native["rdepends"].values(), *native["rrecommends"].values()])


# ---- configuration


def test_the_configuration_is_in_its_own_package(make_build: MakeBuild, recipes: Recipes) -> None:
    root, files = make_build().run("whisper158-conf")
    installed = str(ours.INSTALLED_CONFIGURATION)
    assert files == {installed: "whisper158-conf"}
    assert (root / installed.lstrip("/")).read_bytes() == ours.CONFIGURATION.read_bytes()
    assert recipes["whisper158-conf"]["conffiles"]["whisper158-conf"] == [installed]


def test_a_product_has_its_own_configuration(make_build: MakeBuild, tmp_path: Path) -> None:
    product = tmp_path / "meta-product"
    append = product / "recipes-whisper158" / "whisper158-conf" / "whisper158-conf_%.bbappend"
    # The first two lines are what the recipe knows the licence by.
    header = ours.CONFIGURATION.read_text().splitlines(keepends=True)[:2]
    text = "".join([*header, 'WHISPER158D_OPTIONS="--language=de"\n'])
    (append.parent / "files").mkdir(parents=True)
    (append.parent / "files" / "whisper158.default").write_text(text)
    append.write_text('FILESEXTRAPATHS:prepend := "${THISDIR}/files:"\n')
    (product / "conf").mkdir()
    (product / "conf" / "layer.conf").write_text(
        'BBFILES += "${LAYERDIR}/recipes-*/*/*.bbappend"\n'
        'BBFILE_COLLECTIONS += "product"\nBBFILE_PATTERN_product = "^${LAYERDIR}/"\n'
        'LAYERSERIES_COMPAT_product = "scarthgap"\n'
    )
    root, files = make_build(product).run("whisper158-conf")
    assert files == {"/etc/default/whisper158": "whisper158-conf"}
    assert (root / "etc/default/whisper158").read_text() == text


# ---- the vendor's board


def vendor(folder: Path) -> Path:
    """As much of a layer of the collection meta-synaptics as our image takes from it."""
    images = folder / "recipes-bsp" / "images"
    images.mkdir(parents=True)
    (folder / "conf").mkdir()
    (folder / "conf" / "layer.conf").write_text(
        'BBPATH .= ":${LAYERDIR}"\nBBFILES += "${LAYERDIR}/recipes-*/*/*.bb"\n'
        'BBFILE_COLLECTIONS += "meta-synaptics"\nBBFILE_PATTERN_meta-synaptics = "^${LAYERDIR}/"\n'
        'BBFILE_PRIORITY_meta-synaptics = "29"\nLAYERSERIES_COMPAT_meta-synaptics = "scarthgap"\n'
    )
    (images / "astra-core.bb").write_text(
        'LICENSE = "MIT"\nIMAGE_INSTALL:append = " curl"\ninherit_defer ${@"core-image"}\n'
    )
    return folder


def test_the_vendors_layer_brings_the_boards_image(make_build: MakeBuild, tmp_path: Path) -> None:
    recipes = make_build(vendor(tmp_path / "meta-made-up")).recipes()
    image = recipes["astra-whisper158"]
    assert image["IMAGE_INSTALL"].split() == ["packagegroup-core-boot", "curl", "packagegroup-whisper158"]
    # The flashing tool asks for it.
    assert "astra" in image["name"]


def test_a_vendors_layer_without_that_image_does_no_harm(make_build: MakeBuild, tmp_path: Path) -> None:
    """As meta-synaptics was before its release 1.2: all else is there."""
    layer = vendor(tmp_path / "meta-made-up")
    (layer / "recipes-bsp" / "images" / "astra-core.bb").unlink()
    recipes = make_build(layer).recipes()
    skipped = {name: recipe["skipped"] for name, recipe in recipes.items() if recipe["skipped"]}
    assert set(skipped) == {"astra-whisper158"}
    assert "this meta-synaptics has no recipes-bsp/images/astra-core.bb" in skipped["astra-whisper158"]
