# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The leaderboard's sets by their names, of a stand-in for Hugging Face's package; without a network, a sentence."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from whisper158.errors import UserError
from whisper158.evaluate.accuracy import leaderboard, sets

UNSCORED = "ignore_time_segment_in_scoring"


def wav(seconds: float, level: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full(int(16000 * seconds), level, np.float32), 16000, format="WAV", subtype="PCM_16")
    return file.getvalue()


class Rows:
    """The longest first, as in the repository. asked: how many were looked at."""

    def __init__(self, texts: list[str], split: str) -> None:
        self._texts, self.asked = texts, 0
        self.info = SimpleNamespace(splits={split: SimpleNamespace(num_examples=len(texts))})

    def cast_column(self, name: str, kind: object) -> "Rows":
        assert (name, kind) == ("audio", "bytes")
        return self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for i, text in enumerate(self._texts):
            self.asked += 1
            yield {"audio": {"bytes": wav(1 - i / 100, i / 100)}, "text": text, "id": f"{i}", "dataset": "x"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[tuple[str, str], Rows]:
    """What the stand-in has, by configuration and split."""
    known: dict[tuple[str, str], Rows] = {}

    def load_dataset(path: str, configuration: str, *, split: str, streaming: bool) -> Rows:
        if path != leaderboard.REPOSITORY or (configuration, split) not in known:
            raise ConnectionError("Couldn't reach\nthe Hub")
        assert streaming
        return known[configuration, split]

    stand_in = SimpleNamespace(load_dataset=load_dataset, Audio=lambda decode: "" if decode else "bytes")
    monkeypatch.setitem(sys.modules, "datasets", stand_in)
    monkeypatch.setenv("WHISPER158_CACHE", str(tmp_path))
    monkeypatch.setattr(sets, "FOLDER", tmp_path / "speech")
    return known


@pytest.mark.parametrize(("name", "source"), leaderboard.SETS.items())
def test_every_set_is_found_by_its_name(
    name: str, source: leaderboard.Source, hub: dict[tuple[str, str], Rows]
) -> None:
    hub[source.configuration, source.split] = Rows(["Hello  there.", "Good bye."], source.split)
    found = sets.find(name)
    assert found.name == name
    assert [u.text for u in found.utterances] == ["Hello there.", "Good bye."]
    assert found.ids == [f"{name}-000000", f"{name}-000001"]


def test_sound_is_kept_as_it_was(hub: dict[tuple[str, str], Rows]) -> None:
    hub["ami", "test"] = Rows(["zero", "one", "two", "three"], "test")
    one = sets.find("ami").utterances[3]
    assert one.seconds == pytest.approx(0.97)
    samples, _ = soundfile.read(io.BytesIO(wav(0.97, 0.03)), dtype="float32")
    assert np.array_equal(one.load(), samples)


def test_some_are_evenly_spaced(hub: dict[tuple[str, str], Rows]) -> None:
    rows = hub["ami", "test"] = Rows([f"number {i}" for i in range(10)], "test")
    assert [u.text for u in sets.find("ami", 4).utterances] == ["number 0", "number 2", "number 5", "number 7"]
    assert rows.asked == 8
    assert len(sets.find("ami", 99).utterances) == 10


def test_what_is_not_to_be_scored_is_left_out(hub: dict[tuple[str, str], Rows]) -> None:
    hub["tedlium", "test"] = Rows(["one", "", UNSCORED, "Ignore time segment in scoring", "two"], "test")
    assert [u.text for u in sets.find("tedlium").utterances] == ["one", "two"]


def test_what_was_fetched_needs_no_network(hub: dict[tuple[str, str], Rows], monkeypatch: pytest.MonkeyPatch) -> None:
    hub["ami", "test"] = Rows(["one", "two"], "test")
    before = sets.find("ami")
    hub.clear()
    assert sets.find("ami").sha256 == before.sha256
    with pytest.raises(UserError, match="cannot be opened: Couldn't reach the Hub"):
        sets.find("ami", 1)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="`datasets` is not installed"):
        sets.find("voxpopuli")


def test_fetching_goes_on_where_it_was(hub: dict[tuple[str, str], Rows], tmp_path: Path) -> None:
    rows = Rows(["one", "two", "three"], "test")
    rows._texts = ["one", "two"]  # of three that were promised
    hub["ami", "test"] = rows
    with pytest.raises(UserError, match=r"ended before its clip 2 of 3 of ami"):
        sets.find("ami")
    kept = sorted((tmp_path / "leaderboard" / "ami").glob("*"))
    assert [file.name for file in kept] == ["000000.flac", "000001.flac"]
    written = [file.stat().st_mtime_ns for file in kept]
    hub["ami", "test"] = Rows(["one", "two", "three"], "test")
    assert len(sets.find("ami").utterances) == 3
    assert [file.stat().st_mtime_ns for file in kept] == written


def test_a_dataset_of_unknown_length_is_refused(hub: dict[tuple[str, str], Rows]) -> None:
    rows = hub["ami", "test"] = Rows(["one"], "test")
    rows.info = SimpleNamespace(splits=None)
    with pytest.raises(UserError, match="does not say how many clips its split test has"):
        sets.find("ami")


def test_a_set_that_lies_here_is_not_fetched(hub: dict[tuple[str, str], Rows], tmp_path: Path) -> None:
    folder = tmp_path / "speech" / "ami"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.flac", np.zeros(1600, np.float32), 16000)
    line = (
        '{"id": "a", "file": "a.flac", "text": "Own.", "speaker": "x", "seconds": 0.1, "licence": "x", "source": "x"}'
    )
    (folder / "manifest.jsonl").write_text(line + "\n")
    assert [u.text for u in sets.find("ami").utterances] == ["Own."]


def test_no_such_set(hub: dict[tuple[str, str], Rows]) -> None:
    with pytest.raises(UserError, match="there is no set 'amy'") as refused:
        sets.find("amy")
    assert "earnings22" in str(refused.value.hint)
