# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Whole training runs, of a model so small that a step takes a moment."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from whisper158.build import runtime
from whisper158.errors import UserError
from whisper158.evaluate.engine import Engine
from whisper158.model.blob import read
from whisper158.model.golden import golden
from whisper158.model.ternary import unpack
from whisper158.paths import ROOT

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install train")
pytest.importorskip("tiktoken", reason="needs the tokenizer: ./inv install train")
pytest.importorskip("whisper158.train.run")

from whisper158.train import batches, costs, dry, export, features, learner, moved, network, optimise, plot, run, saving  # noqa: E402
from whisper158.train import config as configs  # noqa: E402
from whisper158.train.begin import begin  # noqa: E402
from whisper158.train.clips import choose  # noqa: E402
from whisper158.train.floors import LEAST, Floors  # noqa: E402
from whisper158.train.memory import Memory  # noqa: E402
from whisper158.train.network import Trace  # noqa: E402
from whisper158.train.place import Place  # noqa: E402
from whisper158.train.quantisers import int4_codes, ternary_codes  # noqa: E402
from whisper158.train.tokenizer import tokenizer  # noqa: E402

# The golden model hears 0.8 s at a time and may say 32 tokens.
SECONDS = 0.6
TEXTS = ("hello world", "the world in hello", "on the hello", "a world")

CONFIG: dict[str, Any] = {
    "model": "golden",
    "quantisation": {"linear": "ternary", "head": "int4", "head_group": 32},
    "workers": 0,
    "evaluate_steps": 4,
    "data": {
        "frames": 80,
        "min_frames": 16,
        "min_seconds": 0.1,
        "max_seconds": 0.7,
        "tail_seconds": 0.1,
        "dev_clips": 2,
    },
    "stages": [
        {"name": "blocks", "steps": 4, "warmup": 1, "apart": True, "text": False, "losses": {"encoder": 1}},
        {"name": "whole", "steps": 4, "warmup": 1, "losses": {"encoder": 0.5, "decoder": 0.5, "kl": 1, "label": 1}},
    ],
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden model stands in for a real one, and its 0.8 s for Whisper's 30."""
    monkeypatch.setattr(run, "load_checkpoint", lambda _name: golden())
    monkeypatch.setattr(export, "load", lambda _name: golden())
    monkeypatch.setattr(batches, "WINDOW", 0.8)
    monkeypatch.setattr(batches, "PARENT_FRAMES", 32)
    monkeypatch.setattr(batches, "PARENT_STEP", 8)
    monkeypatch.setattr(batches, "TILE", 8)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A manifest of noises that are said to be words"""
    rng = np.random.default_rng(158)
    lines = []
    for i in range(12):
        sound = rng.normal(0, 0.1, round(rng.uniform(0.3, 1) * SECONDS * 16000)).astype(np.float32)
        soundfile.write(tmp_path / f"{i}.wav", sound, 16000)
        about = {"id": str(i), "file": f"{i}.wav", "text": TEXTS[i % 4], "speaker": f"s{i // 2}", "source": "made up"}
        lines.append(json.dumps({**about, "seconds": len(sound) / 16000, "licence": "MIT"}))
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


@pytest.fixture
def write(tmp_path: Path, speech: Path) -> Callable[..., Path]:
    """Writes a configuration, with changes."""

    def configuration(out: str = "run", **changes: Any) -> Path:
        content = {**CONFIG, "out": str(tmp_path / out), **changes}
        sources = [{"manifest": str(speech)}]
        content["data"] = {"sources": sources, "dev_source": str(speech), **CONFIG["data"], **changes.get("data", {})}
        path = tmp_path / f"{out}.yml"
        path.write_text(json.dumps(content))
        return path

    return configuration


def not_none(value: Any) -> Any:
    assert value is not None
    return value


def latest(path: Path) -> saving.Saved:
    return saving.load(Path(configs.read(path).out) / saving.LATEST)


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# -------------------------------------------------------------------------------------------------------------- batches


def made(path: Path, sentences: tuple[str, ...] = ()) -> batches.Batches:
    config = configs.read(path)
    chosen = choose(config.data, config.seed)
    return batches.Batches(config, chosen.clips, chosen.weights, tokenizer(golden()), 80, sentences=sentences)


def test_a_batch_follows_from_the_seed_and_its_number(write: Callable[..., Path]) -> None:
    one, two = made(write()), made(write())
    for i in (6, 1, 4):
        a, b = one[i], two[i]
        assert torch.equal(a.mel, b.mel)
        if a.text is not None and b.text is not None:
            assert torch.equal(a.text.tokens, b.text.tokens) and torch.equal(a.text.labels, b.text.labels)
    assert not torch.equal(one[4].mel, made(write(seed=2))[4].mel)


def test_contexts_are_whole_tiles_within_bounds_and_fit_the_budget(write: Callable[..., Path]) -> None:
    some = made(write(data={"full_share": 0.2}))
    shapes = {some[i].mel.shape for i in range(8)}
    assert len(shapes) > 1
    for clips, mels, columns in shapes:
        assert mels == 80
        assert columns // 2 % 8 == 0 and 16 <= columns // 2 <= 40
        assert clips * columns // 2 <= 80


def test_labels_are_the_next_tokens_and_the_text_is_whole(write: Callable[..., Path]) -> None:
    some = made(write(data={"timestamps_share": 0.5, "silence_share": 0.2, "join_share": 0.0}))
    words = tokenizer(golden())
    special = words.special
    said = set()
    for i in range(4, 8):
        text = some[i].text
        assert text is not None
        for tokens, labels, mask in zip(text.tokens.tolist(), text.labels.tolist(), text.mask.tolist(), strict=True):
            known = [(at, label) for at, label in enumerate(labels) if label != batches.UNTOLD]
            assert all(label == tokens[at + 1] for at, label in known if label < special.eot)
            assert known[-1][1] == special.eot
            text_of_clip = words.say([label for _, label in known])
            assert text_of_clip in ("", *TEXTS)
            if text_of_clip == "":
                assert known[0] == (0, special.no_speech) and not any(mask)
            else:
                said.add(text_of_clip)
                assert mask[0] and sum(mask) >= len(known)
    assert len(said) > 1


def test_stray_texts_go_with_the_sound_of_the_batch(write: Callable[..., Path]) -> None:
    config = configs.read(write(data={"stray_share": 0.7}))
    chosen = choose(config.data, config.seed)
    words = tokenizer(golden())
    some = batches.Batches(config, chosen.clips, chosen.weights, words, 80, sentences=("on the world", "a hello"))
    found = [text.stray for text in (some[i].text for i in range(4, 8)) if text is not None and text.stray is not None]
    assert found
    for stray in found:
        assert stray.tokens.shape == stray.mask.shape and len(stray.rows) == len(stray.tokens)
        for tokens, mask in zip(stray.tokens, stray.mask, strict=True):
            assert words.say(tokens[mask].tolist()) in ("on the world", "a hello")


def test_a_sound_may_have_many_stray_texts(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is another, the second its own with words exchanged, and so on; and what is learnt from them all is
    what would be learnt were each to hear its own copy of the sound."""
    monkeypatch.setattr(run, "to_read", lambda: TEXTS)
    stage = {**CONFIG["stages"][1], **ONLY_WORDS, "strays": 4, "asked_share": 0.5}
    path = write(stages=[stage], data={"stray_share": 0.7})
    config = configs.read(path)
    whole = run.Run(config, Place(0, 1, torch.device("cpu")), resume=False)
    items, found = made(path, TEXTS), 0
    for i in range(4):
        text = items[i].text
        assert text is not None
        if (stray := text.stray) is None:
            continue
        assert len(stray.tokens) == 4 * len(stray.rows) and not (stray.asked & ~stray.mask).any()
        for at, row in enumerate(stray.rows.tolist()):
            own = stray.tokens[4 * at + 1][stray.mask[4 * at + 1]]
            theirs = text.tokens[row][text.mask[row]]
            if len(theirs):
                assert own.shape == theirs.shape
                found += int((own == theirs).sum())
        hearing = whole.learner._hear(items[i], config.stages[0])
        sides = whole.learner._listen(hearing, config.stages[0])
        together = whole.learner._of_stray(stray, sides, config.stages[0])
        rows = stray.rows.repeat_interleave(4)
        apart = whole.learner._of_stray(replace(stray, rows=rows), sides, config.stages[0])
        assert all(together[name].item() == pytest.approx(apart[name].item(), rel=1e-5) for name in together)
    assert found
    run.train(path, resume=False)


ONLY_WORDS: dict[str, Any] = {"frozen": ["stem", "encoder", "embedding"], "losses": {"decoder": 0.5, "kl": 1}}


def test_in_a_cycle_the_sound_comes_again_and_stray_texts_do_not(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "to_read", lambda: TEXTS)
    stage = {**CONFIG["stages"][1], **ONLY_WORDS, "steps": 6, "cycle": 2}
    path = write(stages=[stage], data={"stray_share": 1.0})
    items = made(path, TEXTS)
    first, second, again = items[0], items[1], items[2]
    texts = [text for text in (items[i].text for i in range(0, 6, 2)) if text is not None]
    assert torch.equal(first.mel, made(path, TEXTS)[2].mel) and torch.equal(texts[0].tokens, texts[1].tokens)
    assert again.mel.shape == (*first.mel.shape[:2], 0) and again.seconds == first.seconds
    assert (first.key, second.key, again.key) == (0, 1, 0) and not torch.equal(first.mel, second.mel)
    strays = [text.stray.tokens for text in texts if text.stray is not None]
    assert any(a.shape != strays[0].shape or not torch.equal(a, strays[0]) for a in strays[1:])
    run.train(path, resume=False)
    assert latest(path).step == 6


def test_what_was_heard_is_remembered_as_it_was(write: Callable[..., Path]) -> None:
    path = write(stages=[{**CONFIG["stages"][1], **ONLY_WORDS, "cycle": 1}])
    config = configs.read(path)
    whole = run.Run(config, Place(0, 1, torch.device("cpu")), resume=False)
    batch = made(path)[0]
    first, again = (whole.learner(batch, config.stages[0])["loss"].item() for _ in range(2))
    fresh = whole.learner(replace(batch, key=None), config.stages[0])["loss"].item()
    assert again == pytest.approx(first, rel=1e-3) and again == pytest.approx(fresh, rel=0.05)


def test_what_the_parent_hears_is_remembered_from_run_to_run(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what is made worse, nor silence; and a run does not depend on what is remembered."""
    monkeypatch.setattr(run, "to_read", lambda: TEXTS)
    stages = [{**CONFIG["stages"][1], **ONLY_WORDS, "corrupt": 0.5}]
    remembering = {"stages": stages, "memory": str(tmp_path / "heard"), "data": {"stray_share": 0.5}}
    first, again = write("first", **remembering), write("again", **remembering)
    run.train(first, resume=False)
    kept = sorted((tmp_path / "heard").rglob("*.npy"))
    sizes = {path: path.stat().st_mtime_ns for path in kept}
    assert kept and not list((tmp_path / "heard").rglob("*.draft"))
    asked: list[int] = []
    encode = learner.Learner._clean

    def counting(self: Any, text: Any) -> Any:
        shape = text.mel.shape[-1] // 2, 64
        asked.extend(1 for key in text.keys if key and self._memory.recall(key, shape) is None)
        return encode(self, text)

    monkeypatch.setattr(learner.Learner, "_clean", counting)
    run.train(again, resume=False)
    assert not asked and {path: path.stat().st_mtime_ns for path in kept} == sizes
    assert same(latest(first).student, latest(again).student)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", None])
def test_a_memory_that_is_damaged_or_full_is_none(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, value = Memory(tmp_path), torch.linspace(-1, 1, 12).reshape(3, 4)
    if content is None:
        monkeypatch.setattr("whisper158.train.memory.SPARE", sys.maxsize)
    rounded = memory.note("one", value)
    assert torch.equal(rounded, value.half().float())
    assert len(list(tmp_path.rglob("*.npy"))) == (content is not None)
    for path in tmp_path.rglob("*.npy"):
        assert torch.equal(not_none(memory.recall("one", (3, 4))).float(), rounded)
        assert memory.recall("one", (4, 3)) is None and memory.recall(None, (3, 4)) is None
        path.write_bytes(content or b"")
    assert memory.recall("one", (3, 4)) is None
    assert not list(tmp_path.rglob("*.draft"))


def test_after_its_rounds_a_cycle_gives_way_to_another(write: Callable[..., Path]) -> None:
    stage = {**CONFIG["stages"][1], **ONLY_WORDS, "steps": 10, "cycle": 2, "rounds": 2}
    path = write(stages=[stage])
    assert [batch.key for batch in map(made(path).__getitem__, range(10))] == [0, 1, 0, 1, 2, 3, 2, 3, 4, 5]
    config = configs.read(path)
    whole = run.Run(config, Place(0, 1, torch.device("cpu")), resume=False)
    items = made(path)
    for i in range(6):
        whole.learner(items[i], config.stages[0])
    assert list(whole.learner._heard) == [2, 3]


def test_words_are_exchanged_for_others_of_the_batch_(write: Callable[..., Path]) -> None:
    stage = {**CONFIG["stages"][1], **ONLY_WORDS, "steps": 8, "cycle": 2}
    path, other = write(stages=[{**stage, "corrupt": 0.8}]), write("other", stages=[stage])
    config = configs.read(path)
    whole = run.Run(config, Place(0, 1, torch.device("cpu")), resume=False)
    end = whole.tokenizer.special.eot
    seen = set()
    items, sound = made(path), made(other)
    for i in range(8):
        corrupt = items[i]
        text, before = corrupt.text, sound[i].text
        assert text is not None and before is not None
        changed = text.tokens != before.tokens
        assert set(text.tokens[changed].tolist()) <= set(before.tokens[before.tokens < end].tolist())
        assert not changed[before.tokens >= end].any() and torch.equal(text.labels, before.labels)
        assert text.keys == before.keys
        seen.add(tuple(text.tokens[0].tolist()))
        kept = whole.learner(corrupt, config.stages[0])["kl"].item()
        fresh = whole.learner(replace(made(path)[i], key=None), config.stages[0])["kl"].item()
        assert kept == pytest.approx(fresh, rel=2e-2)
    assert len(seen) > 2


def test_a_brimful_window_ends_with_the_speech(write: Callable[..., Path]) -> None:
    settings = {"brim_share": 1.0, "augment_share": 0.0, "silence_share": 0.0, "join_share": 0.0, "full_share": 0.0}
    mel = made(write(data=settings))[4].mel
    floor = mel.amin(dim=(1, 2), keepdim=True)
    assert ((mel[:, :, -1:] - floor).amax(dim=(1, 2)) > 0.5).all()


def test_the_spectrogram_is_whispers(speech: Path) -> None:
    whisper = pytest.importorskip("whisper", reason="needs OpenAI's package: ./inv install oracle")
    samples, _ = soundfile.read(speech.parent / "0.wav", dtype="float32")
    theirs = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples), 1500 * 320))
    assert torch.allclose(features.log_mel(samples, 1500), theirs, atol=1e-4)


# ----------------------------------------------------------------------------------------------------------------- runs


def test_it_learns(write: Callable[..., Path]) -> None:
    stages = [
        {"name": "whole", "steps": 60, "warmup": 5, "losses": {"label": 1}, "rates": {"latent": 3e-3, "other": 3e-3}}
    ]
    path = write(stages=stages, evaluate_steps=60, data={"augment_share": 0.0})
    run.train(path, resume=False)
    losses = [e["label"] for e in plot.read(Path(configs.read(path).out) / "log.jsonl") if "label" in e]
    assert losses[-1] < 0.6 * losses[0]


def test_an_interrupted_run_ends_like_one_that_was_not(
    write: Callable[..., Path],
) -> None:
    whole, parts = write("whole"), write("parts")
    run.train(whole, resume=False)
    run.train(parts, resume=False, steps=3)
    assert latest(parts).step == 3
    run.train(parts, resume=True, steps=2)
    run.train(parts, resume=True)
    assert latest(parts).step == latest(whole).step == 8
    assert same(latest(parts).student, latest(whole).student)
    assert latest(parts).heard == pytest.approx(latest(whole).heard)


def test_stray_texts_are_learnt_from(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "to_read", lambda: TEXTS)
    path = write(data={"stray_share": 1.0}, evaluate_steps=100)
    run.train(path, resume=False)
    last = [entry for entry in plot.read(Path(configs.read(path).out) / "log.jsonl") if "kl" in entry][-1]
    for name in ("decoder", "kl"):
        assert last[f"{name}.stray"] > 0


def test_silence_alone_is_learnt_from(write: Callable[..., Path]) -> None:
    path = write(data={"silence_share": 1.0}, evaluate_steps=100)
    run.train(path, resume=False)
    entries = plot.read(Path(configs.read(path).out) / "log.jsonl")
    assert [entry["label"] for entry in entries if "label" in entry]
    assert all(entry["loss"] == entry["loss"] and "norm" in entry for entry in entries if "loss" in entry)


def test_silence_alone_teaches_decoder_blocks_nothing(write: Callable[..., Path]) -> None:
    """There are no words whose way through the blocks could be compared, and the run goes on."""
    stage = {**CONFIG["stages"][0], "text": True, "losses": {"decoder": 1}}
    path = write(stages=[stage], data={"silence_share": 1.0}, evaluate_steps=100)
    run.train(path, resume=False)
    entries = plot.read(Path(configs.read(path).out) / "log.jsonl")
    assert [entry["decoder"] for entry in entries if "decoder" in entry] == [0.0]


def test_what_is_frozen_does_not_move(write: Callable[..., Path]) -> None:
    stage = {**CONFIG["stages"][1], "frozen": ["stem", "encoder", "embedding"]}
    path = write(stages=[stage])
    run.train(path, resume=False)
    start = network.original(golden())
    network.quantise(start, network.Quantisation(**CONFIG["quantisation"]))
    before, after = start.state_dict(), latest(path).student
    assert all(torch.equal(after[n], before[n]) for n in before if n.startswith(("encoder.", "decoder.token")))
    assert not torch.equal(after["decoder.blocks.0.mlp.0.weight"], before["decoder.blocks.0.mlp.0.weight"])


def test_rows_whose_scale_has_gone_begin_again() -> None:
    parent, student = network.original(golden()), network.original(golden())
    network.quantise(student, network.Quantisation(**CONFIG["quantisation"]))
    floors = Floors(student)
    layer = student.encoder.blocks[0].mlp[0]
    before = layer.weight.detach().clone(), layer.scale.detach().clone()
    assert floors.revive(student, parent) == 0
    with torch.no_grad():
        layer.weight[3] = 0
        layer.scale[3] = -0.01
        layer.weight[5] = 0
    assert floors.revive(student, parent) == 1
    assert torch.equal(layer.weight[3], before[0][3]) and torch.equal(layer.scale, before[1])
    assert not layer.weight[5].any()


def test_no_step_takes_a_scale_away(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    stages = [{**stage, "rates": {"scale": 10.0}} for stage in CONFIG["stages"]]
    path = write(stages=stages, evaluate_steps=100)
    run.train(path, resume=False)
    student = network.original(golden())
    network.quantise(student, network.Quantisation(**CONFIG["quantisation"]))
    after = latest(path).student
    held = 0
    for name, layer in network.linear_layers(student).items():
        assert layer.scale is not None
        least = LEAST * layer.scale
        assert (after[f"{name}.scale"] >= least).all()
        held += int((after[f"{name}.scale"] == least).sum())
    assert held


def test_the_first_position_is_no_word() -> None:
    """However wrong it is, the blocks of the decoder are not measured by it, unless there is nothing else."""
    torch.manual_seed(1)
    said, target = (Trace([torch.randn(1, 4, 8) for _ in range(3)], torch.randn(1, 4, 8)) for _ in range(2))
    mask = torch.tensor([[True, True, True, False]])
    loss = learner._of_decoder(said, target, mask)["decoder"]
    for stage in [*said.stages, said.out]:
        stage[:, 0] += 100
    assert torch.equal(learner._of_decoder(said, target, mask)["decoder"], loss)
    alone = torch.tensor([[True, False, False, False]])
    assert learner._of_decoder(said, target, alone)["decoder"] > 100


def test_an_encoder_learns_through_its_parents_decoder(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "LONGEST_STRAY", 10)
    about = {"losses": {"kl": 1, "label": 1}, "frozen": ["decoder", "embedding"], "speaker": "parent"}
    path = write(stages=[{**CONFIG["stages"][1], **about}], data={"stray_share": 0.5})
    run.train(path, resume=False)
    start = network.original(golden())
    network.quantise(start, network.Quantisation(**CONFIG["quantisation"]))
    before, after = start.state_dict(), latest(path).student
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("decoder."))
    assert not torch.equal(after["encoder.blocks.0.mlp.0.weight"], before["encoder.blocks.0.mlp.0.weight"])


def test_a_float_control_trains_by_the_same_configuration(write: Callable[..., Path]) -> None:
    path = write(quantisation={"linear": "float", "head": "float"})
    run.train(path, resume=False)
    assert not [name for name in latest(path).student if name.endswith(".scale")]


def test_a_run_is_not_overwritten(write: Callable[..., Path]) -> None:
    path = write()
    run.train(path, resume=False, steps=1)
    with pytest.raises(UserError, match="is there already"):
        run.train(path, resume=False)
    with pytest.raises(UserError, match="another model or quantisation"):
        run.train(write(quantisation={"linear": "float", "head": "float"}), resume=True)


def test_a_run_leaves_the_processor_as_it_was(write: Callable[..., Path]) -> None:
    """Whatever runs after it in the same process may need numbers that are too small for training."""
    run.train(write(), resume=False, steps=1)
    assert sys.float_info.min / 2 > 0


def test_dev_speakers_are_not_learnt_from(write: Callable[..., Path], speech: Path) -> None:
    """Not from another excerpt of the corpus either."""
    other = speech.with_name("other.jsonl")
    other.write_text(speech.read_text().replace("made up", "elsewhere"))
    config = configs.read(write(data={"sources": [{"manifest": str(speech)}, {"manifest": str(other)}]}))
    chosen = choose(config.data, config.seed)
    assert len(chosen.dev) >= 2
    assert not {clip.speaker for clip in chosen.dev} & {clip.speaker for clip in chosen.clips}
    assert {clip.source for clip in chosen.clips} == {"made up", "elsewhere"}


def test_a_dry_run_keeps_nothing_and_tells_the_cost_of_each_stage(
    write: Callable[..., Path], speech: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dry, "make_speech", lambda *_: speech)
    path = write(model="openai/whisper-small")
    before = sorted(path.parent.iterdir())
    dry.dry_run(path, frames=48)
    assert sorted(path.parent.iterdir()) == before
    said = capsys.readouterr().err
    assert "batches of 48 frames" in " ".join(said.split())
    assert all(name in said for name in ("blocks", "whole", "hours", "Peak memory"))


def test_a_dry_run_wants_a_batch(write: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="--frames: is 0, must be at least 1"):
        dry.dry_run(write(model="openai/whisper-small"), frames=0)


def test_a_dry_run_wants_a_model_whose_shape_it_knows() -> None:
    assert dry.shape("openai/whisper-small") == "random-small"
    assert dry.shape("tiny.en") == "random-tiny.en"
    with pytest.raises(UserError, match="the shape of 'mine' is not known"):
        dry.shape("mine")


def test_what_nobody_learns_from_is_watched_as_it_is(write: Callable[..., Path]) -> None:
    """The same clips in the same way each time, whatever is done to those of the training."""
    rests = {"latent": 0.0, "scale": 0.0, "embedding": 0.0, "other": 0.0}
    stage = {**CONFIG["stages"][1], "rates": rests}
    hard = {"augment_share": 1.0, "silence_share": 0.5, "join_share": 0.5}
    path = write(stages=[{**stage, "steps": 6, "corrupt": 0.9}], data=hard, evaluate_steps=2)
    run.train(path, resume=False)
    watched = [e for e in plot.read(Path(configs.read(path).out) / "log.jsonl") if "wer" in e]
    assert [entry["step"] for entry in watched] == [2, 4, 6]
    for name in ("unheard.kl", "unheard.label", "unheard.accuracy"):
        assert watched[0][name] == pytest.approx(watched[2][name], rel=5e-3)
    assert watched[0]["unheard.kl"] > 0


def test_a_run_can_be_drawn(write: Callable[..., Path]) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: ./inv install train")
    path = write()
    run.train(path, resume=False)
    out = Path(configs.read(path).out)
    assert (out / "run.png").read_bytes().startswith(b"\x89PNG")
    assert plot.stages(plot.read(out / "log.jsonl")) == [4]


def test_what_a_run_has_cost(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(evaluate_steps=4)
    run.train(path, resume=False)
    out = Path(configs.read(path).out)
    entries = plot.read(out / "log.jsonl")
    stages = costs.costs(entries)
    assert [cost.stage for cost in stages] == [stage["name"] for stage in CONFIG["stages"]]
    assert [cost.last for cost in stages] == [*plot.stages(entries), configs.read(path).steps]
    assert stages[-1].wer == entries[-1]["wer"] and all(cost.median > 0 for cost in stages)
    assert costs.table(str(out)).splitlines()[-1].startswith("| all |")
    (tmp_path / "log.jsonl").write_text('{"step": 1, "stage": "whole"}\n{')
    with pytest.raises(UserError, match=r"log.jsonl: not the log of a training run"):
        costs.table(str(tmp_path))
    with pytest.raises(UserError, match=r"there is no log.jsonl"):
        costs.table("")


def test_how_many_codes_have_changed(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    run.train(path, resume=False)
    out = Path(configs.read(path).out)
    before, after = out / "blocks.pt", tmp_path / "after.pt"
    saved = saving.load(before)
    layer = "encoder.blocks.0.mlp.0"
    codes = ternary_codes(saved.student[f"{layer}.weight"], saved.student[f"{layer}.scale"])
    turned = {**saved.student, f"{layer}.weight": (1.0 - codes.abs()) * saved.student[f"{layer}.scale"]}
    saving.save(after, replace(saved, student=turned))
    table = [line.split(" | ") for line in moved.table(str(before), str(after)).splitlines()[2:]]
    rows = {cells[0]: cells[2] for cells in table}
    blocks = sum(name.startswith("encoder.blocks.") and name.endswith(".mlp.0.scale") for name in saved.student)
    assert rows.pop("| encoder mlp.0") == f"{1 / blocks:.1%}"
    assert set(rows.values()) == {"0.0%"}
    assert moved.table(str(out / "blocks.pt"), str(out / "whole.pt")) != moved.table(str(before), str(before))


def test_codes_of_unlike_checkpoints_are_not_compared(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    run.train(path, resume=False)
    one = Path(configs.read(path).out) / "blocks.pt"
    saved = saving.load(one)
    floats = {name: value for name, value in saved.student.items() if not name.endswith(".scale")}
    saving.save(tmp_path / "floats.pt", replace(saved, student=floats))
    saving.save(tmp_path / "other.pt", replace(saved, origin="another"))
    for before, after, message in (
        (one, tmp_path / "other.pt", "is of another model or quantisation"),
        (one, tmp_path / "floats.pt", "has no ternary matrices"),
        (tmp_path / "floats.pt", one, "lacks encoder"),
        (one, tmp_path / "one.yml", "No such file"),
    ):
        with pytest.raises(UserError, match=message):
            moved.table(str(before), str(after))


def test_the_hours_of_a_stage_count_the_steps_that_are_not_logged() -> None:
    taken = {"stage": "whole", "seconds": 3600.0, "heard": 7200.0}
    again = [{"step": step, **taken} for step in (10, 20)] + [{"step": 20, "stage": "whole", "wer": 0.5}]
    assert costs.costs(again) == [costs.Cost("whole", 10, 20, 3600.0, 11.0, 22.0, 0.5)]


@pytest.fixture
def script(tmp_path: Path, write: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a program that trains the golden model, which only a test can name."""

    def program(**changes: Any) -> Path:
        path = tmp_path / "one.py"
        path.write_text(
            f"import sys; sys.path[:0] = [{str(ROOT / 'tools')!r}]\n"
            "from pathlib import Path\n"
            "from whisper158.model.golden import golden\n"
            "from whisper158.train import batches, run\n"
            "run.load_checkpoint = lambda _: golden()\n"
            "batches.WINDOW, batches.PARENT_FRAMES, batches.TILE = 0.8, 32, 8\n"
            f"run.train(Path({str(write(**changes))!r}), resume=False)\n"
        )
        return path

    return program


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_ends_the_run_with_a_checkpoint(
    script: Callable[..., Path], tmp_path: Path, number: signal.Signals
) -> None:
    with at_work(script, tmp_path) as process:
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "stopping after this step" in said
    assert saving.load(tmp_path / "run" / saving.LATEST).step >= 10


def test_a_lost_worker_is_a_sentence(script: Callable[..., Path], tmp_path: Path) -> None:
    with at_work(script, tmp_path) as process:
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(workers[0]), signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"UserError: .*run\.yml: a process that prepares batches was lost: .*Killed", said), said


@contextmanager
def at_work(script: Callable[..., Path], tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run with two workers that has learnt something and would go on for long"""
    stages = [{**CONFIG["stages"][1], "steps": 100_000}]
    command = [sys.executable, str(script(stages=stages, workers=2, evaluate_steps=10**9))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        log = tmp_path / "run" / "log.jsonl"
        until = time.monotonic() + 120
        while not (log.exists() and '"stage"' in log.read_text()):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        yield process


def test_two_processes_learn_together(script: Callable[..., Path], tmp_path: Path) -> None:
    """torchrun's way: each takes other batches, and both end with the same weights."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    saved = saving.load(tmp_path / "run" / saving.LATEST)
    assert saved.step == 8


# --------------------------------------------------------------------------------------------------------------- export


@pytest.mark.parametrize(("linear", "head"), [("ternary", "int4"), ("ternary", "int8"), ("float", "float")])
def test_the_runtime_says_what_was_learnt(write: Callable[..., Path], tmp_path: Path, linear: str, head: str) -> None:
    path = write(quantisation={"linear": linear, "head": head, "head_group": 32})
    run.train(path, resume=False)
    blob = export.export(configs.read(path).out, str(tmp_path / "trained.w158"), "small")
    student = network.original(golden())
    network.quantise(student, configs.read(path).quantisation)
    student.load_state_dict(latest(path).student)
    rng = np.random.default_rng(1)
    mel = features.log_mel(rng.normal(0, 0.1, 12800).astype(np.float32), 40)
    tokens = [tokenizer(golden()).special.sot, 5, 7]
    with torch.no_grad():
        heard = student.encoder(mel[None]).out
        said = student.decoder(torch.tensor([tokens]), heard)
        logits = student.decoder.token_embedding.logits(said.out)[0]
    with Engine(runtime.shared_library(), blob) as engine:
        encoded = engine.encode(np.ascontiguousarray(mel.numpy()))
        assert distance(encoded, heard[0].numpy()) < 0.05
        got = np.stack([engine.decode([token]) for token in tokens])
        assert distance(got, logits.numpy()) < 0.1


def distance(a: Any, b: Any) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_codes_are_exported_as_they_are(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    run.train(path, resume=False)
    out = export.export(configs.read(path).out, str(tmp_path / "trained.w158"), "small")
    student = latest(path).student
    name = "encoder.blocks.1.mlp.0"
    codes = torch.round(student[f"{name}.weight"] / student[f"{name}.scale"]).clamp(-1, 1)
    blob = read(out)
    section = blob.sections[f"{name}.weight"]
    assert np.array_equal(unpack(blob.array(section.name), section), codes.numpy())
    assert np.array_equal(blob.array(section.scale.name), student[f"{name}.scale"].numpy())


@pytest.mark.parametrize("head", ["int4", "int8"])
def test_a_run_can_begin_where_a_blob_ends(write: Callable[..., Path], tmp_path: Path, head: str) -> None:
    """What it would export at once is that blob; and it goes on learning."""
    how: dict[str, Any] = {"linear": "ternary", "head": head, "head_group": 32}
    path = write(quantisation=how)
    run.train(path, resume=False)
    out = Path(export.export(configs.read(path).out, str(tmp_path / "trained.w158"), "small"))
    begun = network.original(golden())
    network.quantise(begun, network.Quantisation(**how))
    begin(begun, str(out))
    student = latest(path).student
    layers = [key.removesuffix(".scale") for key in student if key.endswith(".scale")]
    assert ("decoder.token_embedding" in layers) == (head == "int4") and len(layers) > 20
    for layer in layers:
        four_bits = "token" in layer
        codes = int4_codes if four_bits else ternary_codes
        one, other = (
            codes(state[f"{layer}.weight"], state[f"{layer}.scale"]) for state in (student, begun.state_dict())
        )
        assert torch.equal(one, other), layer
    for key, value in begun.state_dict().items():
        if key.removesuffix(".weight") not in layers:
            assert distance(value, student[key]) < 0.01, key
    again = write("again", quantisation=how, begin=str(out))
    run.train(again, resume=False)
    assert latest(again).step == 8


def test_what_a_run_cannot_begin_with_is_named(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    run.train(path, resume=False)
    out = str(export.export(configs.read(path).out, str(tmp_path / "trained.w158"), "small"))
    for how, message in (
        ({"linear": "float", "head": "float"}, "scales that are not trained here: decoder.blocks.0.attn.key"),
        ({"linear": "ternary", "head": "int4", "head_group": 64}, "decoder.token_embedding.weight.scale of .* is"),
    ):
        with pytest.raises(UserError, match=message):
            run.train(write("other", quantisation=how, begin=out), resume=False)
    with pytest.raises(UserError, match=r"none\.w158"):
        run.train(write("other", begin=str(tmp_path / "none.w158")), resume=False)


@pytest.mark.parametrize("content", [b"", b"PK\3\4nothing", b"\x80\4garbage"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "latest.pt").write_bytes(content)
    with pytest.raises(UserError, match="not a checkpoint of a training run"):
        export.export(str(tmp_path), str(tmp_path / "out.w158"), "")
    assert not (tmp_path / "out.w158").exists()


def test_a_checkpoint_of_another_parent_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    run.train(path, resume=False, steps=1)
    file = Path(configs.read(path).out) / saving.LATEST
    saving.save(file, replace(saving.load(file), origin="f" * 64))
    with pytest.raises(UserError, match="its parent was another golden"):
        export.export(str(file), str(tmp_path / "out.w158"), "")


# -------------------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": []}, "stages: there is none"),
        ({"precision": "fp8"}, "precision: is 'fp8'"),
        ({"speed": 1}, "there is no field 'speed'"),
        ({"seed": "x"}, "seed: expected int, found 'x'"),
        ({"workers": True}, "workers: expected int, found True"),
        ({"stages": [{"name": "x", "steps": 1, "warmup": 0, "losses": {}}]}, "so there is nothing to learn"),
        ({"stages": [{"name": "x", "steps": 3, "warmup": 4, "losses": {"kl": 1}}]}, "longer than its 3 steps"),
        ({"stages": [{"name": "x", "steps": 1, "losses": {"kl": "much"}}]}, "kl: expected a number, found 'much'"),
        ({"stages": [{"name": "x", "steps": 1, "warmup": 0, "text": False, "losses": {"kl": 1}}]}, "without text"),
        (
            {"stages": [{"name": "x", "steps": 1, "warmup": 0, "frozen": ["head"], "losses": {"kl": 1}}]},
            "'head' is no part",
        ),
        ({"stages": [{"name": "x", "steps": 1, "warmup": 0, "cycle": 1, "losses": {"kl": 1}}]}, "its answers change"),
        (
            {"stages": [{"name": "x", "steps": 1, "warmup": 0, "speaker": "I", "losses": {"kl": 1}}]},
            "student or parent",
        ),
        ({"stages": [{"name": "x", "steps": 1, "warmup": 0, "corrupt": 2, "losses": {"kl": 1}}]}, "corrupt: is 2"),
        ({"stages": [{"name": "../x", "steps": 1, "warmup": 0, "losses": {"kl": 1}}]}, "names a checkpoint"),
        ({"stages": 2 * [{"name": "x", "steps": 1, "warmup": 0, "losses": {"kl": 1}}]}, "two are called 'x'"),
        (
            {"stages": [{"name": "x", "steps": 1, "warmup": -1, "losses": {"kl": 1}}]},
            "warmup: is -1, must be",
        ),
        ({"stages": [{"name": "x", "steps": 1, "warmup": 0, "losses": {"kl": float("inf")}}]}, "losses.kl: is inf"),
        ({"evaluate_steps": 0}, "evaluate_steps: is 0, must be at least 1"),
        ({"workers": -1}, "workers: is -1, must be from 0 to 256"),
        ({"betas": [0.9]}, "betas: there are 1, must be 2"),
        ({"quantisation": {"head_group": 7}}, "quantisation.head_group: is 7"),
        ({"data": {"join_share": 1.5}}, "data.join_share: is 1.5, must be from 0 to 1"),
        ({"data": {"sources": [{"manifest": "/nowhere.jsonl"}]}}, "there is no file /nowhere.jsonl"),
        ({"data": {"min_seconds": 20.0, "dev_clips": 0}}, "no clips are left"),
    ],
)
def test_a_bad_configuration_is_named(write: Callable[..., Path], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match="(?s)" + message):
        run.train(write(**changes), resume=False)


def test_a_control_is_like_another_run_but_for_what_it_says(write: Callable[..., Path]) -> None:
    path = write()
    control = path.with_name("control.yml")
    changed = "out: elsewhere\nquantisation: {linear: float, head: float}\nrate_share: 0.5\n"
    control.write_text(f"like: {path.name}\n{changed}")
    config, other = configs.read(path), configs.read(control)
    floats = network.Quantisation(linear="float", head="float")
    assert other == replace(config, out="elsewhere", quantisation=floats, rate_share=0.5)
    student, stage = network.original(golden()), config.stages[0]
    adam = optimise.optimiser(student, config)
    factors = [optimise.set_rates(adam, student, stage, stage.warmup, c.rate_share) for c in (config, other)]
    rates = {group["kind"]: group["lr"] for group in adam.param_groups}
    assert factors[1] == 0.5 * factors[0] and rates["other"] == factors[1] * stage.rates.other


@pytest.mark.parametrize("linear", ["ternary", "float"])
def test_a_rate_may_be_a_share_of_what_lies_between_codes(write: Callable[..., Path], linear: str) -> None:
    stage = {"name": "a", "steps": 9, "warmup": 0, "losses": {"kl": 1}, "rates": {"latent": 0, "share": 0.5}}
    config = configs.read(write(stages=[stage], quantisation={"linear": linear, "head": "float"}))
    student = network.original(golden())
    network.quantise(student, config.quantisation)
    layer = student.encoder.blocks[0].mlp[0]
    adam = optimise.optimiser(student, config)
    for times in (1.0, 4.0):
        with torch.no_grad():
            (layer.weight if layer.scale is None else layer.scale).mul_(times)
        optimise.set_rates(adam, student, config.stages[0], 0, 1.0)
        rates = {group.get("name", group["kind"]): group["lr"] for group in adam.param_groups}
        unit = (layer.weight.abs() if layer.scale is None else layer.scale).mean().item()
        assert rates["encoder.blocks.0.mlp.0.weight"] == pytest.approx(0.5 * unit)
        assert rates["other"] == config.stages[0].rates.other


def test_moments_of_an_optimiser_with_other_groups_are_taken(write: Callable[..., Path]) -> None:
    """As runs have them that began when all latent weights were of one group."""
    config = configs.read(write())
    student = network.original(golden())
    adam = optimise.optimiser(student, config)
    for group in adam.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.randn_like(parameter)
    adam.step()
    saved = adam.state_dict()
    groups = saved["param_groups"]
    latent = [group for group in groups if group["kind"] == "latent"]
    one = {**latent[0], "params": [i for group in latent for i in group["params"]]}
    old = {**saved, "param_groups": [one, *groups[len(latent) :]]}
    again = optimise.optimiser(student, config)
    optimise.restore(again, old)
    for name, parameter in student.named_parameters():
        assert torch.equal(again.state[parameter]["exp_avg"], adam.state[parameter]["exp_avg"]), name


@pytest.mark.parametrize("name", ["absent.yml", "control.yml", "[]"])
def test_what_a_configuration_cannot_be_like_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "control.yml"
    path.write_text(f"like: {name}\n")
    with pytest.raises(UserError, match=re.escape(name.removesuffix(".yml"))):
        configs.read(path)


@pytest.mark.parametrize("content", ["", "- 1", "model: [", "model: tiny.en", "\0"])
def test_what_is_no_configuration_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.yml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"bad\.yml"):
        configs.read(path)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yml")), ids=lambda path: path.name)
def test_the_configurations_of_the_project_can_be_read(path: Path) -> None:
    config = configs.read(path)
    assert asdict(config)["stages"]
