# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a report's pictures show, and of what."""

import re
from collections.abc import Callable

import pytest

from whisper158.evaluate.wer import Score

for name in ("torch", "matplotlib"):
    pytest.importorskip(name, reason="needs PyTorch and matplotlib: ./inv install train")

import matplotlib  # noqa: E402

from whisper158.lab import plots, registry  # noqa: E402
from whisper158.lab.job import FLOAT, Job  # noqa: E402
from whisper158.lab.plots import AXES, Place, Point  # noqa: E402


def point(method: str, weights: str, cost: float, rate: float, activations: int = 16) -> Point:
    wrong = round(1000 * rate)
    score = Score(1000, wrong, 0, 0, max(rate - 0.02, 0), rate + 0.03)
    return Point(Job("tiny.en", method, weights, activations), {axis.cost: cost * axis.unit for axis in AXES}, score)


POINTS = [
    point(FLOAT, "", 75, 0.14),
    point("rtn", "w4g64", 40, 0.19),
    point("gptq", "w4g64", 40, 0.16),
    point("gptq", "w3g64", 33, 0.69),
    point("quarot", "w4g64", 41, 0.17, 8),
    point("ptqtp", "wtg128", 38, 1.37),
]


def test_the_front_is_what_nothing_beats() -> None:
    places = [(1.0, 0.05), (2.0, 0.03), (3.0, 0.03), (4.0, 0.01), (2.5, 0.04), (1.0, 0.06)]
    best = plots.front([point("rtn", "w8", cost, rate) for cost, rate in places], AXES[0])
    assert [p.at(AXES[0]) for p in best] == [pytest.approx(place) for place in [(1, 5), (2, 3), (4, 1)]]


def test_every_method_has_a_colour_of_its_own() -> None:
    assert len(set(plots.COLOURS)) == len(plots.COLOURS) >= len(registry.METHODS)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """All text of an SVG, which has letters instead of their outlines for once"""
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    return lambda svg: re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_costs_have_axes_with_units_a_legend_and_names_on_the_front(words: Callable[[str], list[str]]) -> None:
    found = words(plots.costs({"librispeech_test_other": POINTS, "noisy": POINTS}))
    for axis in AXES:
        assert found.count(axis.label) == 2
    assert found.count("librispeech_test_other: word error rate, %") == len(AXES)
    for entry in ("float", "gptq", "4-bit weights", "ternary weights", "hollow: 8-bit activations", "Pareto front"):
        assert entry in found
    assert "8-bit weights" not in found
    # What nothing beats has a number in every panel, and its name beside it there.
    assert found.count("1 gptq w4g64 a16") == found.count("2 float") == found.count("1") == 2 * len(AXES)
    # Far beyond the axis, so they have their rate beside them.
    assert found.count("69") == found.count("137") == 2 * len(AXES)


def test_without_the_float_model_all_are_shown(words: Callable[[str], list[str]]) -> None:
    assert plots.ceiling(POINTS) == pytest.approx(35)
    assert plots.ceiling(POINTS[1:]) == pytest.approx(140)
    assert "137" not in words(plots.costs({"one": POINTS[1:]}))


def test_what_costs_the_same_is_drawn_side_by_side() -> None:
    values = [40.0, 33.0, 33.1, 40.2, 75.0]
    drawn = plots.side_by_side(values)
    assert drawn[1] < 33 < 33.1 < drawn[2] and drawn[0] < 40 < 40.2 < drawn[3] and drawn[4] == 75
    crowd = plots.side_by_side([40.0] * 50)
    assert crowd == sorted(set(crowd)) and 40 / plots.SPREAD < crowd[0] < crowd[-1] < 40 * plots.SPREAD
    assert plots.side_by_side([]) == []


@pytest.mark.parametrize(
    ("tensor", "place"),
    [
        ("encoder.blocks.0.attn.query.weight", Place("encoder", 0, "attn.query")),
        ("decoder.blocks.3.mlp.0.weight", Place("decoder", 3, "mlp.0")),
        ("model.decoder.layers.11.self_attn.q_proj.weight", Place("decoder", 11, "self_attn.q_proj")),
        ("proj.weight", Place("proj", 0, "")),
    ],
)
def test_a_layer_has_its_place(tensor: str, place: Place) -> None:
    assert plots.place(tensor) == place


def test_losses_are_by_layer(words: Callable[[str], list[str]]) -> None:
    layers = [f"{side}.blocks.{i}.{name}.weight" for side in ("decoder", "encoder") for i in (0, 1) for name in "ab"]
    lost = {
        "gptq w4": dict.fromkeys(layers, 0.05),
        "rtn w2": {**dict.fromkeys(layers, 0.5), "encoder.blocks.1.c.weight": 0},
    }
    found = words(plots.losses(lost))
    assert [name for name in found if re.fullmatch("[abc]", name)] == list("ababcabab")
    assert [name for name in found if re.fullmatch(r"\w+ \d", name) and "w" not in name] == [
        "encoder 0",
        "encoder 1",
        "decoder 0",
        "decoder 1",
    ]
    assert "gptq w4" in found and "of the layer's output lost, %" in found
