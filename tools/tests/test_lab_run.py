# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A run of the laboratory: a file for each cell, nothing made twice, and what comes of mistakes."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from whisper158.errors import UserError
from whisper158.evaluate.accuracy import sets
from whisper158.evaluate.accuracy.sets import Set, Utterance
from whisper158.model import blob, silero
from whisper158.model.golden import golden
from whisper158.model.pack import FORMATS, pack
from whisper158.paths import ROOT

for name in ("torch", "whisper", "tiktoken", "matplotlib", "jiwer", "whisper_normalizer"):
    pytest.importorskip(name, reason="needs PyTorch and OpenAI's Whisper: ./inv install oracle, train, evaluate")

from whisper158.evaluate.accuracy.greedy import Rules  # noqa: E402
from whisper158.lab import calibration, config, packing, registry, report, run  # noqa: E402
from whisper158.lab.calibration import Source  # noqa: E402
from whisper158.lab.families import whisper_subject  # noqa: E402
from whisper158.lab.job import Job  # noqa: E402

PLAN: dict[str, Any] = {
    "models": ["golden"],
    "methods": ["rtn", "gptq"],
    "weights": ["w4g32", "wtg32"],
    "activations": [16],
    "head": "w8",
    "calibration": {"source": "spoken", "clips": 2},
    "evaluation": {"sets": ["heard"], "context": "full"},
}


def made(name: str, n: int = 3) -> Set:
    random = np.random.default_rng(158)
    clips = []
    for i in range(n):
        samples = random.normal(size=8000).astype(np.float32) * 0.1
        clips.append(Utterance(f"{name}-{i}", f"hello world {'and the ' * i}", 0.5, partial(np.copy, samples)))
    return sets.of(name, clips)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model and recordings that take no time"""
    monkeypatch.setattr(whisper_subject, "load", lambda _: golden())
    real = sets.find
    monkeypatch.setattr(sets, "find", lambda word, most=0: real(word, 1) if word in sets.MADE else made(word))
    run.sha256.cache_clear()


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        path = tmp_path / "lab.yml"
        path.write_text(yaml.safe_dump({**PLAN, "out": str(tmp_path / "out"), **changes}))
        return path

    return write


def test_every_cell_has_a_file_and_is_made_once(
    plan: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = plan()
    files = run.run(path)
    assert len(files) == len(set(files)) == 1 + 2 * 2
    assert all(file.is_file() for file in files)
    assert sorted(files[0].parent.iterdir()) == sorted(files)
    before = {file: file.read_bytes() for file in files}
    # One is lost, one damaged: those are made again, and come out the same but for the time that they took.
    files[1].unlink()
    files[2].write_text("{")
    made: list[Job] = []
    real = run.content

    def noted(job: Job, config: config.Config, heard: run.Heard) -> dict[str, Any]:
        made.append(job)
        return real(job, config, heard)

    monkeypatch.setattr(run, "content", noted)
    assert run.run(path) == files
    assert [str(job) for job in made] == ["golden rtn w4g32 a16", "golden rtn wtg32 a16"]
    for file, content in before.items():
        old, new = json.loads(content), json.loads(file.read_text())
        assert old["said"] == new["said"] and old["cost"] == new["cost"]
    assert "5 cells, of which 3 are there" in capfd.readouterr().err


def test_what_decides_a_cell_is_in_its_name(plan: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def digests(**changes: Any) -> list[str]:
        settings = config.read(plan(**changes))
        heard = run.prepare(settings)
        return [run.digest(run.key(job, settings, heard)) for job in config.jobs(settings)]

    base = digests()
    assert digests() == base
    others = [
        digests(head="float"),
        digests(calibration={"source": "spoken", "clips": 1}),
        digests(calibration={"source": "spoken", "clips": 2, "seed": 1}),
        digests(evaluation={"sets": ["other"]}),
        digests(evaluation={"sets": ["heard"], "context": "fit"}),
    ]
    assert all(other[1] not in base for other in others)
    # Of the float model, only what is heard.
    assert others[0][0] == base[0] and others[1][0] == base[0] and others[3][0] != base[0]
    monkeypatch.setattr(run, "program", lambda model, method: "other code")
    assert not set(digests()) & set(base)


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "lab").glob("*.yml")), ids=lambda path: path.stem)
def test_the_configurations_of_the_project_can_be_read(path: Path) -> None:
    assert config.jobs(config.read(path))


def test_kinds_that_a_method_has_no_codes_for_are_left_out(plan: Callable[..., Path]) -> None:
    found = config.jobs(config.read(plan(methods=["awq", "ptqtp", "spqr"], weights=["w4", "w4a", "wt"])))
    assert [str(job) for job in found] == [
        "golden float",
        "golden awq w4 a16",
        "golden awq w4a a16",
        "golden ptqtp wt a16",
        "golden spqr w4a a16",
    ]


def test_parts_follow_one_another_and_nothing_is_made_twice(plan: Callable[..., Path]) -> None:
    also = [{"methods": ["rtn", "smoothquant:alpha=0.8"], "weights": ["w4g32", "w8"], "activations": [16, 8]}]
    found = config.jobs(config.read(plan(methods=["rtn"], weights=["w8"], also=also)))
    assert [str(job).removeprefix("golden ") for job in found] == [
        "float",
        "rtn w8 a16",
        "rtn w4g32 a16",
        "rtn w4g32 a8",
        "rtn w8 a8",
        "smoothquant:alpha=0.8 w4g32 a16",
        "smoothquant:alpha=0.8 w4g32 a8",
        "smoothquant:alpha=0.8 w8 a16",
        "smoothquant:alpha=0.8 w8 a8",
    ]


@pytest.mark.parametrize(
    ("word", "attributes"),
    [
        ("smoothquant:alpha=0.8", {"alpha": 0.8}),
        ("awq:ratio=0.5", {"ratio": 0.5}),
        ("omniquant:epochs=3", {"epochs": 3}),
        ("tesseraq:steps=7,ratio=0", {"steps": 7, "ratio": 0.0}),
        ("awq", {"ratio": None}),
    ],
)
def test_a_method_is_set_as_the_grid_says(
    word: str, attributes: dict[str, float | None], plan: Callable[..., Path]
) -> None:
    made = run.quantiser(Job("golden", word, "w4", 16), config.read(plan()))
    assert made and {name: getattr(made, name) for name in attributes} == attributes


def test_a_cell_says_what_was_made(plan: Callable[..., Path]) -> None:
    plain, rounded = (
        json.loads(file.read_text()) for file in run.run(plan(methods=["rtn"], weights=["w4g32"], activations=[8]))
    )
    assert plain["bits_per_weight"] is None and not plain["exports"]
    assert rounded["bits_per_weight"] == 5.0 and rounded["exports"]
    assert rounded["cost"]["model_bytes"] < plain["cost"]["model_bytes"]
    assert rounded["cost"]["work"]["bit_operations"] < plain["cost"]["work"]["bit_operations"]
    assert [said["id"] for said in rounded["said"]["heard"]] == ["heard-0", "heard-1", "heard-2"]


def test_a_report_has_all_cells_and_says_what_is_missing(plan: Callable[..., Path]) -> None:
    path = plan()
    with pytest.raises(UserError, match=r"no cell of .* is there"):
        report.report(path)
    files = run.run(path)
    files[1].unlink()
    markdown, summary, page = (file.read_text() for file in report.report(path))
    assert markdown.count("\n| golden |") == 4
    assert "| golden gptq wtg32 a16 |" in markdown and "| decoder cross_attn.key |" in markdown
    assert "Cells of the grid that are not there yet: 1." in markdown
    assert [cell["weights"] for cell in json.loads(summary)] == ["", "wtg32", "w4g32", "wtg32"]
    assert page.count("<svg") == 2 and page.count("<tr>") == 5 + 4 + 4
    # One file, which fetches nothing: what else is an address is the name of a namespace.
    assert not re.search(r'<(script|link|img|iframe)|(src|href)="(?!#|data:)|url\((?!#)|@import', page)


def test_what_was_turned_is_not_for_a_blob(plan: Callable[..., Path]) -> None:
    path = plan(methods=["rtn", "quarot"], weights=["w4g32"])
    run.run(path)
    lines = report.report(path)[0].read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| golden |")]
    assert [(row[1], row[-1].strip(" |")) for row in rows] == [("float", ""), ("rtn", "yes"), ("quarot", "")]


def test_a_report_of_floats_alone(plan: Callable[..., Path]) -> None:
    path = plan()
    for file in run.run(path)[1:]:
        file.unlink()
    assert report.report(path)[-1].read_text().count("<svg") == 1


def test_clips_that_nobody_could_hear_are_left_out(plan: Callable[..., Path]) -> None:
    path = plan(methods=["rtn"], weights=["w8"])
    for file in run.run(path):
        cell = json.loads(file.read_text())
        cell["said"]["heard"][1]["text"] = None
        file.write_text(json.dumps(cell))
    markdown, summary, _ = (file.read_text() for file in report.report(path))
    assert "Clips that are longer than golden can take are left out: 1." in markdown
    words = sum(len(f"hello world {'and the ' * i}".split()) for i in (0, 2))
    assert [(cell["left_out"], cell["wer"]["words"]) for cell in json.loads(summary)] == [(1, words)] * 2


def test_clips_are_left_out_by_models(plan: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Some take longer ones than others, so that whoever comes last does not speak for all."""
    path = plan(models=["golden", "other"], methods=["rtn"], weights=["w8"])
    for file in run.run(path):
        cell = json.loads(file.read_text())
        if cell["key"]["job"]["model"] == "golden":
            cell["said"]["heard"][1]["text"] = None
            file.write_text(json.dumps(cell))
    markdown = report.report(path)[0].read_text()
    assert re.findall("- Clips that are longer.*", markdown) == [
        "- Clips that are longer than golden can take are left out: 1."
    ]


@pytest.mark.parametrize(("head", "exports"), [("w8", True), ("w4g32a", True), ("w8a", False), ("wt", False)])
def test_what_the_head_is_decides_too_whether_a_blob_can_hold_it(
    head: str, exports: bool, plan: Callable[..., Path]
) -> None:
    file = run.run(plan(methods=["rtn"], weights=["w8"], head=head))[1]
    assert json.loads(file.read_text())["exports"] == exports


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["magic"]}, "methods: 'magic' is none of rtn, smoothquant, awq"),
        ({"methods": []}, "methods: there is none"),
        ({"methods": ["rtn:alpha=1"]}, "methods: rtn:alpha=1: 'alpha' is none of its options: it has none"),
        ({"methods": ["awq:alpha=1"]}, "methods: awq:alpha=1: 'alpha' is none of its options: ratio"),
        ({"methods": ["awq:ratio=2"]}, "methods: awq:ratio=2: ratio is '2', must be a number from 0 to 1"),
        ({"methods": ["awq:ratio="]}, "methods: awq:ratio=: ratio is '', must be a number from 0 to 1"),
        ({"methods": ["omniquant:epochs=2.5"]}, "epochs is '2.5', must be a whole number from 1 to 100"),
        ({"also": [{"methods": ["rtn"], "weights": []}]}, "weights: there is none"),
        ({"also": [{"methods": ["magic"], "weights": ["w4"]}]}, "methods: 'magic' is none of"),
        ({"weights": ["w5"]}, "'w5' is no grid"),
        ({"head": "w5"}, "'w5' is no grid"),
        ({"activations": [4]}, "activations: 4 is none of 8, 16"),
        ({"calibration": {"source": "spoken", "clips": 0}}, "calibration.clips: is 0"),
        ({"calibration": {"source": "spoken", "clips": 9}}, "calibration.clips: there are 3 clips with words"),
        ({"calibration": {"source": "heard", "clips": 2}}, "calibration: clip 'heard-.' is one of heard too"),
        ({"evaluation": {"sets": []}}, "evaluation.sets: there is none"),
        ({"evaluation": {"sets": ["a"], "context": "long"}}, "long is not a context"),
        ({"evaluation": {"sets": ["a", "a"]}}, "two sets have the same name"),
        ({"evaluation": {"sets": ["a"], "clips": -1}}, "evaluation.clips: is -1, must be at least 0"),
        ({"speech": {"seconds": float("nan")}}, "speech.seconds: is nan, must be from 0.02 to 30"),
        ({"colour": "red"}, "there is no field 'colour'"),
        ({"calibration": {"source": "spoken", "clips": 2, "seed": 2**64}}, "calibration.seed: is .*, must be from 0"),
        ({"evaluation": {"sets": ["heard", "silence"]}}, "evaluation.sets: in silence nobody says a word"),
        ({"head": "w4g128"}, "head: the token embedding: 64 channels are no whole number of groups of 128"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str, plan: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=message):
        run.run(plan(**changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"methods": ["magic"]}, "methods: 'magic'"),
        ({"methods": ["awq:ratio=2"]}, "methods: awq:ratio=2: ratio"),
        ({"also": [{"methods": ["rtn"], "weights": ["w5"]}]}, "weights: 'w5'"),
        ({"weights": ["w5"]}, "weights: 'w5'"),
        ({"head": "w5"}, "head: 'w5'"),
        ({"evaluation": {"sets": ["a"], "context": "long"}}, "evaluation.context: long"),
    ],
)
def test_words_are_named_by_file_and_field(changes: dict[str, Any], field: str, plan: Callable[..., Path]) -> None:
    path = plan(**changes)
    with pytest.raises(UserError, match=re.escape(f"{path}: {field} is ")):
        config.read(path)


def test_what_goes_wrong_in_another_process_is_told_here(plan: Callable[..., Path]) -> None:
    """Nothing is made up for those, so they know no such model."""
    with pytest.raises(UserError, match="'golden' is neither a model's name"):
        run.run(plan(), 2)


@pytest.mark.parametrize("source", ["spoken", "/data/spoken/manifest.jsonl", "spoken.jsonl", "../data/spoken"])
def test_a_source_is_called_like_its_set(source: str) -> None:
    assert Source(source).name == "spoken"


def test_calibration_is_chosen_by_ids_and_seed_alone() -> None:
    first, again, other = (calibration.choose(Source("spoken", 2, seed)).ids for seed in (1, 1, 3))
    assert first == again
    assert len({tuple(first), tuple(other), tuple(calibration.choose(Source("spoken", 2, 158)).ids)}) > 1
    assert calibration.choose(Source("spoken", 1, 1)).ids == first[:1]


def test_rules_are_those_of_a_blob(tmp_path: Path) -> None:
    pack(golden(), FORMATS["f16"], tmp_path / "golden.w158")
    assert whisper_subject.rules(golden()) == Rules.of(blob.read(tmp_path / "golden.w158"))


def test_a_cell_is_packed_by_its_name(
    plan: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silero, "load", lambda: None)
    path = plan()
    packed = packing.pack(path, "gptq w4g32 a16", str(tmp_path / "made.w158"))
    said = blob.read(packed).text("provenance")
    assert "name=golden-gptq-w4g32-a16\n" in said
    assert "calibration=2 clips of spoken, seed 158\n" in said
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "family", lambda _: whisper_subject.WhisperSubject)
    settings = {"models": ["/models/golden.pt"], "methods": ["smoothquant:alpha=0.8"]}
    assert packing.pack(plan(**settings), "smoothquant:alpha=0.8 w4g32 a16", "") == Path(
        "golden-smoothquant-alpha-0.8-w4g32-a16.w158"
    )
    path = plan()
    again = packing.pack(path, "golden gptq w4g32 a16", str(tmp_path / "again.w158"))
    assert again.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("cell", ["", "gptq", "golden float", "awq w4g32 a16"])
def test_a_cell_that_is_not_there_is_refused(cell: str, plan: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=f"--cell '{cell}' is not one quantised cell"):
        packing.pack(plan(), cell, "x.w158")
