# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What bash, zsh and fish complete the programs' words with, asked of the shells themselves."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from whisper158.paths import ROOT, RUNTIME

MAKER = RUNTIME / "completions" / "completions.py"
SCRIPTS = {"bash": "{}.bash", "zsh": "_{}", "fish": "{}.fish"}


def make(shell: str, program: str, folder: Path, alsa: str = "alsa") -> Path:
    path = folder / SCRIPTS[shell].format(program)
    subprocess.run([sys.executable, MAKER, shell, program, alsa, path], check=True)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a model.w158", "b.w158", "speech.wav"):
        (tmp_path / name).touch()
    (tmp_path / "some folder").mkdir()
    return tmp_path


def bash(folder: Path, *words: str) -> set[str]:
    """What is offered for the last of `words`."""
    script = make("bash", words[0], folder)
    asked = f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _{words[0]}"
    command = f'set -u; . {shlex.quote(str(script))}; {asked}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.splitlines()) - {""}


MODELS = {"a model.w158", "b.w158", "some folder"}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["whisper158", "t"], {"transcribe", "tune"}),
        (["whisper158", "transcribe", "--no"], {"--no-tuning", "--no-timestamps"}),
        (["whisper158", "transcribe", "--task", ""], {"transcribe", "translate"}),
        (["whisper158", "transcribe", "--progress", "=", "a"], {"auto", "always"}),
        (["whisper158", "transcribe", "--progress", "="], {"auto", "always", "never"}),
        (["whisper158", "transcribe", "-m", ""], MODELS),
        (["whisper158", "transcribe", "sp"], {"speech.wav"}),
        (["whisper158", "transcribe", "--threads", ""], set()),
        (["whisper158", "info", ""], MODELS),
        (["whisper158", "selftest", "--data", ""], {"some folder"}),
        (["whisper158", "stats", ""], set()),
        (["whisper158", "no-command", "-"], set()),
        (["whisper158d", "--record"], {"--record-dir", "--record-mib"}),
        (["whisper158d", "--record-dir", ""], {"some folder"}),
        (["whisper158d", "--wyoming", "--stop"], {"--stop-seconds"}),
    ],
)
def test_bash_offers_what_may_stand_there(folder: Path, words: list[str], offered: set[str]) -> None:
    assert bash(folder, *words) == offered


@pytest.mark.parametrize("command", ["transcribe", "info", "bench", "tune", "selftest", "devices", "listen", "stats"])
def test_all_options_of_a_command_are_offered(folder: Path, whisper158_binary: Path, command: str) -> None:
    told = subprocess.run([whisper158_binary, command, "--help"], capture_output=True, text=True, check=True).stdout
    assert bash(folder, "whisper158", command, "--") == set(
        re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", told, re.MULTILINE)
    ) | ({"--vtt"} if command == "transcribe" else set())


def test_without_alsa_there_are_fewer_commands(folder: Path) -> None:
    text = make("bash", "whisper158", folder, "no-alsa").read_text()
    assert "transcribe" in text and "devices" not in text and "listen" not in text


@pytest.mark.parametrize("program", ["whisper158", "whisper158d"])
def test_zsh_takes_the_options(folder: Path, program: str) -> None:
    """With zsh's own functions replaced by ones that print what they are given."""
    script = make("zsh", program, folder)
    words = [program, *(["transcribe"] if program == "whisper158" else []), "--"]
    command = (
        '_arguments() { print -rl -- "$@" }; _describe() { :; }; '
        f"words=({shlex.join(words)}); CURRENT={len(words)}; . {shlex.quote(str(script))}"
    )
    done = subprocess.run(["zsh", "-f", "-c", command], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert '--model=[the model]:MODEL:_files -g "*.w158"' in done.stdout.splitlines()
    assert subprocess.run(["zsh", "-n", script], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("whisper158 tu", {"tune"}),
        ("whisper158 transcribe --task ", {"transcribe", "translate"}),
        ("whisper158 tune --ret", {"--retarget"}),
        ("whisper158d --interim a", {"auto", "always"}),
    ],
)
def test_fish_offers_what_may_stand_there(folder: Path, line: str, offered: set[str]) -> None:
    script = make("fish", line.split()[0], folder)
    command = f"source {shlex.quote(str(script))}; complete -C {shlex.quote(line)}"
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["fish", "--no-config", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {row.split("\t")[0] for row in done.stdout.splitlines()} == offered


def test_bash_completes_verbs_and_flags_of_inv(folder: Path) -> None:
    """By Invoke's own script."""
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("the tests run in an environment that is not inv's")
    script = folder / "inv.bash"
    done = subprocess.run([ROOT / "inv", "--print-completion-script", "bash"], capture_output=True, check=True)
    script.write_bytes(done.stdout)

    def offered(*words: str) -> set[str]:
        line = shlex.join([str(ROOT / "inv"), *words])
        asked = (
            f'COMP_WORDS=({line}); COMP_CWORD={len(words)}; COMP_LINE={shlex.quote(line)}; _complete_{ROOT}/inv x "$1"'
        )
        command = f'. {script}; {asked}; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", command, "-", words[-1]], cwd=folder, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return set(done.stdout.split())

    assert offered("model.ev") == {"model.evaluate"}
    assert {"--model", "--json", "--srt"} < offered("transcribe", "--")
