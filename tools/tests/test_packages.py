# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Our packages: what the recipes say of them, .deb files made of that, and newer ones that are found or made."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from whisper158 import needs
from whisper158.board.machine import EMULATOR, QEMUARM64, SL1680
from whisper158.board.open import bench
from whisper158.board.options import Options
from whisper158.board.packages import MANAGERS, for_manager, in_folder
from whisper158.board.target import Target, Wires
from whisper158.build import layer, recipe
from whisper158.build.emulator import database, debs, upgrade
from whisper158.errors import UserError
from whisper158.model import blob
from whisper158.paths import GOLDEN
from whisper158.run import run


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What Meson would install, as far as names go, and what belongs to no package on a board."""
    root = tmp_path / "installed"
    for path in (
        *("usr/bin/whisper158", "usr/bin/whisper158d", "usr/lib/libwhisper158.so.0.1", "usr/include/whisper158.h"),
        *("usr/share/whisper158/selftest/speech.wav", "usr/lib/systemd/system/whisper158d.service"),
        *("etc/default/whisper158", "usr/share/whisper158/avahi/whisper158.service"),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (root / "usr/lib/libwhisper158.so.0").symlink_to("libwhisper158.so.0.1")
    (root / "usr/lib/libwhisper158.so").symlink_to("libwhisper158.so.0")
    return root


@pytest.fixture
def made(installed: Path, golden: Path, tmp_path: Path) -> dict[str, Path]:
    needs.debian("emulator")
    out = tmp_path / "made"
    out.mkdir()
    return {path.name.partition("_")[0]: path for path in debs.build(installed, golden, out, {}, revision=3)}


def files(deb: Path) -> set[str]:
    listed = run(["dpkg-deb", "--contents", deb])
    names = (line.split(None, 5)[5].partition(" -> ")[0] for line in listed.splitlines())
    return {name.removeprefix(".") for name in names if not name.endswith("/")}


def test_what_the_recipes_say() -> None:
    packages = {package.name: package for package in recipe.packages()}
    assert tuple(packages) == recipe.PACKAGES
    assert {package.version for package in packages.values()} == {layer.version()}
    assert packages["whisper158-daemon"].services == ("whisper158d.service", "whisper158d.socket")
    assert packages["whisper158-daemon"].depends == ("whisper158-conf",)
    assert packages["whisper158-conf"].conffiles == (str(layer.INSTALLED_CONFIGURATION),)
    assert "try-restart whisper158d.service" in packages["whisper158-model"].postinst
    assert [package.name for package in packages.values() if package.for_all] == ["whisper158-conf", "whisper158-model"]
    assert not re.search(r"[${}@]", "".join(" ".join(package.files) for package in packages.values()))


def test_each_file_is_in_its_package(made: dict[str, Path], golden: Path) -> None:
    models = str(layer.INSTALLED_MODELS)
    assert {name: files(path) for name, path in made.items()} == {
        "libwhisper158": {"/usr/lib/libwhisper158.so.0", "/usr/lib/libwhisper158.so.0.1"},
        "whisper158": {"/usr/bin/whisper158", f"{models}/selftest/speech.wav"},
        "whisper158-daemon": {
            *("/usr/bin/whisper158d", "/usr/lib/systemd/system/whisper158d.service"),
            f"{models}/avahi/whisper158.service",
        },
        "whisper158-conf": {str(layer.INSTALLED_CONFIGURATION)},
        "whisper158-model": {f"{models}/{golden.name}", f"{models}/{layer.DEFAULT_MODEL}"},
    }
    for name, path in made.items():
        assert run(["dpkg-deb", "--field", path, "Package", "Version"]) == f"Package: {name}\nVersion: 0.1.0-r3\n"


def test_scripts_are_shell_without_faults(made: dict[str, Path], tmp_path: Path) -> None:
    needs.debian("check")
    found = {}
    for name, path in made.items():
        run(["dpkg-deb", "--control", path, tmp_path / name])
        for script in (tmp_path / name).glob("p*"):
            assert script.stat().st_mode & stat.S_IXUSR
            run(["shellcheck", "--shell=sh", script])
            found[f"{name}.{script.name}"] = script.read_text()
    assert sorted(found) == ["whisper158-daemon.postinst", "whisper158-daemon.prerm", "whisper158-model.postinst"]


def test_units_are_enabled_once(made: dict[str, Path], tmp_path: Path) -> None:
    """Where nothing runs, the first installation enables them; an upgrade leaves them as somebody may have set them."""
    run(["dpkg-deb", "--control", made["whisper158-daemon"], tmp_path / "control"])
    (tmp_path / "bin").mkdir()
    log, stand_in = tmp_path / "log", tmp_path / "bin" / "systemctl"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >>{log}\n')
    stand_in.chmod(0o755)
    script = tmp_path / "control" / "postinst"
    env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "DPKG_ROOT": "/root-of-an-image"}
    for arguments in (["configure"], ["configure", "0.1.0-r0"], ["abort-upgrade", "0.1.0-r0"]):
        subprocess.run([script, *arguments], env=env, check=True)
    assert log.read_text() == "--root=/root-of-an-image/ --quiet enable whisper158d.service whisper158d.socket\n"


def test_a_package_for_another_architecture(made: dict[str, Path], tmp_path: Path) -> None:
    out = upgrade.foreign(made["whisper158"], tmp_path)
    assert out.name == "whisper158_0.1.0-r3_amd64.deb"
    assert run(["dpkg-deb", "--field", out, "Architecture"]) == "amd64\n"
    assert files(out) == files(made["whisper158"])


def test_a_model_under_another_name(golden: Path, tmp_path: Path) -> None:
    out = tmp_path / "other.w158"
    upgrade.rename(golden, out)
    before, after = blob.read(golden), blob.read(out)
    assert "name=other\n" in after.text("provenance") and "name=golden\n" not in after.text("provenance")
    assert list(before.sections) == list(after.sections)
    for name in before.sections:
        same = before.array(name).tobytes() == after.array(name).tobytes()
        assert same == (name != "provenance"), name


def test_a_database_of_what_was_only_unpacked(made: dict[str, Path], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    unpacked = {path: run(["dpkg-deb", "--vextract", path, tree]).splitlines() for path in made.values()}
    database.write(unpacked, tree)
    assert database.libraries(tree) == {
        name: "libwhisper158" for name in ("libwhisper158.so.0", "libwhisper158.so.0.1")
    }
    listed = run(["dpkg-query", f"--admindir={tree / database.FOLDER}", "--listfiles", "whisper158-conf"]).splitlines()
    assert listed == ["/.", "/etc", "/etc/default", "/etc/default/whisper158"]
    assert database.file_name("Package: a\nArchitecture: arm64\nMulti-Arch: same\n") == "a:arm64"


DEPLOYED = (
    *("cortexa73/whisper158_0.2.0-r0_cortexa73.ipk", "cortexa73/whisper158-dbg_0.2.0-r0_cortexa73.ipk"),
    *("all/whisper158-model_1:0.2.0-r0_all.ipk", "all/packagegroup-core-boot_1.0-r0_all.ipk"),
    *("aarch64/libwhisper158-0.2.0-r0.aarch64.rpm", "noarch/whisper158-conf-0.2.0-r1.noarch.rpm", "Packages.gz"),
)


def test_packages_that_bitbake_has_left(tmp_path: Path) -> None:
    for path in DEPLOYED:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    found = in_folder(tmp_path)
    machine = bench(SL1680, Options(serial="/dev/null", model=str(nothing(tmp_path)), packages=str(tmp_path)), tmp_path)
    assert machine.upgrade(tmp_path) == found
    target = Target(SL1680, machine, Wires(None, None))
    newer = {manager.program: for_manager(target, manager, found).newer() for manager in MANAGERS}
    assert newer == {
        "dpkg": {},
        "opkg": {"whisper158": "0.2.0-r0", "whisper158-model": "1:0.2.0-r0"},
        "rpm": {"libwhisper158": "0.2.0-r0", "whisper158-conf": "0.2.0-r1"},
    }


def test_a_folder_without_packages_of_ours(tmp_path: Path) -> None:
    (tmp_path / "busybox_1.36-r0_cortexa73.ipk").touch()
    with pytest.raises(UserError, match="has none of our packages"):
        in_folder(tmp_path)


def test_only_what_can_be_upgraded_is(tmp_path: Path) -> None:
    options = Options(serial="/dev/null", model=str(nothing(tmp_path)))
    assert "upgrade" not in bench(SL1680, options, tmp_path).can
    assert {"upgrade"} <= EMULATOR.can & QEMUARM64.can & SL1680.can
    with pytest.raises(UserError, match="--packages is not for emulator"):
        bench(EMULATOR, Options(packages="/tmp"), tmp_path)


def nothing(folder: Path) -> Path:
    return Path(shutil.copy(GOLDEN, folder / "nothing.w158"))
