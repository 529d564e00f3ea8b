# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The runtime against OpenAI's own package on real speech: spectrogram, encoder, logits, tokens, words."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from whisper158.build import runtime
from whisper158.evaluate.engine import Engine
from whisper158.evaluate.sounds import Clip
from whisper158.evaluate.wer import word_error_rate
from whisper158.model import blob
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.load import load
from whisper158.model.pack import FORMATS, pack
from whisper158.units import SAMPLE_RATE

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install oracle")
pytest.importorskip("whisper", reason="needs OpenAI's package: ./inv install oracle")
oracle = pytest.importorskip("oracle")
original_code = pytest.importorskip("whisper158.evaluate.original")
simulate = pytest.importorskip("whisper158.evaluate.simulate")

pytestmark = [pytest.mark.oracle, pytest.mark.network]

Floats = npt.NDArray[np.float32]
ENGLISH = [50257, 50362]  # <|startoftranscript|><|notimestamps|>


@dataclass(frozen=True)
class Speech:
    id: str
    samples: Floats  # 16 kHz
    text: str


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def engine(model: Callable[[str], Path]) -> Iterator[Callable[[str], Engine]]:
    """`engine("f16")` runs tiny.en in that format; one for each format and test module."""
    engines: dict[str, Engine] = {}
    with ExitStack() as stack:

        def get(format: str) -> Engine:
            if format not in engines:
                engines[format] = stack.enter_context(Engine(runtime.shared_library(), model(f"tiny.en-{format}")))
            return engines[format]

        yield get


@pytest.fixture(scope="module")
def original() -> Any:
    return oracle.original(load("tiny.en"))


def doubled_rate(samples: Floats) -> Floats:
    """8 kHz to 16 kHz, exactly band-limited."""
    return (2 * np.fft.irfft(np.fft.rfft(samples), 2 * len(samples))).astype(np.float32)


def read(clip: Clip) -> Floats:
    samples, rate = soundfile.read(clip.path, dtype="float32")
    assert rate == SAMPLE_RATE // 2 and samples.ndim == 1
    return doubled_rate(samples)


@pytest.fixture(scope="module")
def speech(sounds: tuple[Clip, ...]) -> list[Speech]:
    """24 clips of 1 to 35 s of one person's real speech: single recordings and several in a row."""
    candidates = [clip for clip in sounds if clip.seconds >= 1]
    targets = [1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 23, 26, 29, 32, 35]
    made, at = [], 0
    for target in targets:
        parts: list[Floats] = []
        texts: list[str] = []
        while True:
            clip, at = candidates[at % len(candidates)], at + 7
            seconds = sum(map(len, parts)) / SAMPLE_RATE + clip.seconds
            if seconds > target and parts:
                break
            if seconds <= target + 0.5:
                parts.append(read(clip))
                texts.append(clip.text)
        made.append(Speech(f"{target} s: {texts[0][:20]}", np.concatenate(parts), " ".join(texts)))
    return made


def labelled(folder: Path) -> list[Speech]:
    """A set of recordings with a manifest.jsonl beside them."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    read = (soundfile.read(folder / line["file"], dtype="float32") for line in lines)
    return [Speech(line["id"], samples, line["text"]) for line, (samples, _) in zip(lines, read, strict=True)]


# ------------------------------------------------------------------------------------------------------------- numbers


def test_spectrogram(engine: Callable[[str], Engine], speech: list[Speech]) -> None:
    for clip in speech[::3]:
        samples = clip.samples[: 29 * SAMPLE_RATE]  # at 30 s exactly the original mirrors the end; longer audio goes on
        assert np.abs(engine("f16").mel(samples, 3000) - oracle.mel(samples)).max() < 1e-4, clip.id


@pytest.mark.parametrize(("format", "bound"), [("f16", 1e-4), ("q8", 2e-2)])
def test_encoder_and_logits(
    engine: Callable[[str], Engine], original: Any, speech: list[Speech], format: str, bound: float
) -> None:
    for clip in speech[4:20:5]:
        mel = oracle.mel(clip.samples)
        encoded = original_code.encode(original, mel)
        logits = oracle.decode(original, encoded, ENGLISH)[-1]
        assert oracle.distance(engine(format).encode(mel), encoded) < bound, clip.id
        got = engine(format).decode(ENGLISH)
        # What is added to all logits alike changes no probability.
        assert oracle.distance(got - got.mean(), logits - logits.mean()) < 3 * bound, clip.id


@pytest.mark.parametrize("frames", [100, 500])
def test_short_context(engine: Callable[[str], Engine], original: Any, speech: list[Speech], frames: int) -> None:
    mel = np.ascontiguousarray(oracle.mel(speech[3].samples)[:, : 2 * frames])
    assert oracle.distance(engine("f16").encode(mel), original_code.encode(original, mel)) < 1e-4


def test_golden_file_is_simulated(golden: Path) -> None:
    """Every dtype, packing and grouping, with int8 activations and attention in integers.

    Nothing but the order of float sums differs. Where that makes an activation round to the neighbouring step, the
    difference becomes one of a step; most inputs are spared.
    """
    model = simulate.simulation(blob.read(golden))
    rng = np.random.default_rng(158)
    tokens = [286, 287, 5, 6, 7]
    for kernels in ("ref", None):
        distances = []
        with Engine(runtime.shared_library(), golden, kernels=kernels) as engine:
            for frames in (40, 16, 7) * 4:
                mel = rng.standard_normal((80, 2 * frames)).astype(np.float32)
                encoded = engine.encode(mel)
                distances.append(oracle.distance(encoded, original_code.encode(model, mel)))
                for token, logits in zip(tokens, oracle.decode(model, encoded, tokens), strict=True):
                    distances.append(oracle.distance(engine.decode([token]), logits))
        assert np.median(distances) < 1e-6
        assert max(distances) < 1e-2


def first_layers(checkpoint: Checkpoint, layers: int) -> Checkpoint:
    def keep(name: str) -> bool:
        part = name.split(".")
        return part[1] != "blocks" or int(part[2]) < layers

    dims = replace(checkpoint.dims, n_audio_layer=layers, n_text_layer=layers)
    return replace(checkpoint, dims=dims, tensors={k: v for k, v in checkpoint.tensors.items() if keep(k)})


@pytest.mark.parametrize(("layers", "bound"), [(1, 4e-3), (4, 0.1)])
def test_ternary_is_simulated(speech: list[Speech], tmp_path: Path, layers: int, bound: float) -> None:
    """Real weights made ternary, real speech, int8 activations, attention in integers.

    Where a float sum in another order makes an activation round to the neighbouring step, a whole step is the
    difference. One layer shows that the arithmetic is the same; behind four of them, untrained, the differences have
    grown to the size of the steps themselves, and two kernel sets of the runtime differ as much from each other.
    """
    path = tmp_path / "ternary.w158"
    pack(first_layers(load("tiny.en"), layers), FORMATS["t158"], path)
    model = simulate.simulation(blob.read(path))
    mel = oracle.mel(speech[10].samples)
    with Engine(runtime.shared_library(), path) as engine:
        encoded = engine.encode(mel)
        assert oracle.distance(encoded, original_code.encode(model, mel)) < bound
        logits = oracle.decode(model, encoded, ENGLISH)
        for token, expected in zip(ENGLISH, logits, strict=True):
            assert oracle.distance(engine.decode([token]), expected) < bound


# -------------------------------------------------------------------------------------------------------------- tokens


def said_by_original(original: Any, clip: Speech, **options: Any) -> list[int]:
    result = oracle.transcribe(original, clip.samples, **options)
    return [token for segment in result["segments"] for token in segment["tokens"]]


def said_by_runtime(engine: Engine, clip: Speech, **options: Any) -> list[int]:
    return [token for segment in engine.transcribe(clip.samples, **options) for token in segment.tokens]


@pytest.mark.slow
@pytest.mark.parametrize("timestamps", [False, True], ids=["without timestamps", "with timestamps"])
def test_same_tokens(
    engine: Callable[[str], Engine],
    original: Any,
    speech: list[Speech],
    timestamps: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """24 clips of 1 to 35 s, one or two windows. Prompts in a row that belong to different sentences are hard to
    punctuate, so 8 bits change more of them than of what people say."""
    same = dict.fromkeys(("f16", "q8"), 0)
    for clip in speech:
        expected = said_by_original(original, clip, without_timestamps=not timestamps)
        for format in same:
            same[format] += said_by_runtime(engine(format), clip, timestamps=timestamps) == expected
    with capsys.disabled():
        print(f"\nsame tokens as the original, of {len(speech)} clips with timestamps {timestamps}: {same}")
    assert same["f16"] == len(speech)
    assert same["q8"] >= 0.8 * len(speech)


@pytest.mark.slow
def test_same_tokens_with_the_text_before_as_prompt(
    engine: Callable[[str], Engine], original: Any, speech: list[Speech]
) -> None:
    clip = Speech("a minute", np.concatenate([speech[-1].samples, speech[-2].samples]), "")
    assert said_by_runtime(engine("f16"), clip, timestamps=True, condition_on_previous=True) == said_by_original(
        original, clip, condition_on_previous_text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("condition", [False, True], ids=["first window", "all windows"])
def test_same_tokens_with_a_prompt_of_the_callers(
    engine: Callable[[str], Engine], original: Any, speech: list[Speech], condition: bool
) -> None:
    clip = max(speech, key=lambda clip: len(clip.samples))
    prompt = " IN CAPITALS, PLEASE: AGENT, QUEUE, ASTERISK. "
    said = said_by_runtime(engine("f16"), clip, timestamps=True, condition_on_previous=condition, prompt=prompt)
    assert said == said_by_original(original, clip, condition_on_previous_text=condition, initial_prompt=prompt)
    assert said != said_by_runtime(engine("f16"), clip, timestamps=True, condition_on_previous=condition)


@pytest.mark.slow
def test_multilingual(model: Callable[[str], Path], speech: list[Speech]) -> None:
    """base: language found and given, both tasks."""
    original = oracle.original(load("base"))
    with Engine(runtime.shared_library(), model("base-q8")) as engine:
        for clip in speech[8:12]:
            segments = engine.transcribe(clip.samples)
            assert segments[0].language == "en"
            expected = oracle.transcribe(original, clip.samples, language="en", without_timestamps=True)
            assert "".join(segment.text for segment in segments) == expected["text"], clip.id
        clip = speech[8]
        said = oracle.transcribe(original, clip.samples, language="fr", task="translate", without_timestamps=True)
        got = engine.transcribe(clip.samples, language="fr", task="translate")
        assert "".join(segment.text for segment in got) == said["text"]


@pytest.mark.slow
@pytest.mark.shared
def test_same_tokens_and_words_of_many_speakers(
    engine: Callable[[str], Engine], original: Any, shared_speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """92 clips of 1 to 23 s by 13 people: the same tokens, and the word error rates side by side.

    A gate has no time for more than a third of them.
    """
    same = {"f16": 0, "q8": 0}
    total = 0
    for name in ("librispeech_test_other", "vctk_mini", "misc_small"):
        clips = labelled(shared_speech / "eval" / name)[:: 3 if "CI" in os.environ else 1]
        said: dict[str, list[str]] = {"original": [], "f16": [], "q8": []}
        total += len(clips)
        for clip in clips:
            result = oracle.transcribe(original, clip.samples, without_timestamps=True)
            said["original"].append(result["text"])
            expected = [token for segment in result["segments"] for token in segment["tokens"]]
            for format in same:
                segments = engine(format).transcribe(clip.samples)
                said[format].append("".join(segment.text for segment in segments))
                same[format] += [token for segment in segments for token in segment.tokens] == expected
        scores = {who: word_error_rate([clip.text for clip in clips], texts) for who, texts in said.items()}
        with capsys.disabled():
            print(f"\n{name}, {len(clips)} clips, tiny.en")
            for who, score in scores.items():
                print(f"  {who:8}  WER {score}")
        assert abs(scores["q8"].rate - scores["original"].rate) < 0.01
    with capsys.disabled():
        print(f"\nsame tokens as the original, of {total} clips: {same}")
    assert same["f16"] == total
    assert same["q8"] >= 0.95 * total
