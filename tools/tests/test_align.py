# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""When words are said, and samples made of pieces of clips."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from whisper158.data import audio
from whisper158.data.manifest import Clip, read, write
from whisper158.errors import UserError
from whisper158.evaluate.sounds import Clip as Sound
from whisper158.model.golden import golden
from whisper158.model.load import load
from whisper158.train import words as files

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install train")
pytest.importorskip("tiktoken", reason="needs the tokenizer: ./inv install train")

from whisper158.train import align, batches  # noqa: E402
from whisper158.train import clips as choosing  # noqa: E402
from whisper158.train.config import Config, Data, Losses, Source, Stage  # noqa: E402
from whisper158.train.memory import Memory  # noqa: E402
from whisper158.train.network import original  # noqa: E402
from whisper158.train.tokenizer import tokenizer  # noqa: E402


@given(st.integers(1, 5), st.integers(0, 4), st.randoms(use_true_random=False))
def test_no_other_stretches_gain_more(rows: int, more: int, random: Any) -> None:
    columns = rows + more
    gain = np.array([[random.uniform(-1, 1) for _ in range(columns)] for _ in range(rows)], np.float32)

    def gained(firsts: tuple[int, ...]) -> float:
        return sum(float(gain[row, a:b].sum()) for row, (a, b) in enumerate(itertools.pairwise((*firsts, columns))))

    found = tuple(int(first) for first in align.stretches(gain))
    every = [(0, *rest) for rest in itertools.combinations(range(1, columns), rows - 1)]
    assert found in every
    assert gained(found) == pytest.approx(max(map(gained, every)), abs=1e-5)


def test_words_of_real_speech_lie_where_they_are_said(sounds: tuple[Sound, ...], tmp_path: Path) -> None:
    """Two prompts with a second of silence between them: no words of the one may lie where the other is."""
    one, two = [sound for sound in sounds if 3 < sound.seconds < 6][:2]
    parts = [audio.load(one.path), audio.load(two.path)]
    pause = np.zeros(audio.SAMPLE_RATE, np.float32)
    audio.save(tmp_path / "both.flac", np.concatenate([parts[0], pause, parts[1]]))
    seconds = [len(part) / audio.SAMPLE_RATE for part in parts]
    clip = Clip("a", tmp_path / "both.flac", f"{one.text} {two.text}", "s", 1 + sum(seconds), "CC0", "here")
    checkpoint = load("tiny.en")
    found = align.Aligner(original(checkpoint).eval(), tokenizer(checkpoint), Memory(None)).words(clip)
    assert len(found) == len((clip.text or "").split())
    assert all(a <= b for a, b in itertools.pairwise(border for word in found for border in word))
    count = len(one.text.split())
    assert found[count - 1][0] < seconds[0]
    # The pause goes to either neighbour.
    assert seconds[0] - 0.3 < found[count][0] < seconds[0] + 1.3
    assert seconds[0] + 1 < found[count + 1][0]


# ----------------------------------------------------------------------------------------------------------- the files


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four clips of two voices, whose words are tones: 0.1 s each after 0.05 s of silence, one pitch to a word"""
    clips = []
    for i in range(4):
        sound = np.concatenate([np.concatenate([np.zeros(800), tone(i, word)]) for word in range(3)])
        soundfile.write(tmp_path / f"{i}.wav", sound, 16000)
        text = " ".join(f"{'abcd'[i]}{word}" for word in range(3))
        clips.append(Clip(f"c{i}", tmp_path / f"{i}.wav", text, f"s{i % 2}", len(sound) / 16000, "CC0", "here"))
    write(tmp_path / "manifest.jsonl", clips)
    return tmp_path / "manifest.jsonl"


def tone(clip: int, word: int) -> Any:
    return 0.3 * np.sin(2 * np.pi * (400 + 300 * clip + 100 * word) * np.arange(1600) / 16000)


def mark(manifest: Path) -> None:
    """Writes the words as they are, but for what alignment may be off"""
    with files.beside(manifest).open("w") as out:
        for clip in read(manifest):
            words = [[round(0.15 * word + 0.03, 2), round(0.15 * word + 0.16, 2)] for word in range(3)]
            words[-1][1] = 0.45
            out.write(json.dumps({"id": clip.id, "text": clip.text, "words": words}) + "\n")


def test_words_are_kept_and_what_is_there_is_not_done_again(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align, "load", lambda _name: golden())
    monkeypatch.setattr(batches, "WINDOW", 0.8)
    monkeypatch.setattr(batches, "PARENT_FRAMES", 32)
    align.align([manifest], "golden", None)
    found, content = files.words_of(manifest, read(manifest)), files.beside(manifest).read_bytes()
    assert set(found) == {"c0", "c1", "c2", "c3"} and all(len(words) == 3 for words in found.values())

    # Cut short in the middle of a line, it goes on and ends alike.
    files.beside(manifest).write_bytes(content[: len(content) * 2 // 3])
    align.align([manifest], "golden", None)
    assert files.beside(manifest).read_bytes() == content
    monkeypatch.setattr(align, "load", lambda name: pytest.fail("there is nothing to do"))
    align.align([manifest], "golden", None)

    clips = read(manifest)
    write(manifest, [replace(clips[0], text="d e f"), replace(clips[1], text=None), *clips[2:]])
    assert set(files.words_of(manifest, read(manifest))) == {"c2", "c3"}


@pytest.mark.parametrize("change", [{"text": "and so on " * 20}, {"seconds": 0.9}])
def test_what_cannot_be_aligned_has_no_words(manifest: Path, change: dict[str, Any]) -> None:
    checkpoint = golden()
    aligner = align.Aligner(original(checkpoint), tokenizer(checkpoint), Memory(None))
    assert aligner.words(replace(read(manifest)[0], **change)) == ()


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"id": "c0", "text": "a0 a1 a2"}',
        '{"id": "c0", "text": "a0 a1 a2", "words": [[0]]}',
        '{"id": "c0", "text": "a0 a1 a2", "words": [[0, 0.1], [0.1, 0.2]]}',
        '{"id": "c0", "text": "a0 a1 a2", "words": [[0, 0.2], [0.1, 0.3], [0.3, 0.4]]}',
        '{"id": "c0", "text": "a0 a1 a2", "words": [[0, 0.2], [0.2, 0.3], [0.3, 9]]}',
        '{"id": "c0", "text": "a0 a1 a2", "words": [[-1, 0.2], [0.2, 0.3], [0.3, 0.4]]}',
        '{"id": "c0", "text": "a0 a1 a2", "words": [[0, NaN], [0.2, 0.3], [0.3, 0.4]]}',
    ],
)
def test_a_damaged_file_of_words_is_told_of(manifest: Path, line: str) -> None:
    files.beside(manifest).write_text(line + "\n")
    with pytest.raises(UserError, match=r"manifest\.words\.jsonl:1: "):
        files.words_of(manifest, read(manifest))


# -------------------------------------------------------------------------------------------------------------- splices


def config(manifest: Path, share: float) -> Config:
    data = Data((Source(str(manifest)),), min_seconds=0.1, dev_clips=0, silence_share=0, augment_share=0)
    return Config("golden", "", data, (Stage("one", 1, Losses(kl=1), splice_share=share),))


def spliced(manifest: Path) -> batches.Batches:
    how = config(manifest, 1.0)
    chosen = choosing.choose(how.data, 1)
    known = choosing.words(how)
    return batches.Batches(how, chosen.clips, chosen.weights, tokenizer(golden()), 80, words=known)


def test_pieces_are_the_words_that_their_text_says(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark(manifest)
    monkeypatch.setattr(batches, "SPLICED", (0.3, 1.2))
    monkeypatch.setattr(batches, "IN_A_ROW", (1, 2))
    some, rng = spliced(manifest), np.random.default_rng(1)
    plans = [some._plan(rng, 1.0) for _ in range(40)]
    texts = {tuple(piece.text for piece in plan.pieces) for plan in plans}
    assert len(texts) > 20
    voices = [{piece.clip.speaker for piece in plan.pieces} for plan in plans if len(plan.pieces) > 2]
    assert {len(found) for found in voices} == {1, 2}
    for plan in plans:
        assert plan.key is None and not plan.timestamps and 0.1 < plan.seconds < 1.5
        for piece in plan.pieces:
            # Pitch by pitch, what is heard is what is written: no word is cut, and none is too many.
            sound = batches._cut(piece)
            wanted = ["abcd".index(word[0]) * 300 + int(word[1]) * 100 + 400 for word in piece.text.split()]
            loudness = np.abs(np.fft.rfft(sound, 16000))
            heard = [pitch for pitch in range(400, 1600, 100) if loudness[pitch] > 0.6 * 0.15 * 1600]
            assert heard == wanted
            assert abs(sound[0]) < 1e-3 and abs(sound[-1]) < 1e-3


def test_a_sample_says_its_pieces_one_after_the_other(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark(manifest)
    monkeypatch.setattr(batches, "SPLICED", (0.3, 0.7))
    some, rng = spliced(manifest), np.random.default_rng(2)
    plan = next(plan for plan in (some._plan(rng, 1.0) for _ in range(40)) if len(plan.pieces) > 1)
    words = tokenizer(golden())
    tokens, labels, _ = some._sequence(plan, 0.0)
    text = " ".join(piece.text for piece in plan.pieces)
    assert words.say(tokens) == text == words.say([label for label in labels if label >= 0])
    sound = some._sound(np.random.default_rng(3), plan)
    assert len(sound) == sum(len(batches._cut(piece)) for piece in plan.pieces)


def test_clips_without_words_are_left_whole(manifest: Path) -> None:
    mark(manifest)
    lines = files.beside(manifest).read_text().splitlines()
    files.beside(manifest).write_text(lines[0] + "\n")
    some, rng = spliced(manifest), np.random.default_rng(1)
    for plan in (some._plan(rng, 1.0) for _ in range(20)):
        assert all((piece.end is None) == (piece.clip.id != "c0") for piece in plan.pieces)


def test_splices_of_clips_that_nobody_aligned(manifest: Path) -> None:
    with pytest.raises(UserError, match=r"splice_share: no clip of data\.sources has been aligned"):
        choosing.words(config(manifest, 0.5))
    assert not choosing.words(config(manifest, 0.0))
