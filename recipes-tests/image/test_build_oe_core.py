# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv build-image` with the real BitBake and OpenEmbedded's real classes, as far as that goes without a network.

OpenEmbedded's own recipes are masked out, so what is built is the model alone, up to its check: enough to know that kas
files, generated configuration, recipe and the reading of what BitBake says fit together.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yocto_world
from yocto_world import World

from whisper158 import needs
from whisper158.build import kas
from whisper158.paths import ROOT

# What the model's recipe would have built for the build machine, and does not use.
UNUSED = (
    "cmake dpkg dwarfsrcfiles opkg-utils patch patch-replacement pseudo quilt rpm virtual/fakeroot xz zstd",
    "virtual/libc virtual/aarch64-poky-linux-gcc virtual/aarch64-poky-linux-compilerlibs",
)


def option(target: str, task: str, mask: str) -> str:
    """A file of kas that has one task built, of one recipe."""
    provided = [f"{name}-native" for name in UNUSED[0].split()]
    return f"""\
header:
  version: {kas.FORMAT}
target: {target}
task: {task}
local_conf_header:
  masked: |
    BBMASK += "{mask} /poky/meta-poky/recipes-"
    INHERIT:remove = "uninative create-spdx"
    ASSUME_PROVIDED += "{" ".join([*provided, UNUSED[1]])}"
"""


OPTIONS = {
    "model": option("whisper158-model", "compile", "/poky/meta/recipes-"),
    "source": option("zlib-native", "fetch", "/poky/meta/recipes-(?!core/zlib)"),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    named = os.environ.get("WHISPER158_OE_CORE")
    if not named:
        pytest.skip("NOT TRIED WITH OPENEMBEDDED: WHISPER158_OE_CORE names no checkout of poky (yocto-5.0.9)")
    if not yocto_world.can_be_person():
        pytest.skip("root, and user namespaces are forbidden here: BitBake's user cannot be played")
    needs.python("image")
    with tempfile.TemporaryDirectory(prefix="whisper158-") as folder:
        world = World(Path(folder), patience=1800)
        yocto_world.copy_checkout(world.checkout)
        shutil.copytree(ROOT / "meta-whisper158" / "runtime", world.checkout / "meta-whisper158" / "runtime")
        for name, text in OPTIONS.items():
            (world.checkout / "kas" / "opt" / f"{name}.yml").write_text(text)
        world.work.mkdir(parents=True)
        poky = world.work / "poky"
        subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", named, poky], check=True)
        origin = f"https://{yocto_world.REPOSITORIES['poky'][0]}"
        subprocess.run(["git", "remote", "set-url", "origin", origin], cwd=poky, check=True)
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        world.environment = {
            **inherited,
            "HOME": str(world.home),
            "PYTHONPATH": str(world.checkout / "tools"),
            "WHISPER158_CACHE": str(world.home / "cache"),
            **yocto_world.GIT,
        }
        yield world


def test_the_model_is_built(world: World) -> None:
    """And then there is no image, which is said in a sentence: nothing but the model was asked for."""
    done = world.build("qemuarm64", "--with=offline,model")
    said = (world.work / "qemuarm64.log").read_text()
    assert "Building: task 8 of 8, whisper158-model do_compile" in done.stderr, done.stderr
    assert "whisper158-model-0.1.0-r0: task do_compile: Succeeded" in said
    assert "BitBake ended well, yet there is no image" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_another_one(world: World) -> None:
    """Its recipe refuses it; the end of its log says so, and where the log is."""
    source = world.checkout / "tools" / "whisper158" / "build" / "kas.py"
    text = source.read_text()
    source.write_text(text.replace("{model.sha256}", "{model.sha256[::-1]}"))
    try:
        done = world.build("qemuarm64", "--with=offline,model")
    finally:
        source.write_text(text)
    assert done.returncode == 1
    assert "inv: whisper158-model: do_compile failed\n" in done.stderr
    assert "it is another model, or damaged" in done.stderr
    assert "/temp/log.do_compile." in done.stderr


def test_a_source_that_is_not_there(world: World) -> None:
    done = world.build("qemuarm64", "--with=offline,source")
    assert done.returncode == 1
    assert "inv: zlib-native: do_fetch failed\n" in done.stderr
    assert "NetworkAccess('https://zlib.net/" in done.stderr
    assert "A source is missing: fetch it once without --with offline" in done.stderr
