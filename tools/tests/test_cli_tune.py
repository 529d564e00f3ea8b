# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`whisper158 tune`: what it keeps, who reads that, and models in other packings. Never how fast anything is."""

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import xxhash

from whisper158.model import blob
from whisper158.model.blob import Dtype, Packing
from whisper158.model.ternary import unpack

Cli = Callable[..., subprocess.CompletedProcess[bytes]]

SOON = ("--budget", "0.01", "--threads", "2")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "golden.tuning"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    samples = np.random.default_rng(158).uniform(-0.3, 0.3, 5 * 16000)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    return tmp_path / "a.wav"


@pytest.fixture(scope="module")
def measured(cli: Cli, golden: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What was measured of the golden model."""
    path = tmp_path_factory.mktemp("tuning") / "golden.tuning"
    result = cli("tune", *SOON, "--cache", path, golden)
    assert result.returncode == 0, result.stderr
    return path.read_text()


@pytest.fixture
def tuned(cache: Path, measured: str) -> Path:
    """A cache with that in it."""
    cache.write_text(measured)
    return cache


def sentence(result: subprocess.CompletedProcess[bytes], status: int = 0) -> str:
    """The one line on stderr."""
    error = result.stderr.decode()
    assert (result.returncode, error.count("\n")) == (status, 1), error
    return error.removeprefix("whisper158: ").removesuffix("\n")


def table(cli: Cli, golden: Path, cache: Path, *arguments: str | Path) -> dict[str, Any]:
    result = cli("tune", "--json", "--cache", cache, *arguments, golden)
    assert result.returncode == 0, result.stderr
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def resealed(text: str) -> str:
    """The text with a right checksum in its last line."""
    body = text[: text.index("checksum")]
    return f"{body}checksum {xxhash.xxh64_hexdigest(body.encode())}\n"


def text_of(cli: Cli, golden: Path, sound: Path, *options: str | Path, **settings: Any) -> tuple[bytes, str]:
    """What is transcribed, and what is said beside it."""
    result = cli("transcribe", "--model", golden, *options, sound, **settings)
    assert result.returncode == 0, result.stderr
    return result.stdout, result.stderr.decode()


# ---- measuring


def test_all_candidates_are_measured_and_kept(cli: Cli, golden: Path, cache: Path) -> None:
    told = table(cli, golden, cache, *SOON)
    assert (told["measured_now"], told["file"]) == (True, str(cache))
    assert [row["threads"] for row in told["encode"]] == [row["threads"] for row in told["decode"]] == [1, 2]
    for stage in ("encode", "decode"):
        assert sum(row["used"] for row in told[stage]) == 1
        assert all(row["seconds"] > 0 and row["runs"] > 0 for row in told[stage])
    assert sum(layer["share"] for layer in told["layers"]) == pytest.approx(1, abs=0.01)
    for layer in told["layers"]:
        candidates = layer["candidates"]
        assert all(c["gmacs"] > 0 and c["runs"] > 0 for c in candidates)
        assert sum(c["used"] for c in candidates) == sum(c["winner"] for c in candidates) == 1
        for packing in {c["packing"] for c in candidates}:
            assert sum(c["chosen"] for c in candidates if c["packing"] == packing) == 1
    again = table(cli, golden, cache)
    assert {**again, "measured_now": True} == told


def test_layers_are_those_of_the_model(cli: Cli, golden: Path, tuned: Path) -> None:
    read = blob.read(golden)
    matrices = {(layer["rows"], layer["channels"], layer["group"]): 0 for layer in table(cli, golden, tuned)["layers"]}
    for layer in table(cli, golden, tuned)["layers"]:
        packings = {c["packing"] for c in layer["candidates"]}
        assert packings in ({"plain"}, {"nibbles"}, {"t2", "t4", "t5"})
        if "t2" in packings:
            matrices[layer["rows"], layer["channels"], layer["group"]] += layer["matrices"]
    for shape, count in matrices.items():
        sections = [s for s in read.sections.values() if s.dtype == Dtype.T158 and (*s.shape, s.group) == shape]
        assert len(sections) == count
    assert sum(layer["packing"] == "nibbles" for layer in table(cli, golden, tuned)["layers"]) == 2


def test_a_person_reads_the_same_table(cli: Cli, golden: Path, tuned: Path) -> None:
    result = cli("tune", "--explain", "--cache", tuned, golden)
    assert (result.returncode, result.stderr) == (0, b"")
    text = result.stdout.decode()
    told = table(cli, golden, tuned)
    assert text.startswith(
        f"Measured before, read from {tuned}\nMachine {told['machine']}; kernels {told['kernels']}\n"
    )
    assert len(re.findall(r"^gem[mv] \d+ x \d+.*, \d+(\.\d)? % of the time$", text, re.MULTILINE)) == len(
        told["layers"]
    )
    assert text.count("  winner") == len(told["layers"])
    for layer in told["layers"]:
        for c in layer["candidates"]:
            assert re.search(rf"^  {c['packing']} +{re.escape(c['kernel'])} +{c['gmacs']:.2f} ", text, re.MULTILINE)


def test_the_answer_is_kept_where_caches_are(cli: Cli, golden: Path, tmp_path: Path) -> None:
    bare = {key: value for key, value in os.environ.items() if key not in ("CACHE_DIRECTORY", "XDG_CACHE_HOME")}
    places = {
        "CACHE_DIRECTORY": (f"{tmp_path}/a:/elsewhere", tmp_path / "a"),
        "XDG_CACHE_HOME": (f"{tmp_path}/b", tmp_path / "b" / "whisper158"),
        "HOME": (f"{tmp_path}/c", tmp_path / "c" / ".cache" / "whisper158"),
    }
    for variable, (value, folder) in places.items():
        environment = {**bare, variable: value}
        assert cli("tune", *SOON, golden, env=environment).returncode == 0
        (file,) = folder.iterdir()
        assert re.fullmatch(r"[0-9a-f]{16}\.tuning", file.name)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        told = json.loads(cli("tune", "--json", golden, env=environment).stdout)
        assert (told["measured_now"], told["file"]) == (False, str(file))
    nowhere = {**{key: value for key, value in bare.items() if key != "HOME"}, "XDG_CACHE_HOME": "relative"}
    assert "there is no place to keep the answer in" in sentence(cli("tune", *SOON, golden, env=nowhere), os.EX_USAGE)


def test_tuning_alone_measures_anew(cli: Cli, golden: Path, tuned: Path) -> None:
    before = tuned.stat().st_ino
    assert sentence(cli("tune", *SOON, "--cache", tuned, golden)).startswith(f"kept in {tuned}: ")
    assert tuned.stat().st_ino != before


def test_an_interrupted_measurement_leaves_what_was_there(program: Path, golden: Path, tuned: Path) -> None:
    before = tuned.read_bytes()
    with subprocess.Popen(
        [program, "tune", "--budget", "600", "--cache", tuned, golden], stderr=subprocess.PIPE
    ) as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
    assert tuned.read_bytes() == before
    assert [path.name for path in tuned.parent.iterdir()] == [tuned.name]


# ---- using it


def test_a_tuning_changes_no_text_and_is_no_news(cli: Cli, golden: Path, tuned: Path, sound: Path) -> None:
    plain = text_of(cli, golden, sound, "--no-tuning")
    assert plain[1] == ""
    assert text_of(cli, golden, sound, "--cache", tuned) == plain
    assert text_of(cli, golden, sound, "--cache", tuned, "--threads", "1") == plain
    assert text_of(cli, golden, sound, "--cache", tuned, "--kernels", "ref")[1] == ""


def test_bench_says_whether_it_is_tuned(cli: Cli, golden: Path, tuned: Path) -> None:
    for arguments, is_tuned in ((["--cache", tuned], True), (["--cache", tuned, "--no-tuning"], False)):
        result = cli("bench", "--json", "--repeat", "1", *arguments, golden)
        assert (result.returncode, result.stderr) == (0, b"")
        assert json.loads(result.stdout)["tuned"] is is_tuned
    assert b", tuned; threads as tuned\n" in cli("bench", "--repeat", "1", "--cache", tuned, golden).stdout
    # Other kernels than it is about do not use it.
    result = cli("bench", "--repeat", "1", "--cache", tuned, "--kernels", "ref", golden)
    assert b"; kernels ref; a thread for each processor" in result.stdout


BAD: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda _: "", "it is damaged: it is cut short"),
    "cut": (lambda text: text[:-1], "it is damaged: its checksum does not match"),
    "flipped": (lambda text: text.replace("encode 1", "encode 3"), "it is damaged: its checksum does not match"),
    "large": (lambda text: text + " " * (1 << 18), "it is too large to be a tuning"),
    "form": (lambda text: resealed(text.replace("tuning 1", "tuning 2")), "it has another form than this version .*"),
    "version": (lambda text: resealed(text.replace("version ", "version 1")), "it was measured by another version .*"),
    "model": (lambda text: resealed(text.replace("model ", "model 0")), "it is about another model"),
    "machine": (lambda text: resealed(text.replace("machine ", "machine x")), "it was measured on another machine"),
    "kernels": (lambda text: resealed(text.replace("kernels ", "kernels x")), "it is about other kernels .*"),
    "threads": (
        lambda text: resealed(re.sub("encode 1 ", "encode 99 ", text)),
        "line 6 is damaged: a number of threads is expected",
    ),
    "variant": (
        lambda text: resealed(re.sub("(candidate t2) ", r"\1 x", text)),
        r"line \d+ is about other kernels than this program's",
    ),
    "number": (
        lambda text: resealed(re.sub(r"(candidate t2 \S+) \d+", r"\1 1e9", text)),
        r"line \d+ is damaged: rate and runs are expected",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_of_no_use_is_ignored_with_a_word(cli: Cli, golden: Path, tuned: Path, sound: Path, case: str) -> None:
    change, reason = BAD[case]
    plain = text_of(cli, golden, sound, "--no-tuning")
    tuned.write_text(change(tuned.read_text()))
    text, said = text_of(cli, golden, sound, "--cache", tuned)
    assert text == plain[0]
    expected = rf'whisper158: tuning is ignored: {re.escape(str(tuned))}: {reason}; "whisper158 tune" makes another\n'
    assert re.fullmatch(expected, said), said
    assert text_of(cli, golden, sound, "--quiet", "--cache", tuned) == plain


def test_a_table_of_no_use_is_measured_anew(program: Path, golden: Path, cache: Path) -> None:
    cache.write_text("once upon a time, and it was long ago\n")
    command: list[str | Path] = [program, "tune", "--explain", "--cache", cache, golden]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.readline().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
    assert said == (
        f"whisper158: measuring anew, for an earlier answer is of no use: {cache}: "
        "it is damaged: its checksum does not match\n"
    )


def test_only_a_file_that_was_asked_for_is_missed(cli: Cli, golden: Path, sound: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "absent")}
    environment.pop("CACHE_DIRECTORY", None)
    assert text_of(cli, golden, sound, env=environment)[1] == ""
    said = text_of(cli, golden, sound, "--cache", tmp_path / "absent")[1]
    assert re.fullmatch(
        r"whisper158: tuning is ignored: .*/absent cannot be read: No such file or directory; .*\n", said
    )
    for odd, reason in ((tmp_path, "Is a directory"), (Path("/dev/null"), "Invalid argument")):
        assert f"{odd} cannot be read: {reason}" in text_of(cli, golden, sound, "--cache", odd)[1]


# ---- rewriting the model


def test_a_rewritten_model_is_the_same_model(cli: Cli, golden: Path, tuned: Path, sound: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.w158"
    said = sentence(cli("tune", "--cache", tuned, "--retarget", out, golden))
    before, after = blob.read(golden), blob.read(out)
    ternary = [name for name, section in before.sections.items() if section.dtype == Dtype.T158]
    changed = [name for name in ternary if before.sections[name].packing != after.sections[name].packing]
    assert said == (
        f"{out}: {len(changed)} of {len(ternary)} ternary matrices repacked, "
        f"{out.stat().st_size} bytes instead of {golden.stat().st_size}"
    )
    assert list(before.sections) == list(after.sections)
    winners = {
        (layer["operation"], layer["rows"], layer["channels"], layer["group"]): next(
            c["packing"] for c in layer["candidates"] if c["winner"]
        )
        for layer in table(cli, golden, tuned)["layers"]
        if layer["packing"] not in ("plain", "nibbles")
    }
    for name, section in before.sections.items():
        there = after.sections[name]
        if section.dtype != Dtype.T158:
            assert there == section
            assert np.array_equal(before.array(name), after.array(name))
            continue
        frames = name.startswith("encoder.") or ".cross_attn.key." in name or ".cross_attn.value." in name
        rows, channels = section.shape
        winner = winners["gemm" if frames else "gemv", rows, channels, section.group]
        assert there.packing == Packing[winner.upper()]
        assert np.array_equal(unpack(before.array(name), section), unpack(after.array(name), there))
    assert text_of(cli, out, sound, "--no-tuning") == text_of(cli, golden, sound, "--no-tuning")
    # What was measured is about both.
    assert text_of(cli, out, sound, "--cache", tuned)[1] == ""
    assert " 0 of " in sentence(cli("tune", "--cache", tuned, "--retarget", tmp_path / "again.w158", out))
    assert (tmp_path / "again.w158").read_bytes() == out.read_bytes()


def test_all_packings_can_be_had(cli: Cli, golden: Path, tuned: Path, sound: Path, tmp_path: Path) -> None:
    text = text_of(cli, golden, sound, "--no-tuning")
    out = tmp_path / "out.w158"
    for packing in ("t2", "t4", "t5"):
        slow = re.sub(r"(?m)^(candidate \S+ \S+) \d+", r"\1 5", tuned.read_text())
        best = re.sub(rf"(?m)^(candidate {packing} \S+) \d+", r"\1 5000", slow)
        tuned.write_text(resealed(best))
        assert cli("tune", "--cache", tuned, "--retarget", out, golden).returncode == 0
        sections = blob.read(out).sections.values()
        assert {s.packing for s in sections if s.dtype == Dtype.T158} == {Packing[packing.upper()]}
        assert text_of(cli, out, sound, "--no-tuning") == text


def test_nothing_half_written_is_left(cli: Cli, golden: Path, tuned: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    full = cli("tune", "--cache", tuned, "--retarget", "/dev/full", golden)
    assert sentence(full, os.EX_IOERR) == "/dev/full cannot be written: No space left on device"
    said = sentence(cli("tune", "--cache", tuned, "--retarget", folder, golden), os.EX_CANTCREAT)
    assert said == f"{folder} cannot be created: Is a directory"
    said = sentence(cli("tune", "--cache", tuned, "--retarget", folder / "no" / "out", golden), os.EX_CANTCREAT)
    assert said == f"{folder}/no/out cannot be created: No such file or directory"
    said = sentence(cli("tune", *SOON, "--cache", folder, golden), os.EX_CANTCREAT)
    assert said == f"{folder} cannot be created: Is a directory"
    assert list(folder.iterdir()) == []


def test_a_full_disk_leaves_what_was_there(program: Path, golden: Path, tuned: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.w158"
    out.write_bytes(b"before")
    command = f'ulimit -f 100; trap "" XFSZ; exec {program} tune --cache {tuned} --retarget {out} {golden}'
    result = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, check=False)
    assert sentence(result, os.EX_IOERR) == f"{out} cannot be written: File too large"
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["golden.tuning", "out.w158"]


def test_the_model_is_never_overwritten(cli: Cli, golden: Path, cache: Path, tmp_path: Path) -> None:
    model = tmp_path / "a.w158"
    model.write_bytes(golden.read_bytes())
    (tmp_path / "link").symlink_to(model)
    environment = {**os.environ, "WHISPER158_MODEL": str(model)}
    for out in (model, tmp_path / "link"):
        for arguments in ((model,), ()):
            said = sentence(cli("tune", *SOON, "--retarget", out, *arguments, env=environment), os.EX_USAGE)
            assert said.startswith(f"--retarget {out} would overwrite the model that it is made from; see ")
        said = sentence(cli("tune", *SOON, "--cache", out, model), os.EX_USAGE)
        assert said.startswith(f"--cache {out} would overwrite the model; see ")
    assert model.read_bytes() == golden.read_bytes()
    assert not cache.exists()


# ---- usage

WRONG = {
    "two models": (["b"], "at most one MODEL can be tuned at a time, not 2"),
    "budget, none": (["--budget", "0"], "--budget 0 is not a number of seconds above 0 and at most 86400"),
    "budget, nan": (["--budget", "nan"], "--budget nan is not a number of seconds above 0 and at most 86400"),
    "budget, much": (["--budget", "1e9"], "--budget 1e9 is not a number of seconds above 0 and at most 86400"),
    "budget, words": (["--budget", "1m"], "--budget 1m is not a number of seconds above 0 and at most 86400"),
    "threads": (["-t", "65"], "--threads 65 is not a number from 1 to 64"),
    "standard output": (["--retarget", "-"], "--retarget needs the name of a file"),
    "no name": (["--cache", ""], "--cache needs the name of a file"),
    "one name": (["--cache", "a", "--retarget", "a"], "--retarget and --cache name the same file"),
    "two forms": (["--json", "--explain"], "only one of --explain and --json can be had at a time"),
    "no value": (["--budget"], "option --budget needs a value"),
    "unknown": (["--fast"], "unknown or ambiguous option --fast"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage(cli: Cli, golden: Path, case: str) -> None:
    arguments, reason = WRONG[case]
    result = cli("tune", golden, *arguments)
    assert result.stdout == b""
    assert sentence(result, os.EX_USAGE) == f"{reason}; see whisper158 tune --help"


def test_bad_models(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.w158").write_bytes(b"")
    assert "the file is empty" in sentence(cli("tune", tmp_path / "a.w158"), os.EX_DATAERR)
    assert "No such file or directory" in sentence(cli("tune", tmp_path / "b.w158"), os.EX_NOINPUT)
