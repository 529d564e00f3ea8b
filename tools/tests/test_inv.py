# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The entrance as a person meets it: `inv` itself, run by a shell, and how words become verbs and files."""

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from invoke import Argument
from invoke.parser import ParserContext

from whisper158.__main__ import Inv, gather
from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip
from whisper158.paths import ROOT, RUNTIME

SOUND = str(RUNTIME / "selftest" / "speech.wav")


def inv(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "inv", *words], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.fixture(scope="module", autouse=True)
def ready() -> None:
    """These tests look at what `inv` says; making the environment is not for them."""
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("the tests run in an environment that is not inv's")


def test_list_is_a_table_of_contents() -> None:
    listed = inv("--list")
    assert listed.returncode == 0
    assert listed.stderr == ""
    for name in ("transcribe", "test", "check", "runtime.build", "runtime.cross", "model.pack"):
        assert re.search(rf"^  {re.escape(name)} +\S.*", listed.stdout, re.MULTILINE), name


def test_no_verb_shows_the_list() -> None:
    assert inv().stdout == inv("--list").stdout


@pytest.mark.parametrize("verb", ["transcribe", "test", "install", "runtime.fuzz", "model.pack"])
def test_every_flag_has_a_help_text(verb: str) -> None:
    shown = inv(verb, "--help").stdout.partition("Options:\n")[2]
    flags = re.findall(r"^  (?:--|-)\S+(.*)", shown, re.MULTILINE)
    assert flags
    assert all(text.strip() for text in flags)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["transcript"], "No idea what 'transcript' is"),
        (["transcribe", "--fast", "a.wav"], "No idea what '--fast' is"),
        (["transcribe"], "transcribe needs a sound file"),
        (["transcribe", "a.wav", "--model", "x", "--model=y"], "--model is given twice"),
        (["runtime.fuzz", "--seconds="], "--seconds is empty"),
        (["runtime.fuzz", "--seconds", "nan"], "--seconds nan is not a whole number"),
        (["runtime.fuzz", "--seconds", "0"], "--seconds 0 is not a whole number from 1"),
        (["model.data.speak", "--seed", "9" * 5000], "is not a whole number"),
        (["runtime.count", "--frames=450"], "--frames 450 says nothing without --model"),
        (["transcribe", SOUND, "--model", "tiny-q9"], "'tiny-q9' is not a model's name"),
        (["transcribe", SOUND, "--model", "no/such.w158"], "there is no model file no/such.w158"),
        (["install", "everything"], "there is no group of Python packages named 'everything'"),
        (["model.pack", "tiny.en", "--format", "q9"], "there is no format 'q9'"),
    ],
)
def test_mistakes_are_a_sentence(words: list[str], said: str) -> None:
    done = inv(*words)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith("inv: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_works_from_another_folder_and_through_a_link(tmp_path: Path) -> None:
    # Modules of the same name as ours or Invoke's must not get in the way.
    (tmp_path / "invoke.py").write_text("raise SystemExit('the wrong module')\n")
    (tmp_path / "tasks.py").write_text("raise SystemExit('the wrong verbs')\n")
    link = tmp_path / "a link"
    link.symlink_to(ROOT / "inv")
    done = subprocess.run([link, "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("whisper158 ")
    assert inv("--list", cwd=tmp_path).returncode == 0


def test_without_python_it_says_what_to_type(tmp_path: Path) -> None:
    """A copy without .venv, on a PATH where Python is missing and apt-get too, so that root cannot install it."""
    home = tmp_path / "a checkout"
    (home / "requirements").mkdir(parents=True)
    for name in ("inv", "pyproject.toml", "requirements/tools.lock"):
        shutil.copy(ROOT / name, home / name)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "readlink", "dirname", "cat", "cksum", "flock", "id", "printf"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run([home / "inv", "--list"], env={"PATH": str(tools)}, capture_output=True, text=True)
    assert done.returncode == os.EX_UNAVAILABLE
    assert "Python 3.11 or newer" in done.stderr
    assert "sudo apt-get install python3-venv" in done.stderr
    assert not (home / ".venv").exists()


@pytest.mark.network
def test_transcribe_prints_the_words_and_nothing_else(sounds: tuple[Clip, ...]) -> None:
    clips = {clip.id: clip for clip in sounds}
    wanted = [clips[name] for name in ("auth-incorrect", "agent-newlocation")]
    done = inv("transcribe", *(str(clip.path) for clip in wanted))
    assert done.returncode == 0
    assert done.stdout == "".join(f"{' '.join(clip.text.split())}\n" for clip in wanted)


@pytest.mark.network
def test_the_status_of_the_program_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "not audio.wav").write_text("no")
    assert inv("transcribe", "not audio.wav", cwd=tmp_path).returncode == os.EX_DATAERR
    assert inv("transcribe", "absent.wav", cwd=tmp_path).returncode == os.EX_NOINPUT
    assert inv("transcribe", "--threads", "0", "not audio.wav", cwd=tmp_path).returncode == os.EX_USAGE


def test_a_read_only_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "build/native")

    monkeypatch.setattr(runtime, "program", refuse)
    with pytest.raises(SystemExit) as caught:
        Inv().run(["inv", "--search-root", str(ROOT), "runtime.build"])
    assert caught.value.code == os.EX_IOERR
    assert capsys.readouterr().err == "inv: build/native: Read-only file system\n"


def gathered(*words: str) -> list[str]:
    files = ParserContext(
        "transcribe",
        args=[Argument("files", kind=list, positional=True), Argument("model"), Argument("json", kind=bool)],
    )
    one = ParserContext("install", args=[Argument("group", default="", positional=True)])
    return gather(list(words), [files, one, ParserContext("test", args=[Argument("fast", kind=bool)])])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ""),
        ("test --fast", "test --fast"),
        ("transcribe a b", "transcribe --files=a --files=b"),
        ("transcribe --json a --model m b", "transcribe --json --files=a --model m --files=b"),
        ("transcribe --model=m a", "transcribe --model=m --files=a"),
        ("transcribe - test", "transcribe --files=- --files=test"),
        ("transcribe a -- -b --", "transcribe --files=a --files=-b --files=--"),
        ("test transcribe a", "test transcribe --files=a"),
        ("test -- a", "test -- a"),
        ("install a test --fast", "install --group=a test --fast"),
        ("install --help", "install --help"),
    ],
)
def test_bare_words_after_a_verb_that_takes_files_are_files(words: str, expected: str) -> None:
    assert gathered(*words.split()) == expected.split()


def test_an_interrupt_is_a_word_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "build", interrupted)
    with pytest.raises(SystemExit) as end:
        Inv().run(["inv", "--search-root", str(ROOT), "runtime.build"])
    assert end.value.code == 130
    assert capsys.readouterr().err.endswith("inv: interrupted\n")
