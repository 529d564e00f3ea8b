# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the documents tell people to type, and where they send them. documents.py says what counts as a command,
documents.toml who executes which.
"""

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests import documents
from tests.daemon_process import PATIENCE, running
from whisper158 import check, flags, helptexts, needs
from whisper158.__main__ import Inv
from whisper158.board import demo, emulate, ontarget, ports
from whisper158.board.flash import start as flash
from whisper158.build import image, locks, pins, runtime
from whisper158.cache import cache_dir
from whisper158.count import counting
from whisper158.daemon import soak
from whisper158.data import layouts, speak, split
from whisper158.data.manifest import Clip as Listed
from whisper158.data.manifest import write
from whisper158.evaluate.accuracy import evaluate, sets
from whisper158.evaluate.bench import bench
from whisper158.evaluate.sounds import Clip
from whisper158.lab import start as lab
from whisper158.model import fetch, golden, models, shipped
from whisper158.paths import GOLDEN, ROOT
from whisper158.release import reproduce
from whisper158.train import label
from whisper158.train import start as train

PAGES = documents.pages()
ALL = [*PAGES, *documents.manuals()]


@dataclass(frozen=True)
class Table:
    """documents.toml."""

    run: frozenset[str]
    # By command: the test, or what it takes.
    tested: dict[str, str]
    needs: dict[str, str]
    options: frozenset[str]
    files: frozenset[str]


@functools.cache
def table() -> Table:
    read = tomllib.loads((Path(__file__).parent / "documents.toml").read_text())

    def turned(part: dict[str, list[str]]) -> dict[str, str]:
        return {command: reason for reason, commands in part.items() for command in commands}

    return Table(
        run=frozenset(read["run"]),
        tested=turned(read["tested"]),
        needs=turned(read["needs"]),
        options=frozenset(turned(read["options"])),
        files=frozenset(turned(read["files"])),
    )


def commands() -> list[documents.Found]:
    return [command for path in ALL for command in documents.commands(path)]


# ------------------------------------------------------------------------------------------------------------ the table


def test_every_command_is_executed_or_says_what_it_takes() -> None:
    listed = [*table().run, *table().tested, *table().needs]
    assert len(listed) == len(set(listed))
    strangers = [str(command) for command in commands() if command.text not in listed]
    assert not strangers, "not in documents.toml"
    gone = set(listed) - {command.text for command in commands()}
    assert not gone, "in no document"
    assert len(listed) > 100


@pytest.mark.parametrize("test", sorted(set(table().tested.values())))
def test_who_is_said_to_execute_it_is_there(test: str) -> None:
    file, _, function = test.partition("::")
    module = ast.parse((ROOT / file).read_text())
    assert function.startswith("test_")
    assert function in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


# ---------------------------------------------------------------------------------------------------- verbs and options

# What the verbs of tasks.py hand their work to, having looked at their flags; and what that gives if all is well.
WORK: list[tuple[Any, tuple[str, ...], object]] = [
    (runtime, ("transcribe",), 0),
    (runtime, ("program", "test", "fuzz"), None),
    (models, ("ensure", "show", "pack_to"), None),
    (counting, ("count", "count_one_model"), None),
    (train, ("start",), 0),
    (train, ("align", "costs", "moved", "export"), None),
    (lab, ("run", "report", "pack"), None),
    (shipped, ("install", "remove"), None),
    (check, ("test", "check"), True),
    (flash, ("start", "install_udev"), None),
    (needs, ("debian", "python"), None),
    (ontarget, ("test_on_device",), True),
    (emulate, ("emulate",), 0),
    (helptexts, ("write",), None),
    (locks, ("lock",), None),
    (pins, ("lock",), None),
    (demo, ("demo",), None),
    (bench, ("bench",), None),
    (evaluate, ("evaluate",), None),
    (image, ("build",), None),
    (speak, ("speak",), None),
    (label, ("label",), None),
    (layouts, ("index",), None),
    (split, ("split_files",), None),
    (soak, ("soak",), None),
    (golden, ("write_golden",), None),
    (reproduce, ("reproduce",), None),
]


def to_inv() -> list[list[str]]:
    """What ./inv is told, without what is for all verbs (--list, --help)."""
    told = {" ".join(words): words for command in commands() for words in documents.calls(command.text, "./inv")}
    return [words for _, words in sorted(told.items()) if words[0][0] != "-" and "--help" not in words]


# Commands that are typed for the sentence that they end with.
ANSWERS = {"flash --method sd": "--disk /dev/NAME"}


def lay_out(words: list[str]) -> None:
    """Makes the recordings, models and sets that a command names: files here, sets where sets are looked for."""
    soundfile.write("talk.flac", [0.0] * 1600, 16000)
    said = [Listed("talk", Path("talk.flac").absolute(), "Yes.", "somebody", 0.1, "MIT", "made up")]
    for before, word in zip(["", *words], words, strict=False):
        if word.endswith((".wav", ".flac")) or word == "FILE":
            soundfile.write(word, [0.0] * 1600, 16000, format="WAV")
        elif word.endswith(".w158"):
            shutil.copy(GOLDEN, word)
        elif "/" in word and word.endswith(".jsonl"):
            write(Path(word), said)
        elif before == "--sets":
            for name in {*word.split(",")} - {*sets.MADE, sets.ASTERISK}:
                write(sets.named(name), said)


@pytest.mark.parametrize("words", to_inv(), ids=" ".join)
def test_a_verb_takes_what_the_documents_give_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verb runs, and looks at each flag and value; only where its work would begin, nothing is done."""
    begun: list[str] = []

    def idle(name: str, result: object) -> Callable[..., object]:
        def work(*_: object, **__: object) -> object:
            begun.append(name)
            return result

        return work

    for module, names, result in WORK:
        for name in names:
            monkeypatch.setattr(module, name, idle(name, result))
    if words[0] == "release.sbom":
        pytest.importorskip("cyclonedx", reason="comes with ./inv install release")
        monkeypatch.setattr("whisper158.release.sbom.write", idle("write", None))
    monkeypatch.chdir(tmp_path)
    # Not every machine has recordings beside the checkout.
    monkeypatch.setattr(sets, "FOLDER", tmp_path / "eval")
    lay_out(words)
    if words[0] == "flash":
        # A board and a stick that nobody has plugged in here.
        monkeypatch.setattr(ports, "check", lambda *_: None)
        monkeypatch.setattr(flags, "folder", lambda *_: None)
    Inv().run(["./inv", "--search-root", str(ROOT), *words], exit=False)
    said = capsys.readouterr().err
    if answer := ANSWERS.get(" ".join(words)):
        assert answer in said
        return
    assert "inv: " not in said
    # Other packages may be wanted by any verb; only `install` has nothing else to do.
    assert set(begun) - {"debian", "python"} or words[0] == "install"
    if words[0] == "install":
        assert words[1] in needs.PYTHON


def known() -> set[str]:
    return set().union(*documents.options().values(), table().options)


@pytest.mark.parametrize("path", ALL, ids=documents.name)
def test_verbs_and_options_are_those_of_help(path: Path) -> None:
    for name in documents.names(path):
        program, word = name.text.split()
        if program == "./inv":
            assert word in documents.verbs() or word == "--list", name
        else:
            assert word.startswith("-") or name.text in documents.options(), name
    for command in documents.commands(path):
        for program in documents.PROGRAMS:
            for words in documents.calls(command.text, program):
                called = f"{program} {words[0]}" if program == "whisper158" else program
                given = {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}
                assert given <= documents.options()[called], command
    for span in documents.spans(path):
        for option in re.findall(r"^--[a-z][\w-]*", span.text):
            assert option in known(), span


# ---------------------------------------------------------------------------------------------------- what can be typed


def script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


@pytest.fixture
def desk(tmp_path: Path, sounds: tuple[Clip, ...], model: Callable[[str], Path], whisper158_binary: Path) -> Path:
    """A folder with all that the commands name: recordings, models, a home, and programs that stand in for others."""
    clips = {clip.id: clip for clip in sounds}
    spoken = clips["agent-loginok"]
    for name in ("interview.wav", "a.wav", "rede.wav", "FILE", "AUDIO"):
        shutil.copy(spoken.path, tmp_path / name)
    for name in ("b.flac", "talk.flac", "meeting.flac"):
        soundfile.write(tmp_path / name, *soundfile.read(spoken.path))
    ours = model("tiny.en-158")
    for name in ("FILE.w158", "MODEL.w158", "MODEL", "my.w158"):
        (tmp_path / name).symlink_to(ours)
    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "whisper-small").symlink_to(fetch.fetch("tiny.en"))
    for name, id in (("path/to/manifest.jsonl", "agent-loginok"), ("exam/manifest.jsonl", "auth-incorrect")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        clip = clips[id]
        write(tmp_path / name, [Listed(id, clip.path, clip.text, "Allison", clip.seconds, clip.licence, "asterisk")])
    chapter = tmp_path / "home" / "LibriSpeech" / "train-clean-100" / "103" / "1240"
    chapter.mkdir(parents=True)
    soundfile.write(chapter / "103-1240-0000.flac", *soundfile.read(spoken.path))
    (chapter / "103-1240.trans.txt").write_text("103-1240-0000 AGENT LOGGED IN\n")
    for speaker in ("anna", "ben", "carl"):
        (tmp_path / "home" / "recordings" / speaker).mkdir(parents=True)
        shutil.copy(spoken.path, tmp_path / "home" / "recordings" / speaker / "one.wav")
        (tmp_path / "home" / "recordings" / speaker / "one.txt").write_text(spoken.text)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "whisper158").symlink_to(whisper158_binary)
    for name in ("arecord", "ffmpeg"):
        script(programs / name, f'exec cat "{spoken.path}"')
    script(tmp_path / "inv", f'exec "{sys.executable}" -m whisper158 "$@"')
    return tmp_path


# Placeholders, of which a person knows that they are some.
MEANT = {"VERB": "transcribe", "/dev/serial/by-id/": "home"}


def with_some_to_type() -> list[Path]:
    return [path for path in ALL if table().run & {command.text for command in documents.commands(path)}]


@pytest.mark.network
@pytest.mark.parametrize("path", with_some_to_type(), ids=documents.name)
def test_commands_do_what_they_should(path: Path, desk: Path, model: Callable[[str], Path]) -> None:
    """A page's, one after the other, as whoever reads it types them."""
    if path.name == "accuracy.md" and not needs.has_python("evaluate"):
        pytest.skip("it needs ./inv install evaluate")
    environment = {
        **os.environ,
        "HOME": str(desk / "home"),
        "PATH": f"{desk / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "tools"),
        "WHISPER158_CACHE": str(cache_dir()),
        "WHISPER158_MODEL": str(model("tiny.en-158")),
    }
    for command in documents.commands(path):
        if command.text not in table().run:
            continue
        typed = functools.reduce(lambda text, word: text.replace(word, MEANT[word]), MEANT, command.text)
        shell = ["bash", "-o", "pipefail", "-c", typed]
        done = subprocess.run(shell, cwd=desk, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        if "transcribe" in typed and "--help" not in typed:
            said = "".join(file.read_text() for file in desk.glob("*.srt")) + done.stdout
            assert "logged" in said.lower() or "158" in typed, f"{command}\n{said}"


@pytest.mark.network
def test_the_client_in_python_prints_what_is_heard(
    sounds: tuple[Clip, ...], model: Callable[[str], Path], tmp_path: Path
) -> None:
    """That of docs/daemon.md, with another socket."""
    fences = [token for token in documents.tokens(ROOT / "docs" / "daemon.md") if token.info == "python"]
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    clip = next(clip for clip in sounds if clip.id == "agent-loginok")
    with running(program, model("tiny.en-q8"), tmp_path, f"--input={clip.path}", "--fast", "--wait") as daemon:
        (code,) = [fence.content.replace("/run/whisper158.sock", str(daemon.socket_path)) for fence in fences]
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert re.findall(r"\w+", done.stdout.lower()) == ["agent", "logged", "in"]
    assert done.stderr == "" and done.stdout.count("\n") == 1


# --------------------------------------------------------------------------------------------------- links and openings


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CHANGELOG.md"], ids=documents.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Within the repository: files that git knows, and headings that are there."""
    for link in documents.links(path):
        if re.match(r"https?://", link.text):
            continue
        file, _, anchor = link.text.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_relative_to(ROOT) and target.exists(), link
        assert not anchor or anchor in documents.anchors(target), link


@functools.cache
def files() -> frozenset[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return frozenset(map(Path, listed.splitlines()))


@functools.cache
def tested() -> frozenset[str]:
    """What tests and fuzzers are called."""
    modules = [ROOT / file for file in files() if re.fullmatch(r"test_\w+\.py", file.name)]
    functions = {name for file in modules for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    return frozenset(functions | {file.stem for file in files() if file.parent.name == "fuzz"})


def is_there(name: str) -> bool:
    """Whether code in a sentence is the name of something that we have, as far as it looks like one."""
    if re.fullmatch(r"(test|fuzz)_\w+", name):
        return name in tested()
    if re.fullmatch(r"[\w-]+\.(py|c|h|toml|lock)", name):
        return name in {file.name for file in files()} or name in table().files
    name = re.sub("NAME|MACHINE", "*", name)
    if re.fullmatch(r"[\w*./-]+/[\w*./-]*", name) and name.partition("/")[0] in {file.parts[0] for file in files()}:
        return any((ROOT / folder).match(name.rstrip("/")) for file in files() for folder in (file, *file.parents))
    return True


@pytest.mark.parametrize("path", PAGES, ids=documents.name)
def test_files_and_tests_that_are_named_are_there(path: Path) -> None:
    assert [str(span) for span in documents.spans(path) if not is_there(span.text)] == []


def test_a_name_of_nothing_would_be_noticed() -> None:
    there = [
        "test_is_there.c",
        "tools/nothing.py",
        "docs/nothing/",
        "configs/*.nothing",
        "test_of_nothing",
        "fuzz_nothing",
    ]
    assert not any(is_there(name) for name in there)
    assert is_there("tools/tests/") and is_there("configs/*.yml") and is_there("fuzz_blob") and is_there("test_blob.c")


def test_every_page_can_be_found_from_the_first() -> None:
    named = {(ROOT / link.text).resolve() for link in documents.links(ROOT / "README.md")}
    assert {path for path in PAGES if path.parent == ROOT / "docs"} <= named


@pytest.mark.parametrize("path", [path for path in PAGES if path.parent.name == "docs"], ids=documents.name)
def test_a_page_begins_with_what_it_is_good_for(path: Path) -> None:
    paragraph = path.read_text().split("\n\n")[1]
    assert paragraph.startswith("After reading this you "), paragraph
