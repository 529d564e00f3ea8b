# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash

from whisper158.build import runtime
from whisper158.evaluate.engine import Engine
from whisper158.model import random
from whisper158.model.blob import Packing
from whisper158.model.checkpoint import Checkpoint, check_dims, tensor_shapes
from whisper158.model.load import load
from whisper158.model.pack import FORMATS, Format, pack


@pytest.fixture(scope="module")
def tiny() -> Checkpoint:
    return load("random-tiny.en")


@pytest.mark.parametrize(("name", "million"), [("tiny", 38), ("base", 73), ("small", 242), ("small.en", 242)])
def test_the_shapes_are_those_of_the_real_models(name: str, million: int) -> None:
    dims = random.shape_of(name)
    check_dims(dims, Path(name))
    parameters = sum(int(np.prod(shape)) for shape in tensor_shapes(dims).values())
    assert round(parameters / 1e6) == million
    assert dims.multilingual == (not name.endswith(".en"))


def test_a_checkpoint_is_whole_and_always_the_same(tiny: Checkpoint) -> None:
    assert {name: tensor.shape for name, tensor in tiny.tensors.items()} == tensor_shapes(tiny.dims)
    assert len(tiny.vocabulary) == len(set(tiny.vocabulary)) == tiny.dims.eot
    assert xxhash.xxh64_hexdigest(tiny.tensors["encoder.conv1.weight"].tobytes()) == "3e24a89766b8cbd0"


def with_packings(form: Format, frames: Packing, token: Packing) -> Format:
    """A ternary format in other packings, under a name of its own: t158.t4.t2."""
    return replace(
        form,
        name=f"{form.name}.{frames.name}.{token.name}".lower(),
        frames=replace(form.frames, packing=frames),
        token=replace(form.token, packing=token),
    )


@pytest.mark.parametrize(
    "form",
    [
        FORMATS["f16"],
        FORMATS["q8"],
        FORMATS["t158"],
        FORMATS["t158i4"],
        with_packings(FORMATS["t158"], frames=Packing.T4, token=Packing.T2),
    ],
    ids=lambda form: form.name,
)
def test_activations_stay_near_one_in_every_format(form: Format, tiny: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "model.w158"
    pack(tiny, form, path)
    with Engine(runtime.shared_library(), path) as engine:
        mel = engine.mel(np.sin(np.arange(16000, dtype=np.float32) / 10), 100)
        encoded = engine.encode(mel)
        logits = engine.decode([tiny.dims.eot + 1, 1000, 2000])
    assert 0.1 < np.std(encoded) < 10
    assert 0.1 < np.std(logits) < 100
    assert np.isfinite(encoded).all() and np.isfinite(logits).all()


def test_packings_are_chosen_one_by_one() -> None:
    form = with_packings(FORMATS["t158"], frames=Packing.T4, token=Packing.T5)
    assert (form.name, form.frames.packing, form.token.packing) == ("t158.t4.t5", Packing.T4, Packing.T5)
    assert replace(form, name="t158", frames=FORMATS["t158"].frames, token=FORMATS["t158"].token) == FORMATS["t158"]
