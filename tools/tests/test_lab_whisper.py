# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The methods on a whole Whisper, made up: what must not change its float outputs does not, and what it stores is
what it computes with."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from whisper158.model.golden import golden

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install oracle")
pytest.importorskip("whisper", reason="needs OpenAI's Whisper: ./inv install oracle")

from tests import lab_family  # noqa: E402
from tests.lab_family import check_sites, check_stored, check_transform, linears  # noqa: E402
from tests.lab_methods import (  # noqa: E402
    IDS,
    METHODS,
    BriefOmniQuant,
    BriefSpinQuant,
    BriefTesseraQ,
    close,
    inputs_of,
    lost,
)
from whisper158.lab import fit  # noqa: E402
from whisper158.lab import method as methods  # noqa: E402
from whisper158.lab.activations import Input  # noqa: E402
from whisper158.lab.families import whisper as family  # noqa: E402
from whisper158.lab.grid import parse  # noqa: E402
from whisper158.lab.hadamard import hadamard, turned  # noqa: E402
from whisper158.lab.method import Method, Scheme  # noqa: E402
from whisper158.lab.methods import spinquant  # noqa: E402
from whisper158.lab.methods.awq import Awq  # noqa: E402
from whisper158.lab.methods.omniquant import OmniQuant  # noqa: E402
from whisper158.lab.methods.quarot import QuaRot, make_rms, turn_heads, turn_stream, turns_by_heads  # noqa: E402
from whisper158.lab.methods.quik import Quik  # noqa: E402
from whisper158.lab.methods.rtn import Rtn  # noqa: E402
from whisper158.lab.methods.smoothquant import SmoothQuant  # noqa: E402
from whisper158.lab.methods.tesseraq import TesseraQ  # noqa: E402
from whisper158.lab.seen import observe  # noqa: E402
from whisper158.lab.stage import Flow, fold, moved  # noqa: E402

LENGTHS = (40, 17, 24)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with lab_family.one_thread():
        yield


@pytest.fixture
def model() -> family.WhisperModel:
    """Made-up weights do little to what passes them; louder ones say more of what is done to them."""
    made = family.model(golden())
    with torch.no_grad():
        for stage in made.stages:
            for site in stage.sites:
                for name in site.linears:
                    stage.linear(name).weight *= 2
    return made


def flows(model: family.WhisperModel, shift: int = 0) -> list[Flow]:
    random = torch.Generator().manual_seed(158 + shift)
    found = []
    for length in LENGTHS:
        mel = torch.randn(model.dims.n_mels, 2 * length, generator=random)
        tokens = torch.randint(model.dims.n_vocab, (length // 2,), generator=random).tolist()
        found.append(family.flow(model, mel, tokens))
    return found


def said(model: family.WhisperModel, clips: list[Flow]) -> list[Any]:
    return [family.logits(model, clip) for clip in clips]


def test_stages_compute_what_openais_model_computes(model: family.WhisperModel) -> None:
    random = torch.Generator().manual_seed(1)
    mel = torch.randn(model.dims.n_mels, 2 * model.dims.n_audio_ctx, generator=random)
    tokens = [1, 5, 7, 2]
    with torch.no_grad():
        expected = model.whisper(mel[None], torch.tensor([tokens]))[0]
    assert close([family.logits(model, family.flow(model, mel, tokens))], [expected], 1e-6)


def test_every_linear_layer_of_the_blocks_has_a_place(model: family.WhisperModel) -> None:
    matrices = [n for n, a in golden().tensors.items() if ".blocks." in n and n.endswith(".weight") and a.ndim == 2]
    assert sorted(linears(model)) == sorted(matrices)


def test_what_a_site_reads_is_the_same_for_all_its_layers(model: family.WhisperModel) -> None:
    check_sites(model, flows(model)[0])


def test_folding_leaves_outputs_as_they_are(model: family.WhisperModel) -> None:
    clips = flows(model)
    before = said(model, clips)
    random = torch.Generator().manual_seed(3)
    count = 0
    for stage in model.stages:
        moves = {}
        for site in stage.sites:
            if site.source:
                n = stage.linear(site.linears[0]).weight.shape[1]
                factor = torch.exp(0.7 * torch.randn(n, generator=random))
                moves[site.name] = (factor, torch.randn(n, generator=random))
        old = {name: stage.module.get_parameter(name).clone() for name in moved(stage, moves)}
        count += len(fold(stage, moves))
        assert all(not torch.equal(stage.module.get_parameter(name), tensor) for name, tensor in old.items())
    assert count == 2 * 3 + 1 + 2 * 4
    assert close(said(model, clips), before)


def test_what_cannot_be_folded_is_refused(model: family.WhisperModel) -> None:
    stage = model.stages[0]
    ones = torch.ones(256)
    with pytest.raises(ValueError, match=r"nothing can be folded into what writes the input of mlp\.2"):
        fold(stage, {"mlp.2": (ones, None)})
    # Queries are not indifferent: a vector that is added to one changes its scores.
    stage.linear("attn.query").bias = None
    with pytest.raises(ValueError, match=r"attn\.query has no bias"):
        fold(stage, {"attn": (ones[:64], ones[:64])})


@pytest.mark.parametrize("kind", [SmoothQuant, Awq, BriefOmniQuant, QuaRot, BriefSpinQuant, BriefTesseraQ])
def test_transforms_leave_float_outputs_as_they_are(kind: type[Method], model: family.WhisperModel) -> None:
    clips = flows(model)
    check_transform(model, kind(Scheme(parse("w4g32"))), clips, lambda: said(model, clips))


@pytest.mark.parametrize(("kind", "word"), METHODS, ids=IDS)
def test_what_is_stored_is_what_is_computed(kind: type[Method], word: str, model: family.WhisperModel) -> None:
    clips = flows(model)
    loss = check_stored(model, kind(Scheme(parse(word), 8)), clips, lambda: said(model, clips))
    assert loss < {"w8": 0.01, "wt": 3.0, "wtg32": 0.6}.get(word, 0.6)


def heavy() -> family.WhisperModel:
    """As trained models are, and made-up ones are not: weights with heavy tails, and a few loud channels."""
    model = family.model(golden())
    random = np.random.default_rng(158)
    with torch.no_grad():
        for stage in model.stages[:1]:
            for site in stage.sites:
                for linear in map(stage.linear, site.linears):
                    tails = random.standard_t(3, size=linear.weight.shape) / linear.weight.shape[1] ** 0.5
                    linear.weight.copy_(torch.from_numpy(tails))
            for norm in (stage.module.attn_ln, stage.module.mlp_ln):
                norm.weight[::16] *= 20
    return model


def quantised_stage(model: family.WhisperModel, method: Method) -> tuple[list[Any], float]:
    """The first stage's weights, and what they lose on its calibration."""
    stage, clips = model.stages[0], flows(model)
    batches = tuple(stage.take(clip) for clip in clips)
    targets = tuple(stage.run(batch) for batch in batches)
    calibration = methods.Calibration(batches, method.scheme.seed, targets)
    method.transform(stage, calibration)
    layers = method.quantise(stage, calibration)
    return [each.weight.weights() for each in layers.values()], lost([stage.run(b) for b in batches], list(targets))


def loss(kind: type[Method], word: str, bits: int = 16) -> float:
    return quantised_stage(heavy(), kind(Scheme(parse(word), bits)))[1]


@pytest.mark.parametrize("kind", [BriefTesseraQ, BriefOmniQuant])
def test_the_same_seed_gives_the_same_weights(kind: type[Method]) -> None:
    first, again, other = (quantised_stage(heavy(), kind(Scheme(parse("w3g32a"), 16, seed)))[0] for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_learning_improves_on_where_it_began() -> None:
    class Unlearned(OmniQuant):
        epochs = 0

    class Nearest(TesseraQ):
        shares = ()

    assert loss(BriefOmniQuant, "w3g32a") < 0.9 * loss(Unlearned, "w3g32a")
    assert loss(BriefTesseraQ, "w3g32a") < 0.9 * loss(Nearest, "w3g32a")
    assert loss(Nearest, "w3g32a") == pytest.approx(loss(Awq, "w3g32a"))


def test_smoothing_helps_where_activations_are_loud() -> None:
    assert loss(SmoothQuant, "w8", 8) < 0.7 * loss(Rtn, "w8", 8)
    model = heavy()
    stage = model.stages[0]
    seen = observe(stage, stage.sites, [stage.take(clip) for clip in flows(model)], 1)["attn"]
    factor = SmoothQuant(Scheme(parse("w8"), 8)).factor(stage, stage.sites[0], seen.largest)
    heaviest = torch.cat([stage.linear(name).weight for name in stage.sites[0].linears]).abs().amax(dim=0)
    assert torch.allclose(factor, (seen.largest / heaviest).sqrt())


def test_only_loud_channels_are_kept_at_each_site(model: family.WhisperModel) -> None:
    outcome = methods.apply(Quik(Scheme(parse("w4"), 8)), model, flows(model))
    for name, layer in outcome.layers.items():
        count = 32
        assert layer.input.kept is not None and len(layer.input.kept) == count, name


def test_turned_inputs_are_said(model: family.WhisperModel) -> None:
    """What follows a GELU or comes from another stage; all else was turned beforehand."""
    outcome = methods.apply(QuaRot(Scheme(parse("w4"))), model, flows(model))
    turned = {name for name, layer in outcome.layers.items() if layer.input.rotation is not None}
    online = ("mlp.2.weight", "cross_attn.out.weight")
    assert turned == {name for name in outcome.layers if name.endswith(online)}
    assert len(outcome.prepared) == 2 and "64 channels" in outcome.prepared[0]


def learned(model: family.WhisperModel, word: str = "w3g32", seed: int = 158) -> tuple[list[spinquant.Turns], float]:
    """The turns of each stream, learned, and by how much the worst of them lost less than at the beginning."""
    for stream in model.streams:
        make_rms(stream)
    found, gains = [], []
    for part in spinquant.parts(model, flows(model)):
        turns = spinquant.Turns(part, Scheme(parse(word), seed=seed))
        before, after = turns.learn(rate=spinquant.RATE, steps=12)
        found.append(turns)
        gains.append(after / before)
    return found, max(gains)


def test_learned_turns_are_orthogonal_and_lose_less(model: family.WhisperModel) -> None:
    found, gain = learned(model)
    assert gain < 0.9
    for turns, stream in zip(found, model.streams, strict=True):
        begun = [turned(stream.width, 158), *[hadamard(len(turn)) for turn in turns.heads.values()]]
        assert len(turns.heads) == 2
        for turn, start in zip([turns.whole, *turns.heads.values()], begun, strict=True):
            assert torch.allclose(turn @ turn.T, torch.eye(len(turn), dtype=torch.float64), atol=1e-12)
            assert not torch.allclose(turn, start, atol=1e-3)


def test_turns_that_gain_nothing_are_not_kept(model: family.WhisperModel, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([0.1, 0.2])
    monkeypatch.setattr(spinquant.Turns, "lost", lambda _: next(losses))
    for stream in model.streams:
        make_rms(stream)
    turns = spinquant.Turns(next(spinquant.parts(model, flows(model))), Scheme(parse("w3")))
    heads = {key: turn.clone() for key, turn in turns.heads.items()}
    assert turns.learn(spinquant.RATE, 2) == (0.1, 0.1)
    assert torch.equal(turns.whole, turned(64, 158))
    assert all(torch.equal(turn, heads[key]) for key, turn in turns.heads.items())


def test_learning_that_is_interrupted_leaves_float_outputs_as_they_are(
    model: family.WhisperModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    clips = flows(model)
    before = said(model, clips)
    monkeypatch.setattr(spinquant, "stepped", interrupted)
    with pytest.raises(KeyboardInterrupt):
        BriefSpinQuant(Scheme(parse("w3g32"), 8)).prepare(model, clips)
    assert close(said(model, clips), before)


def test_the_loss_is_that_of_the_model_turned_and_rounded(model: family.WhisperModel) -> None:
    """What is learned with is what turning and rounding the model itself comes to."""
    for stream in model.streams:
        make_rms(stream)
    for stream, part in zip(model.streams, list(spinquant.parts(model, flows(model))), strict=True):
        turns = spinquant.Turns(part, Scheme(parse("w3g32"), 8))
        with turns.reading():
            expected = turns.lost()
        turn_stream(stream, turns.whole)
        for stage in part.stages:
            for site in stage.sites:
                if turns_by_heads(stage, site):
                    turn_heads(stage, site, turns.heads[stage.name, site.name])
                for name in site.linears:
                    place, linear = turns.places[stage.name, name], stage.linear(name)
                    if place.online is not None:
                        linear.weight.copy_(linear.weight @ place.online)
                    methods.read_through(linear, Input(8, rotation=place.online))
        # Only now, for a site's turn changes the layer before it.
        for key, place in turns.places.items():
            each = turns.shares[key]
            params = fit.fit_range(fit.spans_of(place.linear.weight, parse("w3g32")), parse("w3g32"), each, each)
            place.linear.weight.copy_(fit.coded(place.linear.weight, parse("w3g32"), params).weights())
        found = 0.0
        for flow, target in zip(part.entering, part.targets, strict=True):
            for stage in part.stages:
                out = stage.run(stage.take(flow))
                flow = stage.give(flow, out)
            off = spinquant.heard(stream, out) - target
            found += float(off.square().sum() / target.square().sum()) / len(part.entering)
        assert found == pytest.approx(expected, rel=0.02)


def test_the_gradient_is_followed_on_the_manifold() -> None:
    """Down, and for small steps as far as the gradient's part along the manifold says."""
    random = torch.Generator().manual_seed(3)
    turn, gradient = turned(32, 1), torch.randn(32, 32, generator=random, dtype=torch.float64)
    rate = 1e-6
    moved_by = spinquant.stepped(turn, gradient, rate) - turn
    along = (gradient - turn @ gradient.T @ turn) / 2
    assert torch.allclose(moved_by, -rate * along, atol=1e-9)
    assert float((gradient * moved_by).sum()) < 0
    far = spinquant.stepped(turn, 1e6 * gradient, 1.5)
    assert torch.allclose(far @ far.T, torch.eye(32, dtype=torch.float64), atol=1e-12)


def test_learning_follows_the_seed() -> None:
    first, again, other = (learned(family.model(golden()), seed=seed)[0][0].whole for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_errors_are_those_of_the_layers_outputs(model: family.WhisperModel) -> None:
    """Of a layer behind a rotation too"""
    for kind in (Rtn, QuaRot):
        copy = family.model(golden())
        method, clips = kind(Scheme(parse("w3"))), flows(copy)
        prepared = family.model(golden())
        kind(Scheme(parse("w3"))).prepare(prepared)
        x = inputs_of(prepared.stages[0], clips[0])["mlp.2"][0]
        float_weight = prepared.stages[0].linear("mlp.2").weight
        outcome = methods.apply(method, copy, clips[:1])
        turn = outcome.layers["encoder.blocks.0.mlp.2.weight"].input.rotation
        seen = x if turn is None else x @ turn.float()
        ours = seen @ copy.stages[0].linear("mlp.2").weight.T
        lost = float((ours - x @ float_weight.T).norm() / (x @ float_weight.T).norm())
        assert outcome.errors["encoder.blocks.0.mlp.2.weight"] == pytest.approx(lost, rel=1e-3)


def test_the_head_is_rounded_at_both_ends(model: family.WhisperModel) -> None:
    weight = family.quantise_head(model, parse("w8"))
    assert torch.equal(model.whisper.decoder.token_embedding.weight, weight.weights())
    assert weight.exported() is not None
