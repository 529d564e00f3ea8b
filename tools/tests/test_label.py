# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whisper158 import needs
from whisper158.build import runtime
from whisper158.data import audio
from whisper158.data.manifest import Clip, read, write
from whisper158.errors import UserError
from whisper158.evaluate.engine import Segment
from whisper158.model import models
from whisper158.model.golden import golden
from whisper158.train import label

SURE = Segment(0, 5, "", (), -0.2, 0.1, "en", False)


@pytest.mark.parametrize(
    ("text", "seconds", "segment", "reason"),
    [
        ("So it was, and so it will be.", 3.0, SURE, None),
        ("Yes.", 2.0, SURE, None),
        ("I had that that day, and that is that.", 3.0, SURE, None),
        ("", 3.0, SURE, "nothing heard"),
        (" ... ", 3.0, SURE, "nothing heard"),
        ("So it was.", 3.0, replace(SURE, repetition=True), "it repeats itself"),
        ("no no no no no no no no", 9.0, SURE, "it repeats itself"),
        ("and so on, and so on, and so on, and so on", 9.0, SURE, "it repeats itself"),
        (
            "I'm going to the store now. " * 3 + "I'm going to the store soon. " * 3,
            12.0,
            SURE,
            "it compresses too well",
        ),
        ("one two three four five six seven eight nine ten eleven", 1.0, SURE, "too many words for its length"),
        ("Thank you.", 20.0, SURE, "too few words for its length"),
        ("So it was.", 3.0, replace(SURE, avg_logprob=-1.4), "the model is not sure"),
    ],
)
def test_texts_that_nobody_said(text: str, seconds: float, segment: Segment, reason: str | None) -> None:
    assert label.fault(text, seconds, [SURE, segment]) == reason


class Teacher:
    """Stands in for the engine: says what a script says, in order, and can be interrupted."""

    def __init__(self, script: list[str]) -> None:
        self.script: Iterator[str] = iter(script)

    def __enter__(self) -> "Teacher":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def transcribe(self, sound: audio.Floats, language: str) -> list[Segment]:
        text = next(self.script)
        if text == "interrupt":
            raise KeyboardInterrupt
        return [replace(SURE, text=part) for part in text.split("|") if part]


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest of four clips, of which one has a text; and no engine is built."""
    monkeypatch.setattr(runtime, "shared_library", lambda: Path("library"))
    monkeypatch.setattr(models, "ensure", lambda name: Path(name))
    folder = tmp_path / "talks"
    folder.mkdir()
    texts = {"a": None, "b": "It was known.", "c": None, "d": None}
    for id in texts:
        audio.save(folder / f"{id}.opus", np.zeros(16000, np.float32))
    clips = (Clip(id, folder / f"{id}.opus", text, "s", 1.0, "CC0", "talks") for id, text in texts.items())
    write(folder / "manifest.jsonl", clips)
    return folder / "manifest.jsonl"


def teach(monkeypatch: pytest.MonkeyPatch, script: list[str]) -> None:
    monkeypatch.setattr(label, "Engine", lambda *_: Teacher(script))


def test_clips_get_texts_and_an_interrupted_run_goes_on(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out" / "labelled.jsonl"
    teach(monkeypatch, [" Good morning,| all.", "interrupt"])
    with pytest.raises(KeyboardInterrupt):
        label.label([recordings], out, "teacher")
    assert [(c.id, c.text, c.source) for c in read(out)] == [
        ("talks/a", "Good morning, all.", "talks; text by teacher"),
        ("talks/b", "It was known.", "talks"),
    ]
    teach(monkeypatch, ["", "Fine."])
    label.label([recordings], out, "teacher")
    assert [c.id for c in read(out)] == ["talks/a", "talks/b", "talks/d"]
    assert all(c.path.exists() for c in read(out))
    rejected = [json.loads(line) for line in (out.parent / "labelled.rejected.jsonl").read_text().splitlines()]
    assert rejected == [{"id": "talks/c", "reason": "nothing heard", "text": ""}]
    teach(monkeypatch, [])
    before = out.read_bytes()
    label.label([recordings], out, "teacher")
    assert out.read_bytes() == before


def test_a_transcript_is_heard_again_and_must_agree(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("whisper_normalizer")
    out = tmp_path / "labelled.jsonl"
    folder = recordings.parent
    texts = {"a": "IT WAS KNOWN BY ALL OF US", "b": "IT WAS KNOWN BY ALL OF THEM", "c": "...", "d": None}
    write(recordings, (Clip(i, folder / f"{i}.opus", text, "s", 4.0, "CC0", "talks") for i, text in texts.items()))
    teach(monkeypatch, ["It was known by all of us.", "It was known by all of us.", "Yes.", "Fine."])
    label.label([recordings], out, "teacher", agree="10")
    assert {clip.id: clip.text for clip in read(out)} == {"talks/a": "It was known by all of us.", "talks/d": "Fine."}
    rejected = [json.loads(line) for line in (tmp_path / "labelled.rejected.jsonl").read_text().splitlines()]
    assert {line["id"]: line["reason"] for line in rejected} == {
        "talks/b": "14% off its transcript",
        "talks/c": "its transcript says nothing",
    }


@pytest.mark.parametrize("agree", ["x", "-1", "101", "nan", "1e400"])
def test_what_is_no_percentage(agree: str, recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--agree .* is not a number from 0 to 100"):
        label.label([recordings], tmp_path / "out.jsonl", "teacher", agree=agree)


def test_manifests_that_cannot_be_told_apart(recordings: Path, tmp_path: Path) -> None:
    twin = tmp_path / "other" / "talks" / "manifest.jsonl"
    write(twin, read(recordings))
    with pytest.raises(UserError, match="folders of the same name"):
        label.label([recordings, twin], tmp_path / "out.jsonl", "teacher")
    with pytest.raises(UserError, match=r"model.data.label needs a manifest"):
        label.label([], tmp_path / "out.jsonl", "teacher")


@pytest.mark.parametrize("line", ["{", '{"reason": "x"}', '["id"]'])
def test_a_damaged_list_of_refusals(line: str, recordings: Path, tmp_path: Path, monkeypatch: Any) -> None:
    teach(monkeypatch, [])
    (tmp_path / "out.rejected.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=r"out.rejected.jsonl is damaged"):
        label.label([recordings], tmp_path / "out.jsonl", "teacher")


def test_many_clips_are_heard_at_a_time_through_pytorch(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="needs PyTorch: ./inv install train")
    pytest.importorskip("tiktoken", reason="needs the tokenizer: ./inv install train")
    from whisper158.train import speak

    monkeypatch.setattr(needs, "python", lambda _group: None)
    monkeypatch.setattr(speak, "load", lambda _name: golden())
    monkeypatch.setattr(label, "fault", lambda text, _seconds, _segments: None if text else "nothing heard")
    out = tmp_path / "labelled.jsonl"
    label.label([recordings], out, "golden", "pytorch")
    heard = {clip.id: clip.text for clip in read(out)}
    assert heard["talks/b"] == "It was known."
    with speak.listener("golden") as listen:
        silent = [clip for clip in read(recordings) if clip.text is None]
        said = {f"talks/{clip.id}": label._line(text) for clip, text in zip(silent, listen(silent), strict=True)}
    assert {id: text for id, text in said.items() if text} == {id: heard[id] for id in heard if id != "talks/b"}


def test_what_listens_has_a_name() -> None:
    with pytest.raises(UserError, match="--through ears is none of runtime, pytorch"):
        label.check_model("base-f16", "ears")
