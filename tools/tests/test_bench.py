# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv bench` without its stopwatch: who takes part, what is kept, how figures become ratios and verdicts."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from whisper158.errors import UserError
from whisper158.evaluate.bench import bench, machine, plot, table
from whisper158.evaluate.bench.lineup import CTRANSLATE2, OURS, PEERS, Contestant, checkpoint, fitted, lineup
from whisper158.evaluate.bench.machine import Noise
from whisper158.evaluate.bench.results import Results, Spread, Target, collect, find
from whisper158.evaluate.bench.stopwatch import STAGES
from whisper158.evaluate.bench.store import FILE, Store

QUIET = Noise(others=0.01, steal=0.0, load=0.1, stretch=1.01)
BUSY = Noise(others=0.97, steal=0.0, load=2.3, stretch=1.8)
SETTING = {"program": "a", "cpu": "b", "seconds": 9.0, "tokens": 30}

Flags = dict[str, Any]
FLAGS: Flags = {
    "models": "tiny.en,base,small",
    "peers": ",".join(PEERS),
    "seconds": "9",
    "tokens": "30",
    "threads": "1",
    "repeat": "3",
    "out": "out",
    "fresh": False,
}


def test_contexts_fit_the_audio() -> None:
    assert [fitted(seconds) for seconds in (9, 0.1, 10.24, 29.9, 30)] == [464, 16, 512, 1500, 1500]


def test_weights_are_real_where_there_are_any() -> None:
    names = ["tiny.en", "base", "small", "tiny", "random-base"]
    assert [checkpoint(name) for name in names] == ["tiny.en", "base", "random-small", "random-tiny", "random-base"]
    with pytest.raises(UserError, match="no model 'large'"):
        checkpoint("large")


def test_everyone_takes_part_once() -> None:
    everyone = lineup(["tiny.en", "small"], PEERS, 9, [1, 4], False)
    assert len({contestant.key for contestant in everyone}) == len(everyone) == 2 * (2 * (3 + len(PEERS)) + 1)
    assert [c for c in everyone if c.threads == 4] == [
        Contestant(OURS, model, "t158", 1500, 4) for model in ("tiny.en", "small")
    ]
    assert {c.context for c in lineup(["base"], [], 30, [1], False)} == {1500}


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        ("models", "huge", "there is no model 'huge'"),
        ("models", ",", "--models , names nothing"),
        ("peers", "Q2_K", "there is no peer 'Q2_K'"),
        ("seconds", "31", "--seconds 31 is not a number from 1 to 30"),
        ("seconds", "nan", "--seconds nan is not a number"),
        ("tokens", "9", "--tokens 9 is not a whole number from 10 to 400"),
        ("tokens", "many", "--tokens many is not"),
        ("threads", ",", "--threads , names nothing"),
        ("threads", "1,65", "--threads 65 is not"),
        ("repeat", "2.5", "--repeat 2.5 is not a whole number"),
    ],
)
def test_bad_flags(flag: str, value: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        bench.plan(**{**FLAGS, flag: value})


def test_with_avx_512_two_take_part_again_without_it() -> None:
    more = set(lineup(["base"], PEERS, 30, [1], True)) - set(lineup(["base"], PEERS, 30, [1], False))
    assert {(c.engine, c.format, c.packing) for c in more} == {
        (OURS, "t158-avx2", "t158"),
        (CTRANSLATE2, "int8-avx2", "int8"),
    }
    assert {bench.environment(c)["MKL_ENABLE_INSTRUCTIONS"] for c in more} == {"AVX2"}
    assert "MKL_ENABLE_INSTRUCTIONS" not in bench.environment(Contestant(CTRANSLATE2, "base", "int8", 1500, 1))


def test_flags() -> None:
    plan = bench.plan(**{**FLAGS, "peers": "none", "threads": "1, 4", "seconds": "4.5"})
    assert (plan.peers, plan.threads, plan.seconds, plan.rounds) == ([], [1, 4], 4.5, 3)


# ------------------------------------------------------------------------------------------------------------ the store


def test_what_was_measured_is_taken_up_again(tmp_path: Path) -> None:
    Store(tmp_path, SETTING, fresh=False).add("a", 0, result=1)
    store = Store(tmp_path, SETTING, fresh=False)
    assert store.get("a", 0) == {"contestant": "a", "round": 0, "result": 1}
    assert store.get("a", 1) is None
    assert Store(tmp_path, SETTING, fresh=True).get("a", 0) is None


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    Store(tmp_path, SETTING, fresh=False).add("a", 0, result=1)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"contestant": "b", "rou')
    Store(tmp_path, SETTING, fresh=False).add("c", 0, result=3)
    store = Store(tmp_path, SETTING, fresh=False)
    assert store.get("b", 0) is None
    assert [store.get(key, 0) is not None for key in "ac"] == [True, True]


def test_results_of_another_setting_are_not_mixed_in(tmp_path: Path) -> None:
    Store(tmp_path, SETTING, fresh=False)
    with pytest.raises(UserError, match="measured with another program and another tokens") as caught:
        Store(tmp_path, {**SETTING, "program": "c", "tokens": 31}, fresh=False)
    assert "--fresh" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1]\n", "{}\n{}\n", "nonsense\n"])
def test_a_damaged_store_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UserError, match=FILE):
        Store(tmp_path, SETTING, fresh=False)


# -------------------------------------------------------------------------------------------------------------- results


def told(cpu: float, peak_rss: float, **about: str) -> dict[str, Any]:
    """What a process prints. Its stages take 1, 10, 2 and 6 times `cpu` seconds."""
    stages = {stage: {"min": {"cpu": k * cpu, "wall": k * cpu}} for stage, k in zip(STAGES, (1, 10, 2, 6), strict=True)}
    return {"stages": stages, "memory": {"peak_rss": peak_rss}, **about}


def cost(contestant: Contestant, round: int) -> dict[str, Any]:
    """Ours takes 0.01 s in the first round and 0.02 in the next; a peer takes five times that, with a full window."""
    own = contestant.engine == OURS
    cpu = 0.01 * (1 + round) * contestant.context / 1500 * (1 if own else 5)
    if own:
        return told(cpu, 90e6 if contestant.context == 1500 else 50e6, version="0.1", kernels="ref")
    result = told(cpu, 300e6, about={"package": "p 1", "system": "s"})  # type: ignore[arg-type]
    return {**result, "memory": {**result["memory"], "base_rss": 20e6}}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    everyone = lineup(["tiny.en", "base", "small"], PEERS, 9, [1, 4], False)
    store = Store(tmp_path, SETTING, fresh=False)
    for round in range(2):
        for contestant in everyone:
            store.add(contestant.key, round, result=cost(contestant, round))
    return collect(everyone, store, 2, machine.describe(), machine.verdict([QUIET]), SETTING)


def test_ratios_are_taken_round_by_round(results: Results) -> None:
    entries = results.as_json()["entries"]
    peer = next(e for e in entries if (e["model"], e["format"], e["context"]) == ("small", "Q4_0", 1500))
    assert peer["ratio_to_ours"]["encode"] == {"min": 5, "median": 5, "max": 5}
    assert peer["ratio_to_ours"]["peak_rss"] == pytest.approx(300 / 90)
    assert peer["seconds"]["cpu"]["encode"] == pytest.approx({"min": 0.5, "median": 0.75, "max": 1.0})
    assert peer["seconds"]["cpu"]["token"]["min"] == pytest.approx(6 * 0.05 / 30)
    assert peer["seconds"]["cpu"]["total"]["min"] == pytest.approx(19 * 0.05)
    own = next(e for e in entries if (e["engine"], e["format"], e["context"]) == (OURS, "t158", 1500))
    assert "ratio_to_ours" not in own


def test_the_project_s_targets_are_judged(results: Results) -> None:
    targets = {target.name: target for target in results.targets}
    assert targets["small, encode 1500 frames, vs Q4_0"].state == "aim reached"
    assert targets["small, encode 1500 frames, vs F16"].state == "reached"
    assert targets["small, peak RSS at 1500 frames"].state == "reached"
    assert targets["small, peak RSS at 464 frames"].state == "aim reached"
    short = targets["small, 9 s with 464 frames, vs Q4_0 as its users run it"]
    assert short.value == pytest.approx(5 * 1500 / 464)
    assert targets["tiny.en, encode vs CTranslate2 int8"].value == pytest.approx(5)
    assert targets["base, processor time with 4 threads to that with 1"].state == "aim reached"


def test_a_missed_target_says_by_how_much() -> None:
    assert Target("speed", 8, 12, 6.0).state == "MISSED by 25%"
    assert Target("memory", 80, 52, 100.0, most=True).state == "MISSED by 25%"
    assert Target("memory", 80, 52, 80.0, most=True).state == "reached"
    assert Target("speed", 8, 12, None).state == "not measured"


def test_what_was_not_measured_is_said_so(tmp_path: Path) -> None:
    everyone = lineup(["tiny.en"], [], 9, [1], False)
    store = Store(tmp_path, SETTING, fresh=False)
    for contestant in everyone:
        store.add(contestant.key, 0, result=cost(contestant, 0))
    results = collect(everyone, store, 1, {}, machine.verdict([QUIET]), SETTING)
    assert {target.state for target in results.targets} == {"not measured"}
    assert len(results.targets) == 9


def test_the_table_shows_everyone_and_every_target(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    table.show(results)
    text = capsys.readouterr().out
    for entry in results.entries:
        assert f"{entry.contestant.engine} {entry.contestant.format}" in text
    for target in results.targets:
        assert target.name in text
    assert "small, made-up weights" in text and "base, real weights" in text
    assert "5.00 (5.0-5.0)" in text
    assert "aarch64 ternary GEMM, MAC per instruction" in text


def test_doubtful_wall_times_are_marked(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    best = find(results.entries, OURS, "small", "t158", 1500)
    assert best is not None
    wall = f"{best.best('total', 'wall'):.3f}"
    table.show(results)
    assert f"{wall}?" not in capsys.readouterr().out
    table.show(replace(results, noise=machine.verdict([BUSY])))
    text = capsys.readouterr().out
    assert f"{wall}?" in text and "NOT QUIET" in text and "times on the wall are useless" in text


@pytest.mark.bench
def test_the_picture_is_drawn(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: ./inv install bench")
    svg, png = plot.draw(results, tmp_path / "bench")
    assert svg.read_text().count("whisper.cpp Q4_0") == 6
    assert png.read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------------------------------------------------- the machine


@pytest.mark.parametrize(
    ("noises", "quiet"),
    [
        ([QUIET], True),
        ([QUIET, QUIET, replace(BUSY, stretch=1.0)], True),
        ([QUIET, BUSY, BUSY], False),
        ([QUIET, replace(QUIET, stretch=1.5)], False),
        ([replace(QUIET, steal=0.05)], False),
    ],
)
def test_a_verdict_on_the_machine(noises: list[Noise], quiet: bool) -> None:
    verdict = machine.verdict(noises)
    assert verdict["quiet"] == quiet
    assert ("useless" in verdict["sentence"]) == (not quiet)
    assert len(verdict["readings"]) == len(noises)


def test_the_machine_is_described_and_heard() -> None:
    described = machine.describe()
    assert described["cpu"] and described["processors"] >= 1
    noise = machine.listen(0.1)
    assert noise.stretch > 0.9 and noise.others >= 0 and noise.steal >= 0


# ------------------------------------------------------------------------------------------------------------- the loop


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[tuple[str, int]]]:
    """Runs the loop with made-up costs, and gives who was measured; `stop_after` interrupts it."""

    def go(rounds: int = 2, stop_after: int = 10**9) -> list[tuple[str, int]]:
        plan = bench.plan(**{**FLAGS, "models": "tiny.en", "repeat": str(rounds), "out": str(tmp_path)})
        everyone = lineup(plan.models, plan.peers, plan.seconds, plan.threads, False)
        seen: list[str] = []

        def run_one(contestant: Contestant, *_: object) -> dict[str, Any]:
            if len(seen) == stop_after:
                raise KeyboardInterrupt
            seen.append(contestant.key)
            return cost(contestant, 0)

        monkeypatch.setattr(bench, "run_one", run_one)
        store = Store(tmp_path, SETTING, fresh=False)
        files = dict.fromkeys((contestant.key for contestant in everyone), tmp_path)
        try:
            bench.measure(plan, everyone, files, tmp_path, tmp_path, store)
        except KeyboardInterrupt:
            assert len(seen) == stop_after
        return [(key, seen[:i].count(key)) for i, key in enumerate(seen)]

    return go


def test_all_take_turns(loop: Callable[..., list[tuple[str, int]]]) -> None:
    turns = loop(rounds=3)
    size = len(turns) // 3
    assert [round for _, round in turns] == [0] * size + [1] * size + [2] * size
    assert len({turns[i * size][0] for i in range(3)}) == 3


def test_an_interrupted_run_goes_on(loop: Callable[..., list[tuple[str, int]]]) -> None:
    whole = len(loop(rounds=1, stop_after=5)) + len(loop(rounds=1))
    assert whole == len(lineup(["tiny.en"], PEERS, 9, [1], False))
    assert loop(rounds=1) == []


def test_results_are_published(
    results: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plot, "draw", lambda _results, stem: [stem])
    bench.publish(results, tmp_path)
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["noise"]["quiet"] is True
    assert {"machine", "setting", "entries", "targets"} < set(written)
    assert len(written["entries"]) == len(results.entries)
    assert Spread(**written["entries"][0]["seconds"]["wall"]["mel"]).min > 0
