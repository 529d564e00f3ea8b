# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from whisper158.data import layouts
from whisper158.data.manifest import Clip, read, write
from whisper158.data.split import job, refuse_overlap, refuse_same_texts, split, split_files
from whisper158.errors import UserError


def record(path: Path, seconds: float = 0.5, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(seconds * rate), np.float32), rate)


def index(
    source: Path | str, out: Path, licence: str = "", split: str = "", keep_text: bool = True
) -> tuple[Clip, ...]:
    layouts.index(str(source), out, licence, split=split, keep_text=keep_text)
    return read(out)


def test_librispeech(tmp_path: Path) -> None:
    chapter = tmp_path / "LibriSpeech" / "train" / "103" / "1240"
    for number in range(2):
        record(chapter / f"103-1240-000{number}.flac")
    (chapter / "103-1240.trans.txt").write_text("103-1240-0000 CHAPTER ONE\n103-1240-0001 MISSUS LYNDE'S\n")
    clips = index(tmp_path / "LibriSpeech", tmp_path / "m.jsonl")
    assert [(c.id, c.text, c.speaker, c.seconds, c.licence, c.source) for c in clips] == [
        ("103-1240-0000", "chapter one", "103", 0.5, "CC-BY-4.0", "LibriSpeech"),
        ("103-1240-0001", "missus lynde's", "103", 0.5, "CC-BY-4.0", "LibriSpeech"),
    ]
    assert all(c.text is None for c in index(tmp_path / "LibriSpeech", tmp_path / "n.jsonl", keep_text=False))


def test_common_voice(tmp_path: Path) -> None:
    for name in "ab":
        record(tmp_path / "clips" / f"{name}.mp3")
    header = "client_id\tpath\tsentence\tup_votes\n"
    (tmp_path / "validated.tsv").write_text(f'{header}x1\ta.mp3\tA "quote, yes.\t2\nx2\tb.mp3\t\t2\n')
    (tmp_path / "dev.tsv").write_text(f"{header}x2\tb.mp3\tHello.\t2\n")
    assert [(c.id, c.text, c.speaker, c.licence) for c in index(tmp_path, tmp_path / "m.jsonl")] == [
        ("a", 'A "quote, yes.', "x1", "CC0-1.0"),
        ("b", None, "x2", "CC0-1.0"),
    ]
    assert [c.text for c in index(tmp_path, tmp_path / "m.jsonl", split="dev")] == ["Hello."]
    with pytest.raises(UserError, match=r"there is no test.tsv in"):
        index(tmp_path, tmp_path / "m.jsonl", split="test")
    for line in ("x1\t../../etc/passwd\tHi.\t1\n", "\ta.mp3\tHi.\t1\n", "x1\n"):
        (tmp_path / "bad.tsv").write_text(header + line)
        with pytest.raises(UserError, match=r"bad.tsv: there is a line without"):
            index(tmp_path, tmp_path / "m.jsonl", split="bad")


def test_any_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "anna" / "one.wav", rate=8000)
    record(tmp_path / "anna" / "sub" / "two.FLAC")
    record(tmp_path / "zero.wav", 0)
    (tmp_path / "anna" / "one.txt").write_text("\ufeffGood\n  morning.\n")
    (tmp_path / "anna" / "broken.wav").write_text("no sound")
    (tmp_path / "anna" / "picture.png").write_text("")
    with pytest.raises(UserError, match="nothing says by which licence") as caught:
        index(tmp_path, tmp_path / "m.jsonl")
    assert caught.value.hint == "say so: --licence CC-BY-4.0"
    clips = index(tmp_path, tmp_path / "m.jsonl", "CC0-1.0")
    assert [(c.id, c.text, c.speaker, c.seconds) for c in clips] == [
        ("anna/one", "Good morning.", "anna", 0.5),
        ("anna/sub/two", None, "anna", 0.5),
    ]
    assert "2 files are missing, empty or no sound" in capsys.readouterr().err


def test_where_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are no recordings in"):
        index(tmp_path, tmp_path / "m.jsonl", "CC0-1.0")
    with pytest.raises(UserError, match="there is no such folder"):
        index(tmp_path / "none", tmp_path / "m.jsonl", "CC0-1.0")
    assert not (tmp_path / "m.jsonl").exists()


# --- Hugging Face


class Rows:
    """What a dataset looks like from outside."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def cast_column(self, name: str, kind: object) -> "Rows":
        assert name == "audio"
        return self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)


def wav(rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((rate // 2, 2), np.float32), rate, format="WAV")
    return file.getvalue()


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The rows of the one dataset that a stand-in for Hugging Face's package has."""
    rows: list[dict[str, Any]] = []

    def load_dataset(path: str, configuration: str | None, *, split: str, streaming: bool) -> Rows:
        if (path, configuration, split, streaming) != ("some/one", "en", "train", True):
            raise OSError("no\nnetwork")
        return Rows(rows)

    stand_in = SimpleNamespace(load_dataset=load_dataset, Audio=lambda decode: None)
    monkeypatch.setitem(sys.modules, "datasets", stand_in)
    return rows


def test_a_dataset_of_hugging_face(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    rows += [
        {"audio": {"bytes": wav(16000)}, "sentence": "Hello  there.", "client_id": 7},
        {"audio": {"bytes": wav(44100)}, "text": None},
    ]
    clips = index("hf:some/one:en", tmp_path / "m.jsonl", "CC0-1.0")
    assert [(c.id, c.text, c.speaker, c.seconds, c.source) for c in clips] == [
        ("00000000", "Hello there.", "7", 0.5, "Hugging Face some/one"),
        ("00000001", None, "some/one", 0.5, "Hugging Face some/one"),
    ]
    assert clips[0].path == tmp_path / "some-one-en-train" / "00000000.opus"
    written = {c.path: c.path.stat().st_mtime_ns for c in clips}
    index("hf:some/one:en", tmp_path / "m.jsonl", "CC0-1.0")
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.parametrize(
    ("audio", "reason"), [(None, "no column `audio`"), ({"bytes": b"RIFF"}, "libsndfile cannot read")]
)
def test_a_dataset_without_sound(audio: Any, reason: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    rows.append({"audio": audio, "text": "Hello."})
    with pytest.raises(UserError, match=reason):
        index("hf:some/one:en", tmp_path / "m.jsonl", "CC0-1.0")


def test_no_network_or_no_package(rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="the dataset other/one cannot be opened: no network"):
        index("hf:other/one", tmp_path / "m.jsonl", "CC0-1.0")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="`datasets` is not installed"):
        index("hf:some/one:en", tmp_path / "m.jsonl", "CC0-1.0")


# --- train, dev, test


def clips_of(speakers: list[str]) -> list[Clip]:
    return [Clip(f"{i}", Path(f"/{i}"), f"text {i} of it", name, 1.0, "CC0", "x") for i, name in enumerate(speakers)]


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=40, max_size=80), st.integers(0, 99))
def test_nobody_is_in_two_sets_and_no_clip_is_lost(speakers: list[str], seed: int) -> None:
    clips = clips_of([*speakers, "x", "y", "z"])
    sets = split(clips, 0.1, 0.1, seed)
    assert sorted(c.id for chosen in sets.values() for c in chosen) == sorted(c.id for c in clips)
    refuse_overlap(sets)
    assert set(sets) == {"train", "dev", "test"}
    again = split(clips[::-1], 0.1, 0.1, seed)
    assert {name: {c.speaker for c in chosen} for name, chosen in again.items()} == {
        name: {c.speaker for c in chosen} for name, chosen in sets.items()
    }, "the order of the clips does not matter"


def test_the_seed_matters() -> None:
    clips = clips_of([f"s{n}" for n in range(50)])
    assert split(clips, 0.2, 0, 1)["dev"] != split(clips, 0.2, 0, 2)["dev"]
    assert len(split(clips, 0.2, 0, 1)["dev"]) == 10


def test_too_few_speakers_and_the_same_clip_twice() -> None:
    with pytest.raises(UserError, match="there is no clip in the manifests"):
        split([], 0.1, 0.1, 1)
    with pytest.raises(UserError, match="2 speakers are too few"):
        split(clips_of(["a", "b"]), 0.1, 0.1, 1)
    with pytest.raises(UserError, match="same id is in two"):
        split(clips_of(["a", "b", "c"]) * 2, 0.1, 0.1, 1)


def test_files_are_written_unless_an_evaluation_set_has_a_part_in_them(tmp_path: Path) -> None:
    write(tmp_path / "all.jsonl", clips_of([f"s{n}" for n in range(20)]))

    def run(*against: Clip) -> None:
        write(tmp_path / "exam.jsonl", against)
        flags = [str(tmp_path / "exam.jsonl")] if against else []
        split_files(job([str(tmp_path / "all.jsonl")], str(tmp_path / "out"), "0.1", "0.1", 1, flags))

    exam = Clip("e", Path("/e"), "nothing in common", "e", 1.0, "CC0", "x")
    with pytest.raises(UserError, match="the speaker 's3' is in"):
        run(Clip("e", Path("/e"), None, "s3", 1.0, "CC0", "x"))
    trained = split(clips_of([f"s{n}" for n in range(20)]), 0.1, 0.1, 1)["train"][0]
    with pytest.raises(UserError, match=f"the clip {trained.id} says what an evaluation set says"):
        run(Clip("e", Path("/e"), trained.text, "e", 1.0, "CC0", "x"))
    assert not (tmp_path / "out").exists()
    run(exam)
    assert {name: len(read(tmp_path / "out" / f"{name}.jsonl")) for name in ("train", "dev", "test")} == {
        "train": 16,
        "dev": 2,
        "test": 2,
    }


def test_part_of_a_text_is_enough_to_refuse() -> None:
    clip = Clip("a", Path("/a"), "He said that it was all over by then.", "s", 1.0, "CC0", "x")
    exam = Clip("b", Path("/b"), "was it? that it was all over by nine", "t", 1.0, "CC0", "x")
    with pytest.raises(UserError, match="evaluation set"):
        refuse_same_texts([clip], [exam])


@pytest.mark.parametrize(
    ("dev", "complaint"),
    [("x", "--dev x is not a number"), ("1", "--dev"), ("-0.1", "--dev"), ("nan", "--dev")],
)
def test_shares_that_make_no_sense(dev: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        job(["m.jsonl"], ".", dev, "0", 1, [])
    with pytest.raises(UserError, match="needs a manifest"):
        job([], ".", "0.1", "0.1", 1, [])
