# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What methods that learn learn towards: the float model's outputs, whatever has become of the stages before."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install oracle")
pytest.importorskip("whisper", reason="needs OpenAI's Whisper: ./inv install oracle")

from tests.lab_methods import BriefOmniQuant, BriefTesseraQ, close  # noqa: E402
from whisper158.lab import method as methods  # noqa: E402
from whisper158.lab.families import whisper as family  # noqa: E402
from whisper158.lab.grid import parse  # noqa: E402
from whisper158.lab.method import Calibration, Method, Scheme  # noqa: E402
from whisper158.lab.stage import Fold, Stage  # noqa: E402
from whisper158.model.golden import golden  # noqa: E402


def outputs(model: family.WhisperModel, clips: list[Any]) -> dict[str, list[Any]]:
    """Of every stage, by its name"""
    found = {}
    for stage in model.stages:
        found[stage.name] = [stage.run(stage.take(clip)) for clip in clips]
        clips = [stage.give(clip, out) for clip, out in zip(clips, found[stage.name], strict=True)]
    return found


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", [BriefOmniQuant, BriefTesseraQ])
def test_targets_are_the_float_models(kind: type[Method], bits: int) -> None:
    """The keys and values of cross attention are folded and quantised as a stage of their own, and then belong to the
    decoder's blocks."""
    random = torch.Generator().manual_seed(158)
    model = family.model(golden())
    clips = [family.flow(model, torch.randn(80, 40, generator=random), [1, 2, 3, n]) for n in range(2)]
    expected = outputs(model, clips)
    wanted: dict[str, Any] = {}

    class Noted(kind):  # type: ignore[misc, valid-type]
        def transform(self, stage: Stage, calibration: Calibration) -> list[Fold]:
            wanted[stage.name] = calibration.targets
            folds: list[Fold] = super().transform(stage, calibration)
            return folds

    methods.apply(Noted(Scheme(parse("w4g32"), bits)), model, clips)
    assert wanted.keys() == expected.keys()
    for name, targets in wanted.items():
        assert close(list(targets), expected[name], 1e-6), name
