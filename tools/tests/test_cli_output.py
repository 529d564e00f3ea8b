# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What `whisper158` writes, and that it writes all of it or nothing."""

import html
import json
import os
import re
import signal
import stat
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

Cli = Callable[..., subprocess.CompletedProcess[bytes]]
TIME = r"\d\d:\d\d:\d\d"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with sounds in which the golden model hears something, 5 and 40 s long."""
    samples = np.random.default_rng(158).uniform(-0.3, 0.3, 40 * 16000)
    soundfile.write(tmp_path / "short.wav", samples[: 5 * 16000], 16000)
    soundfile.write(tmp_path / "long.wav", samples, 16000)
    return tmp_path


@pytest.fixture
def transcribe(cli: Cli, golden: Path, folder: Path) -> Cli:
    return lambda *arguments, **options: cli("transcribe", "--model", golden, *arguments, cwd=folder, **options)


def good(result: subprocess.CompletedProcess[bytes]) -> str:
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode()


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- forms


def test_text_is_one_line_for_each_file(transcribe: Cli) -> None:
    line = good(transcribe("short.wav"))
    assert line.count("\n") == 1
    assert line == line.strip() + "\n"
    assert good(transcribe("short.wav", "short.wav")) == 2 * line


def test_timestamps_are_lines(transcribe: Cli) -> None:
    lines = good(transcribe("--timestamps", "short.wav")).splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(rf"\[{TIME}\.\d{{3}} --> {TIME}\.\d{{3}}\] \S.*", line)


def test_subrip(transcribe: Cli) -> None:
    text = good(transcribe("--srt", "short.wav"))
    cues = text.removesuffix("\n").split("\n\n")
    for number, cue in enumerate(cues, 1):
        assert re.fullmatch(rf"{number}\n{TIME},\d{{3}} --> {TIME},\d{{3}}\n\S.*", cue), cue


def test_webvtt(transcribe: Cli) -> None:
    head, *cues = good(transcribe("--vtt", "short.wav")).removesuffix("\n").split("\n\n")
    assert head == "WEBVTT"
    assert cues
    for cue in cues:
        assert re.fullmatch(rf"{TIME}\.\d{{3}} --> {TIME}\.\d{{3}}\n[^<>]+", cue), cue


def test_nothing_said_in_every_form(transcribe: Cli, folder: Path) -> None:
    soundfile.write(folder / "silence.wav", np.zeros(16000), 16000)
    assert good(transcribe("silence.wav")) == "\n"
    assert good(transcribe("--timestamps", "silence.wav")) == ""
    assert good(transcribe("--srt", "silence.wav")) == ""
    assert good(transcribe("--vtt", "silence.wav")) == "WEBVTT\n"
    assert json.loads(good(transcribe("--json", "silence.wav")))["segments"] == []


def test_json_is_one_object_a_line(transcribe: Cli) -> None:
    lines = good(transcribe("--json", "--quiet", "short.wav", "long.wav")).splitlines()
    short, long = map(json.loads, lines)
    assert (short["file"], long["file"]) == ("short.wav", "long.wav")
    assert (short["duration"], long["duration"]) == (5.0, 40.0)
    assert short["model"] == {"name": "golden", "format": "mixed"}
    assert short["language"] in ("en", "zh", "de", "es", "ru", "ko", "fr", "ja")
    assert short["timings"]["windows"] >= 1
    assert short["timings"]["total"] > 0
    for segment in short["segments"] + long["segments"]:
        assert set(segment) == {"start", "end", "text", "tokens", "avg_logprob", "no_speech_prob", "repetition"}
        assert segment["start"] <= segment["end"]
        assert all(isinstance(token, int) for token in segment["tokens"])
        assert 0 <= segment["no_speech_prob"] <= 1
        assert segment["avg_logprob"] <= 0


def test_all_forms_tell_the_same(transcribe: Cli) -> None:
    segments = json.loads(good(transcribe("--json", "short.wav")))["segments"]
    texts = [segment["text"] for segment in segments if segment["text"]]
    lines = good(transcribe("--timestamps", "short.wav")).splitlines()
    assert [line.split("] ", 1)[1] for line in lines] == texts
    cues = good(transcribe("--srt", "short.wav")).removesuffix("\n").split("\n\n")
    assert [cue.split("\n", 2)[2] for cue in cues] == texts
    cues = good(transcribe("--vtt", "short.wav")).removesuffix("\n").split("\n\n")[1:]
    assert [html.unescape(cue.split("\n", 1)[1]) for cue in cues] == texts


def test_a_file_name_that_is_not_utf8_still_makes_json(transcribe: Cli, folder: Path) -> None:
    name = os.fsdecode(b'caf\xe9 "\\\n.wav')
    (folder / "short.wav").rename(folder / name)
    answer = json.loads(transcribe("--json", name).stdout.decode())
    assert answer["file"] == 'caf� "\\\n.wav'


def test_threads_and_kernels_do_not_change_the_words(transcribe: Cli) -> None:
    text = good(transcribe("short.wav"))
    assert good(transcribe("--threads", "1", "short.wav")) == text
    assert good(transcribe("-t3", "short.wav")) == text
    assert good(transcribe("--kernels", "ref", "short.wav"))


# ---- progress


def test_progress_is_a_line_for_every_tenth(transcribe: Cli) -> None:
    assert transcribe("short.wav").stderr == b""
    lines = transcribe("long.wav").stderr.decode().splitlines()
    assert 1 <= len(lines) <= 10
    percents = []
    for line in lines:
        match = re.fullmatch(r"whisper158:  ?(\d+) % \(0:\d\d of 0:40, \d+\.\dx real time\) long\.wav", line)
        assert match, line
        percents.append(int(match[1]))
    assert percents == sorted(set(percents))
    assert percents[-1] == 100


def test_progress_can_be_had_or_not(transcribe: Cli) -> None:
    assert transcribe("--progress=always", "short.wav").stderr.endswith(b"x real time) short.wav\n")
    assert transcribe("--progress=never", "long.wav").stderr == b""
    assert transcribe("--quiet", "long.wav").stderr == b""


def test_progress_on_a_terminal_leaves_nothing_behind(program: Path, golden: Path, folder: Path) -> None:
    main, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 30))
    command: list[str | Path] = [program, "transcribe", "--model", golden, "long.wav"]
    result = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=terminal, check=True)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(main, 65536)
        except OSError:
            break
    os.close(main)
    assert result.stdout.count(b"\n") == 1
    updates = shown.split(b"\r")
    assert updates[0] == b""
    assert updates[-1] == b"\x1b[K"
    assert len(updates) > 2
    for update in updates[1:-1]:
        assert re.fullmatch(rb" *\d+ % \(0:\d\d of 0:40, \d+.{1,9}\x1b\[K", update), update
        assert len(update.removesuffix(b"\x1b[K")) < 30


# ---- files


def test_output_appears_whole(transcribe: Cli, folder: Path) -> None:
    text = good(transcribe("short.wav"))
    assert good(transcribe("--output", "out.txt", "short.wav")) == ""
    assert (folder / "out.txt").read_text() == text
    assert stat.S_IMODE((folder / "out.txt").stat().st_mode) == 0o666 & ~current_umask()
    assert listing(folder) == ["long.wav", "out.txt", "short.wav"]
    assert good(transcribe("-o-", "short.wav")) == text


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_output_replaces_what_was_there(transcribe: Cli, folder: Path) -> None:
    old = folder / "old.txt"
    old.write_text("old\n" * 1000)
    old.chmod(0o640)
    (folder / "link.txt").symlink_to("old.txt")
    good(transcribe("-o", "link.txt", "short.wav"))
    assert (folder / "link.txt").is_symlink()
    assert old.read_text() == good(transcribe("short.wav"))
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert listing(folder) == ["link.txt", "long.wav", "old.txt", "short.wav"]


def test_output_stays_as_it_was_on_failure(transcribe: Cli, folder: Path) -> None:
    (folder / "old.txt").write_text("old\n")
    (folder / "bad.wav").write_bytes(b"")
    for name in ("old.txt", "new.txt"):
        assert transcribe("-o", name, "bad.wav", "absent.wav").returncode == os.EX_DATAERR
    assert (folder / "old.txt").read_text() == "old\n"
    assert listing(folder) == ["bad.wav", "long.wav", "old.txt", "short.wav"]


def test_output_keeps_what_succeeded(transcribe: Cli, folder: Path) -> None:
    assert transcribe("-o", "out.txt", "absent.wav", "short.wav").returncode == os.EX_NOINPUT
    assert (folder / "out.txt").read_text() == good(transcribe("short.wav"))


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("nowhere/out.txt", "No such file or directory"),
        ("short.wav/out.txt", "Not a directory"),
        (".", "Is a directory"),
        ("absent/", "Is a directory"),
        ("", "No such file or directory"),
        ("/proc/out.txt", "No such file or directory"),
    ],
)
def test_output_that_cannot_be_created(transcribe: Cli, folder: Path, output: str, cause: str) -> None:
    result = transcribe("-o", output, "short.wav")
    assert (result.returncode, result.stdout) == (os.EX_CANTCREAT, b"")
    assert result.stderr.decode() == f"whisper158: {output} cannot be created: {cause}\n"
    assert listing(folder) == ["long.wav", "short.wav"]


def test_output_does_not_overwrite_its_input(transcribe: Cli, folder: Path) -> None:
    before = (folder / "short.wav").read_bytes()
    os.link(folder / "short.wav", folder / "same.wav")
    result = transcribe("-o", "same.wav", "long.wav", "short.wav")
    assert result.returncode == os.EX_USAGE
    assert b"--output same.wav would overwrite short.wav" in result.stderr
    assert (folder / "short.wav").read_bytes() == before


def test_output_does_not_overwrite_the_model_that_nobody_named(program: Path, golden: Path, folder: Path) -> None:
    (folder / "model.w158").write_bytes(golden.read_bytes())
    environment = {**os.environ, "WHISPER158_MODEL": str(folder / "model.w158")}
    command: list[str | Path] = [program, "transcribe", "-o", "model.w158", "short.wav"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    assert result.returncode == os.EX_USAGE
    assert b"--output model.w158 would overwrite" in result.stderr
    assert (folder / "model.w158").read_bytes() == golden.read_bytes()


@pytest.mark.parametrize("form", [[], ["--json"], ["--srt"], ["--vtt"], ["--timestamps"]])
def test_full_disk(transcribe: Cli, form: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        result = transcribe(*form, "short.wav", stdout=full)
    assert result.returncode == os.EX_IOERR
    assert result.stderr == b"whisper158: standard output cannot be written: No space left on device\n"
    result = transcribe(*form, "-o/dev/full", "short.wav")
    assert result.returncode == os.EX_IOERR
    assert result.stderr == b"whisper158: /dev/full cannot be written: No space left on device\n"
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with 16 KiB of room."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "small", place], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a file system needs more rights")
    yield place
    subprocess.run(["umount", place], check=True)


def test_full_disk_leaves_the_older_file(transcribe: Cli, folder: Path, small_disk: Path) -> None:
    old = small_disk / "out.json"
    old.write_text("old\n")
    (small_disk / "ballast").write_bytes(bytes(12 << 10))
    result = transcribe("--json", "-o", old, *["short.wav"] * 20)
    assert result.returncode == os.EX_IOERR
    assert result.stderr.decode() == f"whisper158: {old} cannot be written: No space left on device\n"
    assert old.read_text() == "old\n"
    assert listing(small_disk) == ["ballast", "out.json"]


def test_read_only_disk(transcribe: Cli, folder: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    result = transcribe("-o", small_disk / "out.txt", "short.wav")
    assert result.returncode == os.EX_CANTCREAT
    assert result.stderr.decode().endswith("out.txt cannot be created: Read-only file system\n")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["transcribe", "--help"], ["info", "--help"]])
def test_full_disk_for_help(cli: Cli, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        result = cli(*arguments, stdout=full)
    assert result.returncode == os.EX_IOERR
    assert result.stderr == b"whisper158: standard output cannot be written: No space left on device\n"


def test_closed_streams(program: Path, golden: Path, folder: Path) -> None:
    """A file that is opened must not take the place of a stream that the parent has closed."""
    command = f"{program} transcribe -m {golden} -o out.txt {{}} <&- >&- 2>&-"
    assert subprocess.run(command.format("long.wav"), shell=True, cwd=folder).returncode == 0
    assert "whisper158" not in (folder / "out.txt").read_text()
    assert subprocess.run(command.format("absent.wav"), shell=True, cwd=folder).returncode == os.EX_NOINPUT
    command = f"{program} transcribe -m {golden} short.wav >&-"
    closed = subprocess.run(command, shell=True, cwd=folder, stderr=subprocess.PIPE)
    assert closed.returncode == os.EX_IOERR
    assert closed.stderr.count(b"\n") == 1


# ---- signals


def heed_signals() -> None:
    """Whoever runs the tests may have chosen to ignore some, and children inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def started(program: Path, golden: Path, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The program, waiting for audio on its standard input after it has begun its output file."""
    process = subprocess.Popen(
        [program, "transcribe", "--model", golden, "--output", "out.txt", *arguments, "-"],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_signals,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(path.name.startswith(".whisper158-") for path in folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_nothing(program: Path, golden: Path, folder: Path, number: signal.Signals) -> None:
    (folder / "out.txt").write_text("old\n")
    process = started(program, golden, folder)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (-number, b"", b"")
    assert (folder / "out.txt").read_text() == "old\n"
    assert listing(folder) == ["long.wav", "out.txt", "short.wav"]


def test_a_shell_sees_130(program: Path, golden: Path) -> None:
    script = f"(echo $BASHPID; exec {program} transcribe -m {golden} -); echo $?"
    shell = subprocess.Popen(
        ["bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=heed_signals
    )
    assert shell.stdout
    id = int(shell.stdout.readline())
    while Path(f"/proc/{id}/comm").read_text() != "whisper158\n":
        time.sleep(0.01)
    os.kill(id, signal.SIGINT)
    assert shell.communicate(timeout=60)[0] == b"130\n"


def test_a_broken_pipe_is_quiet(program: Path, golden: Path, folder: Path) -> None:
    command = f"{program} transcribe -q -m {golden} {'short.wav ' * 100} | head -c1; echo ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, timeout=120)
    assert shown.stdout.endswith(b"141\n")
    assert shown.stderr == b""
    ignored = f"trap '' PIPE; {command}"
    shown = subprocess.run(["bash", "-c", ignored], cwd=folder, capture_output=True, timeout=120)
    assert shown.stdout.endswith(f"{os.EX_IOERR}\n".encode())
    assert shown.stderr == b""
