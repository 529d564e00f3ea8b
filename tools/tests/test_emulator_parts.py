# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The parts of the emulator's image that need no package: modules in order, the RAM disk, keys, merged folders."""

import stat
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper158 import needs
from whisper158.build.emulator import base, initrd, keys, modules
from whisper158.errors import UserError

names = st.text(string.ascii_lowercase + string.digits + "_-", min_size=1, max_size=12)


@st.composite
def dependency_tables(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """As depmod writes them: of each module all that it needs, what must be loaded first being last."""
    found = draw(st.lists(names, min_size=1, max_size=12, unique_by=lambda name: name.replace("-", "_")))
    files = [f"kernel/{name}.ko" for name in found]
    table: dict[str, tuple[str, ...]] = {}
    for number, file in enumerate(files):
        direct = draw(st.lists(st.sampled_from(files[:number]), unique=True)) if number else []
        needed = {earlier for name in direct for earlier in (name, *table[name])}
        table[file] = tuple(sorted(needed, key=files.index, reverse=True))
    return table


@given(dependency_tables(), st.data())
def test_modules_come_after_what_they_need(table: dict[str, tuple[str, ...]], data: st.DataObject) -> None:
    text = "".join(f"{file}: {' '.join(needed)}\n" for file, needed in table.items())
    assert modules.parse_dependencies(text) == table
    wanted = data.draw(st.lists(st.sampled_from(sorted(table)), min_size=1))
    order = modules.in_order(table, [modules.module_name(file) for file in wanted])
    assert len(order) == len(set(order))
    assert set(order) == {*wanted, *(needed for file in wanted for needed in table[file])}
    for file in order:
        assert all(order.index(needed) < order.index(file) for needed in table[file])


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="no module snd-aloop"):
        modules.in_order({"kernel/ext4.ko.xz": ()}, ["ext4", "snd-aloop"])


def unpacked(archive: bytes) -> list[tuple[str, int, bytes]]:
    """Another's reading of the format: fields of 8 digits, names and contents each filled up to 4 bytes."""
    found: list[tuple[str, int, bytes]] = []
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110 : at + 110 + fields[11] - 1].decode()
        assert archive[at + 110 + fields[11] - 1] == 0
        begin = at + (110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert begin == len(archive)
            return found
        found.append((name, fields[1], archive[begin : begin + fields[6]]))
        assert (fields[2], fields[3]) == (0, 0)
        at = begin + (fields[6] + 3) // 4 * 4


modes = st.sampled_from([stat.S_IFREG | 0o644, stat.S_IFREG | 0o755])
entries = st.lists(st.tuples(names, modes, st.binary(max_size=40)))


@given(entries)
def test_the_ram_disk_holds_what_was_put_into_it(content: list[tuple[str, int, bytes]]) -> None:
    assert unpacked(initrd.archive(content)) == content


def test_folders_under_both_names_become_one(tmp_path: Path) -> None:
    for path in ("lib/arch/a.so", "usr/lib/arch/b.so", "usr/lib/c", "bin/sh", "usr/bin/env"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "lib" / "link").symlink_to("/dev/null")
    base.merge_usr(tmp_path)
    base.merge_usr(tmp_path)
    for path in ("lib/arch/a.so", "bin/sh", "usr/lib/arch/b.so", "usr/lib/c", "usr/bin/env"):
        assert (tmp_path / path).read_text() == path
    for name in ("bin", "lib", "sbin"):
        assert (tmp_path / name).readlink() == Path(f"usr/{name}")
    assert (tmp_path / "usr" / "lib" / "link").readlink() == Path("/dev/null")


def test_what_nobody_looks_at_is_left_out(tmp_path: Path) -> None:
    zones = "usr/share/zoneinfo"
    for path in ("usr/share/doc/a/copyright", f"{zones}/Etc/UTC", f"{zones}/Asia/Tokyo", "etc/passwd"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    base.prune(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["etc/passwd", "usr/share/zoneinfo/Etc/UTC"]


def test_keys_are_made_once_and_for_their_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs.debian("emulator")
    monkeypatch.setenv("WHISPER158_CACHE", str(tmp_path))
    folder = keys.keys()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == sorted(f"{name}{end}" for name in (keys.OWNER, keys.HOST) for end in ("", ".pub"))
    for name in (keys.OWNER, keys.HOST):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert {path.name: path.read_bytes() for path in keys.keys().iterdir()} == before
    alias, kind, key = keys.known_host(folder, "guest").split()
    assert (alias, kind) == ("guest", "ssh-ed25519")
    assert key.encode() in before[f"{keys.HOST}.pub"]
