# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from whisper158 import apt
from whisper158.build.sysroot import PACKAGES, sysroot
from whisper158.errors import UserError
from whisper158.run import run

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="this is not a Debian system")


def package(folder: Path, lib: str) -> Path:
    """A .deb with a program, a library in `lib`, and a symbolic link that is meant for a root file system."""
    tree = folder / "content"
    for name in ("DEBIAN", "usr/bin", f"{lib}/there"):
        (tree / name).mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: example\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: none\n"
    )
    (tree / "usr" / "bin" / "program").write_text("program")
    (tree / lib / "there" / "real.so").write_text("library")
    (tree / lib / "absolute.so").symlink_to("/lib/there/real.so")
    (tree / lib / "relative.so").symlink_to("there/real.so")
    run(["dpkg-deb", "--build", "--root-owner-group", tree, folder / "example.deb"])
    return folder / "example.deb"


@needs_dpkg
@pytest.mark.parametrize("lib", ["lib", "usr/lib"])
def test_what_is_unpacked_is_whole_wherever_it_lies(lib: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages of Debian 12 have files below /lib, those of 13 below /usr/lib only; programs look into /lib."""
    deb = package(tmp_path, lib)
    monkeypatch.setattr(apt, "fetch", lambda *_: [deb])
    (tmp_path / "first").mkdir()
    apt.unpack(("example",), tmp_path / "first")
    tree = (tmp_path / "first").rename(tmp_path / "second")
    assert (tree / "lib" / "there" / "real.so").read_text() == "library"
    for name in ("absolute.so", "relative.so"):
        assert not (tree / "lib" / name).readlink().is_absolute()
        assert (tree / "lib" / name).read_text() == "library"


def test_without_apt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="this is not a Debian system"):
        apt.unpack(("example",), tmp_path / "tree")


def repository(folder: Path, packages: dict[str, str]) -> Path:
    """A repository in a folder, of packages by name and of what each depends on; returns its file for apt."""
    index = ""
    for name, needed in packages.items():
        tree = folder / name
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: 1:2\nArchitecture: arm64\nMaintainer: nobody <nobody@example.org>\n"
        control += f"Depends: {needed}\n" if needed else ""
        (tree / "DEBIAN" / "control").write_text(f"{control}Description: none\n")
        (tree / "etc").mkdir()
        (tree / "etc" / name).write_text(name)
        deb = folder / f"{name}.deb"
        run(["dpkg-deb", "--build", "--root-owner-group", tree, deb])
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        index += f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\nDescription: none\n\n"
    (folder / "Packages").write_text(index)
    sources = folder / "own.list"
    sources.write_text(f"deb [trusted=yes] copy:{folder} ./\n")
    return sources


@needs_dpkg
def test_packages_come_from_the_sources_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    packages = {"whisper158-a": "whisper158-b, whisper158-c (>= 1)", "whisper158-b": "whisper158-c", "whisper158-c": ""}
    sources = repository(tmp_path / "there", packages)
    monkeypatch.setenv(apt.SOURCES, str(sources))
    fetcher = apt.Apt(tmp_path / "work", "arm64")
    assert fetcher.dependencies("whisper158-a") == ["whisper158-b", "whisper158-c"]
    (alone,) = fetcher.download("whisper158-a")
    assert alone.name == "whisper158-a_1%3a2_arm64.deb"
    others = fetcher.download_with_dependencies("whisper158-b")
    assert [path.name.partition("_")[0] for path in others] == ["whisper158-b", "whisper158-c"]
    (tmp_path / "tree").mkdir()
    apt.extract(alone, tmp_path / "tree")
    assert (tmp_path / "tree" / "etc" / "whisper158-a").read_text() == "whisper158-a"
    with pytest.raises(UserError, match="base-files"):
        fetcher.download("base-files")
    monkeypatch.setenv(apt.SOURCES, str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"there is no file .*/none, which \$WHISPER158_APT_SOURCES names"):
        apt.Apt(tmp_path / "other", "arm64")


@pytest.mark.network
@needs_dpkg
def test_the_sysroot_holds_what_the_program_is_linked_against() -> None:
    libraries = sysroot() / "usr" / "lib" / "aarch64-linux-gnu"
    for name in ("libc.so", "libsndfile.so", "libsamplerate.so", "libjson-c.so", "libxxhash.so"):
        assert (libraries / name).exists(), name
    assert (sysroot() / "lib" / "ld-linux-aarch64.so.1").exists()
    assert len(PACKAGES) == len(set(PACKAGES))


@pytest.mark.network
@needs_dpkg
def test_the_machine_is_left_as_it_was(tmp_path: Path) -> None:
    before = run(["dpkg", "--print-foreign-architectures"])
    lists = os.stat("/var/lib/apt/lists").st_mtime_ns
    (deb,) = apt.fetch(("libxxhash0",), tmp_path, "arm64", dependencies=False)
    assert deb.name.endswith("_arm64.deb")
    assert run(["dpkg", "--print-foreign-architectures"]) == before
    assert os.stat("/var/lib/apt/lists").st_mtime_ns == lists
