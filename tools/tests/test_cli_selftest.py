# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`whisper158 selftest`: it must pass where all is well, and each of its checks must be able to fail."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip
from whisper158.paths import GOLDEN, RUNTIME

Cli = Callable[..., subprocess.CompletedProcess[bytes]]

SPEECH = RUNTIME / "selftest" / "speech.wav"
SKIPPED = "skipped"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder that is installed with the program."""
    shutil.copy(GOLDEN, tmp_path / "model.w158")
    shutil.copy(SPEECH, tmp_path / "speech.wav")
    return tmp_path


def verdicts(done: subprocess.CompletedProcess[bytes]) -> dict[str, tuple[str, str]]:
    """Name, result and text of each check, as JSON has them."""
    told = json.loads(done.stdout)
    found = {check["name"]: (check["result"], check["text"]) for check in told["checks"]}
    assert list(found) == ["kernels", "model", "detector", "words"]
    assert told["passed"] == (done.returncode == 0) == all(result != "failed" for result, _ in found.values())
    return found


@pytest.mark.network
def test_a_real_model_knows_the_words(cli: Cli, data: Path, model: Callable[[str], Path]) -> None:
    done = cli("selftest", "--json", f"--data={data}", f"--model={model('tiny.en-q8')}")
    found = verdicts(done)
    assert done.returncode == 0 and {result for result, _ in found.values()} == {"ok"}
    assert '0 of 8 wrong in "ask what you can do for your country"' in found["words"][1].lower()
    assert found["model"][1].startswith("tiny.en, ")


@pytest.mark.network
def test_other_words_fail(cli: Cli, data: Path, model: Callable[[str], Path], sounds: tuple[Clip, ...]) -> None:
    (other,) = [clip for clip in sounds if clip.id == "conf-getpin"]
    shutil.copy(other.path, data / "speech.wav")
    done = cli("selftest", "--json", f"--data={data}", f"--model={model('tiny.en-q8')}")
    result, text = verdicts(done)["words"]
    assert done.returncode == 1 and result == "failed"
    assert "of 8 wrong" in text and 'what is said is "ask what you can do for your country"' in text


def test_lines_for_people(cli: Cli, data: Path, golden: Path) -> None:
    done = cli("selftest", f"--data={data}", f"--model={golden}")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0 and done.stderr == b""
    assert [line.split()[:2] for line in lines] == [
        ["kernels", "ok"],
        ["model", "ok"],
        ["detector", SKIPPED],
        ["words", SKIPPED],
    ]


def test_every_set_of_kernels_is_tried(cli: Cli, data: Path, golden: Path) -> None:
    _, text = verdicts(cli("selftest", "--json", f"--data={data}", f"--model={golden}"))["kernels"]
    # An unknown name makes `transcribe` tell which there are.
    names = cli("transcribe", "--kernels=none", "x").stderr.decode().split("can run: ")[1].split(";")[0].split(", ")
    assert names[0] == "ref" and text == f"{', '.join(names[1:])} compute what ref does"


def test_the_detector_hears_the_recording(cli: Cli, data: Path, babbler: Path) -> None:
    assert verdicts(cli("selftest", "--json", f"--data={data}", f"--model={babbler}"))["detector"][0] == "ok"
    # A second of silence in place of speech
    wav = (data / "speech.wav").read_bytes()
    (data / "speech.wav").write_bytes(wav[:44] + bytes(len(wav) - 44))
    done = cli("selftest", "--json", f"--data={data}", f"--model={babbler}")
    assert done.returncode == 1
    assert verdicts(done)["detector"] == ("failed", "speech in 0 % of the recording, in 0 % of silence")


def test_a_damaged_model_fails_and_the_rest_goes_on(cli: Cli, data: Path, golden: Path) -> None:
    content = bytearray(golden.read_bytes())
    content[-1000] ^= 1
    damaged = data / "damaged.w158"
    damaged.write_bytes(content)
    done = cli("selftest", "--json", f"--data={data}", f"--model={damaged}")
    found = verdicts(done)
    assert done.returncode == 1 and found["kernels"][0] == "ok" and found["words"][0] == SKIPPED
    assert found["model"][0] == "failed" and "checksum of section" in found["model"][1]


@pytest.mark.parametrize(("name", "check"), [("model.w158", "kernels"), ("speech.wav", "detector")])
def test_what_is_not_installed_is_named(cli: Cli, data: Path, babbler: Path, name: str, check: str) -> None:
    (data / name).unlink()
    done = cli("selftest", "--json", f"--data={data}", f"--model={babbler}")
    result, text = verdicts(done)[check]
    assert done.returncode == 1 and result == "failed" and text.startswith(f"{data}/{name}")


def test_no_model_at_all(cli: Cli, data: Path) -> None:
    found = verdicts(cli("selftest", "--json", f"--data={data}"))
    assert found["model"][0] == "failed" and found["model"][1].startswith("there is no model: give one with --model")


LIAR = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

/* The second context, that of the first set after the reference, computes one number of the encoder's wrongly. */
static int contexts;

int whisper158_encode(void *context, const float *mel, uint32_t frames, float *out, void *error) {
    int (*real)(void *, const float *, uint32_t, float *, void *) = dlsym(RTLD_NEXT, "whisper158_encode");
    int r = real(context, mel, frames, out, error);

    if (++contexts == 2)
        out[7] += 100;
    return r;
}
"""


def test_a_wrong_kernel_fails(data: Path, golden: Path) -> None:
    """Through a library in between, since all kernels here are right."""
    (data / "liar.c").write_text(LIAR)
    library = data / "liar.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, data / "liar.c"], check=True)
    done = subprocess.run(
        [runtime.program(), "selftest", "--json", f"--data={data}", f"--model={golden}"],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
    )
    result, text = verdicts(done)["kernels"]
    assert done.returncode == 1 and result == "failed" and "differs from ref: by" in text


def test_usage(cli: Cli) -> None:
    done = cli("selftest", "file.wav")
    assert done.returncode == 64 and b"there is nothing that file.wav could mean" in done.stderr
    done = cli("selftest", "--data=" + "x" * 5000)
    assert done.returncode == 64 and b"too long" in done.stderr
