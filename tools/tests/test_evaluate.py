# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv model.evaluate`: sets, contexts, what is counted and how sure it is, and that nothing is heard twice."""

import ctypes
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from whisper158 import needs
from whisper158.build import runtime
from whisper158.data.manifest import Clip
from whisper158.data.manifest import write as write_manifest
from whisper158.errors import UserError
from whisper158.evaluate import wer
from whisper158.evaluate.accuracy import (
    contexts,
    evaluate,
    figures,
    listeners,
    noises,
    plot,
    pytorch,
    report,
    sets,
    signs,
)
from whisper158.evaluate.accuracy.cells import Cell, Key, Said, Store
from whisper158.evaluate.accuracy.contexts import AudioContext
from whisper158.evaluate.accuracy.listeners import Heard, Listener
from whisper158.evaluate.accuracy.results import Results
from whisper158.evaluate.accuracy.sets import Set, Utterance
from whisper158.evaluate.engine import Engine
from whisper158.units import SAMPLE_RATE

FLAGS: dict[str, Any] = {
    "models": ["tiny.en-q8"],
    "sets": "",
    "audio_context": "auto",
    "through": "runtime",
    "clips": "0",
    "threads": "1",
    "out": "out",
}

# ---------------------------------------------------------------------------------------------------------------- flags


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        ("models", [], "needs a model"),
        ("through", "onnx", "--through onnx is none of runtime, pytorch, both, all"),
        ("audio_context", "1501", "--audio-context 1501 is not a context"),
        ("audio_context", "0", "--audio-context 0 is not"),
        ("audio_context", "short", "--audio-context short is not"),
        ("audio_context", ",", "--audio-context , names nothing"),
        ("clips", "-1", "--clips -1 is not a whole number from 0"),
        ("threads", "0", "--threads 0 is not a whole number from 1 to 64"),
        ("threads", "two", "--threads two is not"),
    ],
)
def test_bad_flags(flag: str, value: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        evaluate.plan(**{**FLAGS, flag: value})


def test_flags() -> None:
    plan = evaluate.plan(**{**FLAGS, "audio_context": "full, fit,768,full", "through": "both", "sets": "a,b, a"})
    assert [context.name for context in plan.contexts] == ["full", "fit", "768"]
    assert (plan.through, plan.sets, plan.clips) == (("runtime", "pytorch"), ("a", "b"), 0)


# ------------------------------------------------------------------------------------------------------------- contexts


@pytest.mark.parametrize("shortest", [1, 16, 25, 39, 40])
def test_a_context_is_fitted_as_the_runtime_does_it(golden: Path, tmp_path: Path, shortest: int) -> None:
    path = listeners.with_shortest(golden, tmp_path, shortest)
    with Engine(runtime.shared_library(), path) as engine:
        assert engine.info.min_audio_ctx == shortest
        fit = engine._library.whisper158_model_fit_audio_context
        fit.restype = ctypes.c_uint32
        for columns in range(130):
            expected = fit(engine._model, ctypes.c_size_t(160 * columns))
            assert contexts.NAMED["auto"].of_window(columns, shortest, 40) == expected


def test_contexts() -> None:
    assert contexts.FULL.of_window(100, 300, 1500) == 1500
    assert contexts.parse("768").of_window(100, 300, 1500) == 768
    assert contexts.NAMED["auto"].of_window(100, 1500, 1500) == 1500
    assert contexts.NAMED["fit"].of_window(100, 1500, 1500) == 80  # 50 frames and 25, in tiles of 16
    assert contexts.NAMED["fit"].of_window(3000, 1500, 1500) == 1500


# ---------------------------------------------------------------------------------------------------------------- sound


def test_ten_minutes_without_a_word() -> None:
    clips = [*noises.silence(), *noises.noise()]
    assert sum(len(clip.samples) for clip in clips) == 600 * SAMPLE_RATE
    assert len({clip.id for clip in clips}) == len(clips) == 50
    assert {len(clip.samples) // SAMPLE_RATE for clip in clips} == {5, 10, 30}
    for clip in clips:
        assert clip.samples.dtype == np.float32
        assert np.abs(clip.samples).max() <= 1
        # Whole steps of 16 bits, so that a file holds exactly this.
        assert not (clip.samples * 32768 % 1).any()
    again = [*noises.silence(), *noises.noise()]
    assert all((a.samples == b.samples).all() for a, b in zip(clips, again, strict=True))


def test_levels_are_what_their_names_say() -> None:
    for clip in [*noises.silence(), *noises.noise()]:
        level = 10 * np.log10(np.mean(clip.samples.astype(np.float64) ** 2) + 1e-30)
        if clip.id.endswith("dB"):
            named = -float(clip.id.rsplit("-", 1)[1].removesuffix("dB"))
            # Rounding to 16 bits adds to what is soft, clipping takes from loud clicks.
            assert level == pytest.approx(named, abs=3.0 if "keys" in clip.id else 1.0), clip.id
        else:
            assert level < -90, clip.id


def test_colours() -> None:
    def power(slope: float, low: int, high: int) -> float:
        wave = noises.coloured(SAMPLE_RATE * 10, np.random.default_rng(1), slope)
        spectrum = np.abs(np.fft.rfft(wave)) ** 2
        return float(spectrum[10 * low : 10 * high].sum())

    # An octave of white noise has twice the power of the one below, of pink as much, of brown half.
    for slope, ratio in ((0.0, 2.0), (1.0, 1.0), (2.0, 0.5)):
        assert power(slope, 1000, 2000) / power(slope, 500, 1000) == pytest.approx(ratio, rel=0.1)


# ----------------------------------------------------------------------------------------------------------------- sets


SAMPLES = 1600


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A manifest of four clips of noise that somebody claims to be speech."""
    folder = tmp_path / "claimed"
    clips = []
    for i, text in enumerate(("red green", "the blue sky falls", "up", "Down there.")):
        path = folder / f"{i}.flac"
        folder.mkdir(exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(i).standard_normal(SAMPLES), 16000)
        clips.append(Clip(str(i), path, text, "nobody", SAMPLES / 16000, "MIT", "numpy"))
    write_manifest(folder / "manifest.jsonl", clips)
    return folder


def test_sets_are_found_by_name_and_path(speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "FOLDER", speech.parent)
    assert sets.names() == ["claimed", "asterisk", "silence", "noise"]
    assert sets.default() == ["claimed", "silence", "noise"]
    one = sets.find("claimed")
    assert one == replace(sets.find(str(speech)), utterances=one.utterances)
    assert one.sha256 == sets.find(str(speech / "manifest.jsonl")).sha256
    assert [u.text for u in one.utterances] == ["red green", "the blue sky falls", "up", "Down there."]
    assert one.seconds == 4 * SAMPLES / 16000
    assert len(sets.find("claimed", most=3).utterances) == 3
    assert sets.find("silence").seconds == 180
    monkeypatch.setattr(sets, "FOLDER", speech)
    assert sets.default() == ["asterisk", "silence", "noise"]
    with pytest.raises(UserError, match="there is no set 'claimed'"):
        sets.find("claimed")


def test_a_set_is_known_by_its_words_and_samples(speech: Path) -> None:
    manifest = speech / "manifest.jsonl"
    before = sets.find(str(speech)).sha256
    text = manifest.read_text()
    manifest.write_text(text.replace("sky", "sea"))
    assert sets.find(str(speech)).sha256 != before
    manifest.write_text(text)
    assert sets.find(str(speech)).sha256 == before
    soundfile.write(speech / "0.flac", np.zeros(8000), 16000)
    assert sets.find(str(speech)).sha256 != before


def test_what_cannot_be_scored_is_refused(speech: Path) -> None:
    manifest = speech / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"up"', "null"))
    with pytest.raises(UserError, match=r"2\.flac: its words are not in the manifest"):
        sets.find(str(speech))
    manifest.write_text("")
    with pytest.raises(UserError, match="the set claimed is empty"):
        sets.find(str(speech))


# ---------------------------------------------------------------------------------------------------------------- signs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thank you. Thank you. Thank you. Thank you.", True),
        ("Thank you. Thank you. Thank you.", False),
        ("no no no no", False),
        ("ha ha ha ha ha ha ha ha", True),
        ("and so I said that I said that I said that I said that was it", True),
        ("six six zero four eight six six zero four eight", False),
        ("", False),
    ],
)
def test_loops(text: str, expected: bool) -> None:
    assert signs.loops(text) is expected


WORD = st.text("abcdefgh", min_size=1, max_size=4)
WORDS = st.lists(WORD, max_size=9)


@given(st.lists(WORD, min_size=2, max_size=6), st.integers(4, 9), WORDS, WORDS)
def test_any_phrase_may_loop_anywhere(phrase: list[str], times: int, before: list[str], after: list[str]) -> None:
    assert signs.loops(" ".join([*before, *phrase * times, *after]))


@given(st.integers(0, 300))
def test_words_that_are_all_different_do_not_loop(n: int) -> None:
    assert not signs.loops(" ".join(f"w{i}" for i in range(n)))


@pytest.mark.parametrize(("words", "seconds", "expected"), [(14, 2, False), (15, 2, True), (5, 0, False), (6, 0, True)])
def test_more_words_than_anybody_says(words: int, seconds: float, expected: bool) -> None:
    assert signs.runs_away(" ".join(["word"] * words) + " -", seconds) is expected


def test_words_are_what_has_letters_or_digits() -> None:
    assert signs.words(" Well, - 3 … ") == ["Well,", "3"]
    assert signs.is_empty(" . - ") and signs.is_empty("") and not signs.is_empty("é")


@pytest.mark.parametrize(
    ("text", "end", "capital", "marks"),
    [
        ("Hello, world.", True, True, 2),
        ('He said: "Go!"', True, True, 2),
        ("hello world", False, False, 0),
        ("3.5 percent, 1,000 men", False, True, 1),
        ('"no," she said…', True, False, 1),
        ("(Élan)", False, True, 0),
    ],
)
def test_punctuation(text: str, end: bool, capital: bool, marks: int) -> None:
    assert (signs.ends(text), signs.begins(text), signs.marks(text)) == (end, capital, marks)


# ----------------------------------------------------------------------------------------------------------- statistics


def test_errors_are_counted_by_utterance_after_normalisation() -> None:
    references = ["Mr. Smith can't go", "", "red green blue", "up down"]
    hypotheses = ["mister smith can not go!", "nothing here", "read green blue sky", ""]
    counts = wer.errors(references, hypotheses)
    assert counts.tolist() == [[5, 0, 0, 0], [3, 1, 0, 1], [2, 0, 2, 0]]
    score = wer.word_error_rate(references, hypotheses)
    assert (score.words, score.substitutions, score.deletions, score.insertions) == (10, 1, 2, 1)
    assert score.rate == 0.4
    with pytest.raises(UserError, match="nothing to score"):
        wer.errors(["", "[noise]"], ["a", "b"])


def test_digits_count_one_by_one_where_there_is_nothing_else() -> None:
    references, hypotheses = ["six six zero", "four eight"], ["6-6-1.", "four, eight"]
    assert wer.errors(references, hypotheses).tolist() == [[3, 1, 0, 0], [2, 0, 0, 0]]
    mixed = wer.errors([*references, "up"], [*hypotheses, "up"])
    assert mixed[:, 0].tolist() == [1, 1, 1]


def test_bounds_are_the_least_and_most_where_there_are_two_utterances() -> None:
    """Of two resampled ones, each quarter of the time it is one of them twice: beyond the 2.5 % that are cut off."""
    score = wer.score(np.array([[10, 1, 0, 0], [10, 3, 0, 0]]))
    assert (score.low, score.rate, score.high) == (0.1, 0.2, 0.3)


def test_a_difference_that_is_the_same_everywhere_is_certain() -> None:
    rng = np.random.default_rng(1)
    baseline = np.array([[10, k, 0, 0] for k in rng.integers(0, 9, 40)])
    worse = baseline + np.array([0, 1, 0, 0])
    difference = wer.difference(worse, baseline)
    assert [difference.value, difference.low, difference.high] == pytest.approx([0.1] * 3)
    # Not paired, the interval of either rate alone would hide it.
    score = wer.score(baseline)
    assert score.high - score.low > 0.1
    none = wer.difference(baseline, baseline)
    assert (none.value, none.low, none.high) == (0, 0, 0)
    turned = wer.difference(baseline, worse)
    assert (turned.value, turned.low) == pytest.approx((-0.1, -0.1))


def test_an_interval_narrows_with_the_root_of_the_number() -> None:
    rng = np.random.default_rng(2)

    def width(n: int) -> float:
        values = rng.standard_normal(n)
        low, high = wer.interval(n, lambda chosen: values[chosen].mean(axis=1))
        return high - low

    assert width(400) == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert width(25) / width(400) == pytest.approx(4, rel=0.4)


def claimed(*texts: str, seconds: float = 60.0) -> Set:
    def load() -> Any:
        raise AssertionError

    return Set("claimed", tuple(Utterance(str(i), text, seconds, load) for i, text in enumerate(texts)), "0")


def cell(*texts: str | None, repetition: bool = False) -> Cell:
    return Cell(tuple(Said(str(i), text, repetition) for i, text in enumerate(texts)), 6.0)


def test_figures_of_speech() -> None:
    loop = "la la la la la la la la"
    found = figures.figures(
        claimed("red green blue", "up", loop, "down", "left"), cell("Red, green blew.", "", loop, None, loop)
    )
    assert (found.clips, found.left_out, found.audio_seconds, found.cpu_seconds) == (4, 1, 240.0, 6.0)
    assert found.score is not None
    # blew; nothing for up; left is replaced and seven words follow.
    assert (found.score.words, found.score.substitutions, found.score.deletions) == (13, 2, 1)
    assert found.score.insertions == 7
    # What loops in the reference may loop.
    assert (found.looped, found.empty, found.runaway) == (1, 1, 0)
    assert found.style == figures.Style(texts=3, end=1 / 3, capital=1 / 3, marks=100 * 2 / 19)
    assert found.made_up is None
    assert figures.figures(claimed("left"), cell("left", repetition=True)).looped == 1
    assert figures.figures(claimed("left", seconds=1), cell("w " * 10)).runaway == 1


def test_figures_where_nobody_speaks() -> None:
    found = figures.figures(claimed("", "", seconds=30), cell("you you", "."))
    assert found.score is None and found.style is None and found.empty == 0
    assert found.made_up == figures.MadeUp(clips=2, with_words=1, words=2, per_minute=2.0, low=0.0, high=4.0)


def test_comparison_leaves_out_what_one_could_not_hear() -> None:
    of = claimed("red green", "blue sky", "up down")
    difference = figures.compare(of, cell("red", "blue", None), cell("red green", None, "up"))
    assert difference is not None and difference.value == 0.5
    assert figures.compare(of, cell(None, "x", None), cell("x", None, None)) is None
    assert figures.compare(claimed(""), cell("a"), cell("")) is None


def test_agreement() -> None:
    found = figures.agreement(cell("a", "b", "c", None), cell("a", "B", "c", "d"))
    assert found == figures.Agreement(clips=3, same=2, different=("1",))
    assert found is not None and found.share == 2 / 3
    assert figures.agreement(cell(None), cell("a")) is None


# ---------------------------------------------------------------------------------------------------------------- cells

KEY = Key(model="m", set="s", context="auto", through="runtime", program="p")


@given(st.lists(st.tuples(st.text(), st.none() | st.text(), st.booleans())), st.floats(0, 1e6))
def test_a_cell_is_found_again(tmp_path_factory: pytest.TempPathFactory, said: list[Any], seconds: float) -> None:
    folder = tmp_path_factory.mktemp("cells")
    kept = Cell(tuple(Said(*values) for values in said), seconds)
    Store(folder).add(KEY, kept, {})
    assert Store(folder).get(KEY, [id for id, *_ in said]) == kept
    assert Store(folder).get(KEY, ["another", *(id for id, *_ in said)]) is None
    assert Store(folder).get(replace(KEY, program="q"), [id for id, *_ in said]) is None
    assert [path.suffix for path in (folder / "cells").iterdir()] == [".json"]


@pytest.mark.parametrize("damage", ["", "[]", "{}", "\x00", '{"key": 1}', '{"said": [{"id": 1}]}'])
def test_a_damaged_cell_is_heard_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.add(KEY, cell("a"), {})
    [path] = (tmp_path / "cells").iterdir()
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, **json.loads(damage)}) if damage.startswith('{"') else damage)
    assert store.get(KEY, ["0"]) is None


def test_out_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        Store(tmp_path / "file")


# ------------------------------------------------------------------------------------------------------------ the whole


class Parrot:
    """Hears one text after the other."""

    def __init__(self, texts: Iterator[str], heard: list[str], name: str) -> None:
        self._texts, self._heard, self._name = texts, heard, name

    def hear(self, samples: Any) -> Heard:
        self._heard.append(self._name)
        text = next(self._texts)
        if text == "interrupted":
            raise KeyboardInterrupt
        return Heard(text, False)


@pytest.fixture
def parrots(monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, list[str]], list[str]]:
    """What is to be heard of each model and context, and the list of what was."""
    texts: dict[str, list[str]] = {}
    heard: list[str] = []

    def through(kind: str) -> Callable[..., Any]:
        @contextmanager
        def listen(model: Path, context: AudioContext, threads: int, shaken: bool = False) -> Iterator[Listener]:
            name = f"{model.stem} {context.name} {'shaken' if shaken else kind}"
            yield Parrot(iter(texts[name]), heard, name)

        return listen

    monkeypatch.setattr(listeners, "through_runtime", through("runtime"))
    monkeypatch.setattr(pytorch, "through_pytorch", through("pytorch"))
    monkeypatch.setattr(evaluate, "program", lambda through: through)
    monkeypatch.setattr(needs, "python", lambda group: None)
    monkeypatch.setattr(plot, "draw", lambda results, stem: [])
    return texts, heard


def two_models(tmp_path: Path) -> list[str]:
    for name in "ab":
        (tmp_path / f"{name}.w158").write_text(name)
    return [str(tmp_path / f"{name}.w158") for name in "ab"]


RIGHT = ["Red, green.", "The blue sky falls.", "Up.", "Down there."]
WRONG = ["Red.", "the blue sky", "Up.", ""]


def test_models_side_by_side(speech: Path, tmp_path: Path, parrots: Any, capsys: pytest.CaptureFixture[str]) -> None:
    texts, heard = parrots
    for through in ("runtime", "pytorch"):
        texts.update({f"a full {through}": RIGHT, f"a fit {through}": RIGHT, f"b full {through}": RIGHT})
    texts["b fit runtime"] = WRONG
    texts["b fit pytorch"] = ["Red.", "The blue sky.", "Up.", ""]
    flags = {"models": two_models(tmp_path), "sets": str(speech), "out": str(tmp_path / "out"), "through": "both"}
    plan = evaluate.plan(**{**FLAGS, **flags, "audio_context": "full,fit"})
    results = evaluate.evaluate(plan)
    assert len(results.rows) == 8
    worst = row(results, "b", "fit")
    assert worst.figures.score is not None
    assert (worst.figures.score.deletions, worst.figures.score.words) == (4, 9)
    for difference in (worst.versus_first, worst.versus_full):
        assert difference is not None and difference.value == pytest.approx(4 / 9)
    assert worst.agreement is not None and worst.agreement.different == ("1",)
    assert row(results, "a", "full").versus_first is None and row(results, "a", "full").versus_full is None
    assert worst.figures.empty == 1
    printed = capsys.readouterr().out
    assert "+44.44" in printed and "3/4, 75.0%" in printed
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["cells", "results.json", "results.md"]
    rows = json.loads((out / "results.json").read_text())["rows"]
    assert [r["score"]["rate"] for r in rows] == pytest.approx([0, 0, 0, 4 / 9] * 2)
    assert "| b | fit | runtime | 44.44%" in (out / "results.md").read_text()
    # All is in the store now.
    heard.clear()
    assert report.markdown(evaluate.evaluate(plan)) == report.markdown(results)
    assert not heard


def test_a_model_beside_itself(speech: Path, tmp_path: Path, parrots: Any, capsys: pytest.CaptureFixture[str]) -> None:
    texts, _ = parrots
    texts.update({"a full runtime": WRONG, "a full pytorch": RIGHT, "a full shaken": [*RIGHT[:3], "Down here."]})
    flags = {"models": two_models(tmp_path)[:1], "sets": str(speech), "out": str(tmp_path / "out"), "through": "all"}
    results = evaluate.evaluate(evaluate.plan(**{**FLAGS, **flags, "audio_context": "full"}))
    shares = [row.agreement.share if row.agreement else None for row in results.rows]
    assert shares == [0.25, 0.75, None]
    assert "1/4, 25.0%" in (printed := capsys.readouterr().out) and "3/4, 75.0%" in printed


def row(results: Results, model: str, context: str) -> Any:
    [found] = [
        row
        for row in results.rows
        if (row.place.model.name, row.place.context.name, row.place.through) == (model, context, "runtime")
    ]
    return found


DRAW = plot.draw


def test_a_picture(speech: Path, tmp_path: Path, parrots: Any) -> None:
    pytest.importorskip("matplotlib", reason="needs ./inv install evaluate")
    texts, _ = parrots
    texts.update({f"{model} auto runtime": RIGHT for model in "ab"})
    flags = {"models": two_models(tmp_path), "sets": str(speech), "out": str(tmp_path / "out")}
    results = evaluate.evaluate(evaluate.plan(**{**FLAGS, **flags}))
    svg, png = DRAW(results, tmp_path / "accuracy")
    assert "claimed: WER" in svg.read_text().replace("<!-- ", "")
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_model_that_breaks_is_named(
    golden: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "python", lambda group: None)
    soundfile.write(speech / "2.flac", np.full(SAMPLES, np.inf), 16000, format="WAV", subtype="FLOAT")
    flags = {"models": [str(golden)], "sets": str(speech), "out": str(tmp_path / "out")}
    with pytest.raises(UserError, match=r"2\.flac"):
        evaluate.evaluate(evaluate.plan(**{**FLAGS, **flags}))
    soundfile.write(speech / "2.flac", np.ones(SAMPLES), 16000)
    flags["audio_context"] = "41"
    with pytest.raises(UserError, match="golden hears claimed, context 41: clip 0: an audio context of 41 frames"):
        evaluate.evaluate(evaluate.plan(**{**FLAGS, **flags}))


def test_an_interrupt_loses_one_cell(speech: Path, tmp_path: Path, parrots: Any) -> None:
    texts, heard = parrots
    texts.update({"a auto runtime": RIGHT, "b auto runtime": ["Red.", "interrupted"]})
    flags = {"models": two_models(tmp_path), "sets": str(speech), "out": str(tmp_path / "out")}
    plan = evaluate.plan(**{**FLAGS, **flags})
    with pytest.raises(KeyboardInterrupt):
        evaluate.evaluate(plan)
    assert not (tmp_path / "out" / "results.json").exists()
    heard.clear()
    texts["b auto runtime"] = WRONG
    evaluate.evaluate(plan)
    assert heard == ["b auto runtime"] * 4


def test_names_that_would_be_mixed_up_are_refused(speech: Path, tmp_path: Path, parrots: Any) -> None:
    one, _ = two_models(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.w158").write_text("another")
    flags = {"out": str(tmp_path / "out"), "sets": str(speech)}
    with pytest.raises(UserError, match="two models have the same name"):
        evaluate.evaluate(evaluate.plan(**{**FLAGS, **flags, "models": [one, str(other / "a.w158")]}))
    flags["sets"] = f"{speech},{speech}/manifest.jsonl"
    with pytest.raises(UserError, match="two sets have the same name"):
        evaluate.evaluate(evaluate.plan(**{**FLAGS, **flags, "models": [one]}))


def test_the_runtime_hears_with_any_context(golden: Path, tmp_path: Path) -> None:
    """Of faint tones the model makes nonsense or nothing, of some of them the other when it is given less to hear."""
    model = listeners.with_shortest(golden, tmp_path, 40)
    time = np.arange(SAMPLES, dtype=np.float32) / 16000
    loud = np.array([0.0025, 0.003, 0.0035, 0.004], np.float32)
    tones = [a * np.sin(np.float32(2 * np.pi * f) * time) for f in (1000, 1050, 1100) for a in loud]
    texts = {}
    for word in ("auto", "full", "fit", "32"):
        with listeners.through_runtime(model, contexts.parse(word), threads=1) as listener:
            texts[word] = [listener.hear(tone) for tone in tones]
    assert texts["auto"] == texts["full"] != texts["fit"] == texts["32"]


# -------------------------------------------------------------------------------------------------------------- PyTorch


@pytest.fixture
def greedy() -> Iterator[Any]:
    """The module, with PyTorch in one thread."""
    torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install oracle")
    pytest.importorskip("whisper", reason="needs OpenAI's package: ./inv install oracle")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield pytest.importorskip("whisper158.evaluate.accuracy.greedy")
    torch.set_num_threads(threads)


@pytest.mark.oracle
def test_repetitions_end_where_the_runtime_ends_them(greedy: Any) -> None:
    for period, times, expected in ((1, 23, 0), (1, 24, 1), (6, 4, 6), (6, 3, 0), (8, 3, 0), (8, 4, 8)):
        tokens = [900, 901, *(list(range(period)) * times)]
        assert greedy.repeated(tokens) == (expected + 2 if expected else 0), (period, times)


@pytest.mark.oracle
def test_what_is_below_the_floor_is_not_heard(greedy: Any) -> None:
    """Whatever the level: at some the floor is rounded up."""
    rng = np.random.default_rng(0)
    for level in rng.uniform(0.05, 0.9, 60):
        samples = np.zeros(24000, np.float32)
        samples[:8000] = level * rng.uniform(-1, 1, 8000)
        # Half a second, and the columns whose windows reach into it.
        assert 50 <= greedy.heard_columns(greedy.spectrogram(samples, 80), 150) <= 53


@pytest.mark.oracle
def test_shaking_moves_every_number_by_its_last_bit_at_most(greedy: Any) -> None:
    mel = np.random.default_rng(1).normal(0, 1, (80, 300)).astype(np.float32)
    mel[0, 0] = 0
    moved = greedy.shake(mel)
    assert moved.dtype == np.float32 and np.array_equal(moved, greedy.shake(mel))
    assert np.all(np.abs(moved - mel) <= np.spacing(np.abs(mel)))
    assert 0.6 < np.mean(moved != mel) < 0.73


@pytest.mark.oracle
@pytest.mark.network
@pytest.mark.parametrize(("name", "word"), [("tiny.en-q8", "auto"), ("tiny.en-t158", "fit")])
def test_both_hear_the_same(model: Callable[[str], Path], greedy: Any, name: str, word: str) -> None:
    """Also silence, noise that ends in digital silence, and what is too short for a column."""
    noise = noises.noise()[0].samples
    made = [np.zeros(8000), np.concatenate([noise[:8000], np.zeros(40000)]), np.zeros(0), noise[:100]]
    samples = [np.asarray(s, np.float32) for s in made]
    samples += [utterance.load() for utterance in sets.find("asterisk", 6).utterances]
    context = contexts.parse(word)
    with (
        listeners.through_runtime(model(name), context, 1) as one,
        pytorch.through_pytorch(model(name), context, 1) as other,
    ):
        assert [one.hear(s) for s in samples] == [other.hear(s) for s in samples]
        assert other.hear(np.zeros(31 * 16000, np.float32)) is None
