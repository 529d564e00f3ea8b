# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The files that are made for the peers: read back, and heard by the peers themselves."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from whisper158.build import runtime
from whisper158.evaluate.bench import ggml_file, peer_files
from whisper158.evaluate.bench.bench import write_audio
from whisper158.evaluate.bench.stopwatch import STAGES, samples
from whisper158.evaluate.engine import Engine
from whisper158.evaluate.sounds import Clip
from whisper158.model import ggml, models
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.load import load

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

BYTES = {"Q8_0": 34, "Q5_1": 24, "Q4_0": 18}


def decode(kind: str, data: Bytes) -> tuple[Floats, Floats]:
    """The weights of blocks [n, bytes] by the definition of their format, and the step between two codes."""
    half = data[:, :4].copy().view("<f2").astype(np.float32)
    d, m = half[:, :1], half[:, 1:]
    if kind == "Q8_0":
        return d * data[:, 2:].view(np.int8), np.abs(d)
    nibbles = data[:, -16:]
    codes = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32)
    if kind == "Q4_0":
        return d * (codes - 8), np.abs(d)
    bits = data[:, 4:8].copy().view("<u4") >> np.arange(32, dtype=np.uint32) & 1
    return d * (codes + 16 * bits) + m, np.abs(d)


BLOCKS = hnp.arrays(np.float32, (3, 32), elements=st.floats(-8, 8, width=32))


@pytest.mark.parametrize("kind", BYTES)
@example(blocks=np.full((3, 32), 1e-4, np.float32))
@given(blocks=BLOCKS)
def test_weights_come_back_within_half_a_step(kind: str, blocks: Floats) -> None:
    encode = ggml_file.KINDS[kind].encode
    assert encode is not None
    data = encode(blocks)
    assert data.shape == (3, BYTES[kind]) and data.dtype == np.uint8
    weights, step = decode(kind, data)
    # Scales and least weights are rounded to 11 bits, or where they are tiny to a multiple of 2^-24, which codes of up
    # to 127 multiply; and 16 steps from -8 to 7 do not reach the eighth above zero.
    slack = 2.0**-10 * np.abs(blocks).max(axis=1, keepdims=True) + 128 * 2.0**-25
    assert (np.abs(weights - blocks) <= step * (1.01 if kind == "Q4_0" else 0.51) + slack).all()


@pytest.mark.parametrize("kind", BYTES)
def test_codes_are_those_of_the_definition(kind: str) -> None:
    encode = ggml_file.KINDS[kind].encode
    assert encode is not None
    ramp = (
        np.arange(-8, 24, dtype=np.float32)[None]
        if kind != "Q4_0"
        else np.arange(-8, 8, dtype=np.float32).repeat(2)[None]
    )
    exact = ramp * np.float32(127 / 23) if kind == "Q8_0" else ramp
    weights, step = decode(kind, encode(exact))
    assert np.allclose(weights, exact, atol=float(step.max()) / 2 + 1e-3)
    if kind != "Q8_0":
        assert (weights == exact).all()


@pytest.fixture(scope="module")
def tiny() -> Checkpoint:
    return load("random-tiny.en")


def test_our_own_reader_reads_the_16_bit_file(tiny: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    ggml_file.write(tiny, ggml_file.KINDS["F16"], path)
    contents = ggml.read(path)
    assert (contents.dims, contents.vocabulary) == (tiny.dims, tiny.vocabulary)
    for name, tensor in tiny.tensors.items():
        assert np.array_equal(contents.tensors[name], tensor), name


def test_quantised_files_have_the_size_that_their_blocks_make(tiny: Checkpoint, tmp_path: Path) -> None:
    matrices = sum(t.size for name, t in tiny.tensors.items() if t.ndim == 2 and name.endswith(".weight"))
    sizes = {}
    for kind in ggml_file.KINDS:
        ggml_file.write(tiny, ggml_file.KINDS[kind], tmp_path / kind)
        sizes[kind] = (tmp_path / kind).stat().st_size
    for kind, block in BYTES.items():
        assert sizes["F16"] - sizes[kind] == matrices // 32 * (64 - block)


def test_a_peer_s_file_is_made_once(tiny: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER158_CACHE", str(tmp_path))
    monkeypatch.setattr(peer_files, "load", lambda _: tiny)
    path = peer_files.whispercpp("random-tiny.en", "Q4_0")
    made = path.stat().st_mtime_ns
    assert peer_files.whispercpp("random-tiny.en", "Q4_0").stat().st_mtime_ns == made


def measured(module: str, model: Path, tmp_path: Path, context: int) -> dict[str, Any]:
    audio = write_audio(tmp_path / "a.wav", 2)
    numbers = (str(context), "12", "1", "1")
    command = [sys.executable, "-m", f"whisper158.evaluate.bench.{module}", str(model), str(audio), *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check_measured(told: dict[str, Any]) -> None:
    assert tuple(told["stages"]) == STAGES
    for stage in told["stages"].values():
        assert stage["min"]["cpu"] > 0 and stage["min"]["wall"] > 0
    assert told["memory"]["peak_rss"] > told["memory"]["base_rss"] > 1e6


@pytest.mark.bench
@pytest.mark.parametrize("context", [0, 112, 1500])
def test_whispercpp_is_measured(tmp_path: Path, context: int) -> None:
    pytest.importorskip("_pywhispercpp", reason="needs pywhispercpp: ./inv install bench")
    told = measured("run_whispercpp", peer_files.whispercpp("random-tiny.en", "Q4_0"), tmp_path, context)
    check_measured(told)
    assert "AVX" in told["about"]["system"] or "NEON" in told["about"]["system"]


@pytest.mark.bench
@pytest.mark.network
def test_whispercpp_says_the_same_in_8_as_in_16_bits(sounds: tuple[Clip, ...], tmp_path: Path) -> None:
    """With the real weights, so that a code in the wrong place cannot hide."""
    pywhispercpp = pytest.importorskip("pywhispercpp.model", reason="needs pywhispercpp: ./inv install bench")
    clips = [clip for clip in sounds if 5 < clip.seconds < 8][:2]

    def texts(kind: str) -> list[str]:
        model = pywhispercpp.Model(str(peer_files.whispercpp("tiny.en", kind)), n_threads=1, print_progress=False)
        return [plain("".join(part.text for part in model.transcribe(doubled(clip.path)))) for clip in clips]

    reference = texts("F16")
    assert all(len(text.split()) > 5 for text in reference)
    assert texts("Q8_0") == reference
    for kind in ("Q5_1", "Q4_0"):
        for text, wanted in zip(texts(kind), reference, strict=True):
            assert len(set(text.split()) & set(wanted.split())) > 0.7 * len(set(wanted.split()))


def plain(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.lower())


def doubled(path: Path) -> Floats:
    """8 kHz to 16 kHz."""
    sound = np.array(samples(str(path)), np.float32)
    return np.interp(np.arange(2 * len(sound)) / 2, np.arange(len(sound)), sound).astype(np.float32)


@pytest.mark.bench
@pytest.mark.parametrize("context", [0, 112])
def test_ctranslate2_is_measured(tmp_path: Path, context: int) -> None:
    pytest.importorskip("faster_whisper", reason="needs faster-whisper: ./inv install bench")
    told = measured("run_ctranslate2", peer_files.ctranslate2("random-tiny.en"), tmp_path, context)
    check_measured(told)
    assert "int8" in told["about"]["system"]


@pytest.mark.bench
def test_ctranslate2_computes_what_our_runtime_computes(tiny: Checkpoint) -> None:
    """So the joined matrices, the biases and the heads are where they belong.

    It computes in floats here: without VNNI its sums of int8 saturate.
    """
    ctranslate2 = pytest.importorskip("ctranslate2", reason="needs faster-whisper: ./inv install bench")
    mel = np.random.default_rng(158).uniform(-1, 1, (80, 3000)).astype(np.float32)
    model = ctranslate2.models.Whisper(str(peer_files.ctranslate2("random-tiny.en")), compute_type="float32")
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(mel[None]), to_cpu=True))[0]
    with Engine(runtime.shared_library(), models.ensure("random-tiny.en-f16")) as engine:
        ours = engine.encode(mel)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99
