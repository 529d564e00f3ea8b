# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper158.data.manifest import Appender, Clip, read, write
from whisper158.errors import UserError

GOOD: dict[str, Any] = {
    "id": "a",
    "file": "a.flac",
    "text": None,
    "speaker": "s",
    "seconds": 1.5,
    "licence": "CC0",
    "source": "here",
    "dataset": "what nobody asks for",
}


def clip(id: str, folder: Path, text: str | None = None) -> Clip:
    return Clip(id, folder / f"{id}.flac", text, "s", 1.5, "CC0", "here")


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda t: t.isprintable() and t.strip())
ids = st.text("abcdefghij-_0123456789", min_size=1, max_size=10)


@given(st.lists(st.tuples(ids, st.none() | words, words, st.integers(1, 10**7)), unique_by=lambda entry: entry[0]))
def test_what_is_written_is_read(entries: list[tuple[str, str | None, str, int]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        clips = tuple(Clip(i, folder / f"{i}.opus", t, s, ms / 1000, s, s) for i, t, s, ms in entries)
        write(folder / "manifest.jsonl", clips)
        assert read(folder / "manifest.jsonl") == clips
        assert [path.name for path in folder.iterdir()] == ["manifest.jsonl"]


def test_files_elsewhere_are_named_by_their_absolute_path(tmp_path: Path) -> None:
    inside, outside = clip("in", tmp_path / "data" / "wavs"), clip("out", tmp_path / "other")
    write(tmp_path / "data" / "manifest.jsonl", (inside, outside))
    lines = (tmp_path / "data" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["file"] for line in lines] == ["wavs/in.flac", str(tmp_path / "other" / "out.flac")]
    assert read(tmp_path / "data" / "manifest.jsonl") == (inside, outside)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": 3}, ":2: id: 3 is not a text"),
        ({"speaker": " "}, ":2: speaker: ' ' is not a text"),
        ({"text": ["a"]}, ":2: text: ['a'] is not a text"),
        ({"text": "a\nb"}, ":2: text: 'a\\nb' has control characters or line ends in it"),
        ({"seconds": 0}, ":2: seconds: 0 is not a positive number"),
        ({"seconds": True}, ":2: seconds: True is not a positive number"),
        ({"seconds": float("inf")}, ":2: seconds: inf is not a positive number"),
        ({"seconds": "1"}, ":2: seconds: '1' is not a positive number"),
        ({}, ":2: id: 'a' is there twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, **change}) + "\n")
    with pytest.raises(UserError, match=re.escape(f"{manifest}{complaint}")):
        read(manifest)


@pytest.mark.parametrize("key", ["id", "file", "speaker", "seconds", "licence", "source"])
def test_what_is_missing_is_named(tmp_path: Path, key: str) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps({name: value for name, value in GOOD.items() if name != key}))
    with pytest.raises(UserError, match=f"manifest.jsonl:1: {key}"):
        read(manifest)


@pytest.mark.parametrize("line", [b"{", b"\xff\xfe", b"[" * 100_000, b'"clip"'])
def test_what_is_not_json_is_named(tmp_path: Path, line: bytes) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_bytes(line)
    with pytest.raises(UserError, match=r"manifest.jsonl:1: not a"):
        read(manifest)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the manifest .*none.jsonl: No such file"):
        read(tmp_path / "none.jsonl")


def test_a_line_that_was_cut_is_dropped_when_writing_goes_on(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    with Appender(manifest) as appender:
        appender.add(clip("a", tmp_path))
        appender.add(clip("b", tmp_path))
    manifest.write_bytes(manifest.read_bytes()[:-10])
    with Appender(manifest) as appender:
        appender.add(clip("c", tmp_path))
    assert [c.id for c in read(manifest)] == ["a", "c"]


def test_one_writer_at_a_time_where_it_must_be_so(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    with Appender(manifest) as first, Appender(manifest) as second:
        first.add(clip("a", tmp_path))
        second.add(clip("b", tmp_path))
        with pytest.raises(UserError, match="is being written by another process"):
            Appender(manifest, alone=True)
    with Appender(manifest, alone=True), pytest.raises(UserError, match="is being written by another process"):
        Appender(manifest)
    assert [c.id for c in read(manifest)] == ["a", "b"]


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    write(manifest, [clip("a", tmp_path)])

    def broken() -> Any:
        yield clip("b", tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(manifest, broken())
    assert [c.id for c in read(manifest)] == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]
