# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The layer in the real OpenEmbedded-Core: parsed, planned, packaged and judged by its own tools, without a network.

It needs a checkout of poky, which $WHISPER158_OE_CORE names, and the better part of an hour. With
$WHISPER158_META_SYNAPTICS, a checkout of the vendor's layer, our image is read with the vendor's own recipes too.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from layer.conftest import MODEL
from layer.openembedded import BuildFolder
from layer.test_recipes import PACKAGES, vendor

from whisper158 import needs
from whisper158.build import layer as ours
from whisper158.build import sysroot
from whisper158.run import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]

HERE = Path(__file__).parent
SETTINGS = f'INIT_MANAGER = "systemd"\nPACKAGE_CLASSES = "package_deb"\nWHISPER158_MODEL = "{MODEL}"\n'


@pytest.fixture(scope="module")
def oe_core() -> Path:
    """A checkout with meta/, meta-poky/ and bitbake/."""
    named = os.environ.get("WHISPER158_OE_CORE")
    if not named:
        pytest.skip("NOT TRIED WITH OPENEMBEDDED: WHISPER158_OE_CORE names no checkout of poky (yocto-5.0.9)")
    path = Path(named).absolute()
    assert (path / "oe-init-build-env").is_file(), f"WHISPER158_OE_CORE: {path} has no oe-init-build-env"
    needs.debian("layer", "cross")
    locales = subprocess.run(["locale", "-a"], capture_output=True, text=True).stdout.lower().split()
    assert "en_us.utf8" in locales, "BitBake needs the locale en_US.UTF-8: locale-gen en_US.UTF-8"
    return path


@pytest.fixture(scope="module")
def work(layer: Path) -> Iterator[Path]:
    """A folder that others than its owner may enter, with a copy of the layer in it."""
    folder = Path(tempfile.mkdtemp(prefix="whisper158-oe-"))
    folder.chmod(0o755)
    shutil.copytree(layer, folder / "meta-whisper158")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def plain(oe_core: Path, work: Path) -> BuildFolder:
    """OpenEmbedded-Core with its machine that QEMU knows, a layer that stands in for the vendor's, and ours."""
    build = BuildFolder(oe_core, work / "plain")
    build.configure([vendor(work / "meta-stand-in"), work / "meta-whisper158"], f'MACHINE = "qemuarm64"\n{SETTINGS}')
    return build


def planned(build: BuildFolder) -> set[str]:
    return set((build.folder / "pn-buildlist").read_text().split())


def test_every_recipe_is_parsed(plain: BuildFolder) -> None:
    said = plain.run("bitbake", "-p")
    print(said)
    (counts,) = re.findall(r"Parsing of (\d+) \.bb files complete .* (\d+) errors\.", said)
    assert int(counts[0]) > 900 and counts[1] == "0"
    assert "WARNING" not in said


def test_the_image_for_any_machine_is_planned(plain: BuildFolder) -> None:
    print(plain.run("bitbake", "-g", "whisper158-image"))
    wanted = {"whisper158", "whisper158-conf", "whisper158-model", "alsa-lib", "libmicrohttpd", "xxhash", "linux-yocto"}
    assert wanted <= planned(plain)


def test_the_board_s_image_is_planned_with_a_stand_in_for_its_vendor(plain: BuildFolder) -> None:
    """The vendor's recipe is made up: what is tested is that ours finds and extends it."""
    print(plain.run("bitbake", "-g", "astra-whisper158"))
    assert {"curl", "whisper158", "whisper158-conf", "whisper158-model"} <= planned(plain)


def test_the_vendor_s_own_image_and_machine_take_ours(oe_core: Path, work: Path) -> None:
    """Of the vendor's layer, only images and machines are looked at: a release for another series would not parse."""
    named = os.environ.get("WHISPER158_META_SYNAPTICS")
    if not named:
        pytest.skip("NOT TRIED WITH THE VENDOR'S LAYER: WHISPER158_META_SYNAPTICS names no checkout of meta-synaptics")
    copy = work / "vendor" / "meta-synaptics"
    shutil.copytree(named, copy, ignore=shutil.ignore_patterns(".git"))
    core = copy / "recipes-bsp" / "images" / "astra-core.bb"
    if not core.exists():
        print("this release of meta-synaptics has no astra-core, so astra-media stands in")
        core.write_text("require recipes-bsp/images/astra-media.bb\n")
    build = BuildFolder(oe_core, work / "vendor" / "build")
    build.configure([copy, work / "meta-whisper158"], f'MACHINE = "sl1680"\n{SETTINGS}{vendor_masks(oe_core, copy)}')
    with (build.folder / "conf" / "bblayers.conf").open("a") as file:
        file.write(f'LAYERSERIES_COMPAT_meta-synaptics:append = " {ours.series()[0]}"\n')
    image = work / "meta-whisper158" / "dynamic-layers/meta-synaptics/recipes-core/images/astra-whisper158.bb"
    said = build.run("bitbake", "-e", "-b", str(image))
    values = dict(re.findall(r'^(IMAGE_INSTALL|IMAGE_FSTYPES|TUNE_CCARGS|PN)="(.*)"$', said, re.MULTILINE))
    print(values)
    assert values["PN"] == "astra-whisper158" and values["IMAGE_INSTALL"].split()[-1] == "packagegroup-whisper158"
    assert "linux-firmware-syna" in values["IMAGE_INSTALL"].split() and "synaimg" in values["IMAGE_FSTYPES"].split()
    assert "-mcpu=cortex-a73" in values["TUNE_CCARGS"]


def vendor_masks(oe_core: Path, vendor: Path) -> str:
    masked = (f"{oe_core}/meta/recipes-", f"{oe_core}/meta-poky/recipes-", f"{vendor}/dynamic-layers/")
    return (
        f'BBMASK += "{" ".join(masked)} {vendor}/recipes-(?!bsp/images)"\n'
        'BB_DANGLINGAPPENDS_WARNONLY = "1"\nLICENSE_FLAGS_ACCEPTED = "commercial Synaptics-EULA"\n'
        # As the SDK's own configuration has it.
        'INITRAMFS_IMAGE_BUNDLE = "1"\nINITRAMFS_IMAGE = "core-image-initramfs-boot"\n'
    )


def test_packages_are_built_and_pass_qa(oe_core: Path, work: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TRIED: packages are made without pseudo, which only root can do")
    toolchain = HERE / "hosttoolchain"
    build = BuildFolder(oe_core, work / "packages", as_root=True)
    # All recipes but ours: what they would be needed for comes from the host.
    masks = f'BBMASK += "{oe_core}/meta/recipes- {oe_core}/meta-poky/recipes-"\n'
    masks += "".join(f'BBFILE_PATTERN_IGNORE_EMPTY_{name} = "1"\n' for name in ("core", "yocto"))
    build.configure(
        [work / "meta-whisper158"],
        f'{SETTINGS}HOSTTOOLCHAIN_SYSROOT = "{sysroot.sysroot()}"\n'
        'DISTRO_FEATURES:append = " ptest"\n' + masks + "require conf/hosttoolchain.conf\n",
        path=(toolchain,),
    )
    recipes = ("whisper158", "whisper158-model", "whisper158-conf", "whisper158-native")
    said = build.run("bitbake", *recipes, tools=(Path(sys.executable).parent,))
    print(said)
    assert "ERROR" not in said and not re.findall(r"QA Issue", said)
    packages = {path.name.split("_")[0]: path for path in build.folder.glob("tmp/deploy/deb/*/*.deb")}
    assert {"whisper158", "libwhisper158", "whisper158-daemon", "whisper158-ptest", "whisper158-dev"} < set(packages)
    # systemd.bbclass adds what enables the units.
    added = {"whisper158-daemon": {"/usr/lib/systemd/system-preset/98-whisper158-daemon.preset"}}
    for name in ("whisper158", "libwhisper158", "whisper158-daemon", "whisper158-dev"):
        assert contents(packages[name]) == PACKAGES[name] | added.get(name, set())
    assert contents(packages["whisper158-conf"]) == {str(ours.INSTALLED_CONFIGURATION)}
    shared = ours.INSTALLED_MODELS
    assert contents(packages["whisper158-model"]) == {f"{shared}/{MODEL}.w158", f"{shared}/default.w158"}
    assert packages["whisper158-model"].name.endswith("_all.deb")
    assert "whisper158-conf" in asked(packages["whisper158-daemon"], "--field", "Depends")
    assert "systemctl" in asked(packages["whisper158-daemon"], "--info", "postinst")


def contents(package: Path) -> set[str]:
    """Files and links that a .deb installs."""
    lines = [line.split(None, 5) for line in asked(package, "--contents").splitlines()]
    return {line[5].split(" -> ")[0].removeprefix(".") for line in lines if not line[0].startswith("d")}


def asked(package: Path, *question: str) -> str:
    return run(["dpkg-deb", question[0], package, *question[1:]])


def test_yocto_check_layer_passes(oe_core: Path, work: Path) -> None:
    build = BuildFolder(oe_core, work / "check")
    build.configure([], f'MACHINE = "qemuarm64"\n{SETTINGS}')
    said = build.run("yocto-check-layer", str(work / "meta-whisper158"))
    print(said)
    assert re.search(r"meta-whisper158 \.* PASS", said)
