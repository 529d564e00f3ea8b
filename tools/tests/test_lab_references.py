# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The laboratory's methods beside their authors' code, on one made-up layer.

From packages (./inv install references), and from checkouts, which are not ours to fetch: put those of
docs/lab.md's table under one folder and name it in WHISPER158_REFERENCES. With `-s` the figures of that table are
printed.
"""

from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install torch")

from torch import nn  # noqa: E402

from tests.lab_methods import Made, made  # noqa: E402
from tests.references import checkout, imported  # noqa: E402
from whisper158.lab import feedback, fit  # noqa: E402
from whisper158.lab.activations import FLOATS  # noqa: E402
from whisper158.lab.feedback import output_error  # noqa: E402
from whisper158.lab.grid import parse  # noqa: E402
from whisper158.lab.hadamard import hadamard, turned  # noqa: E402
from whisper158.lab.method import Method, Scheme  # noqa: E402
from whisper158.lab.methods import omniquant, quik, spinquant, tesseraq  # noqa: E402
from whisper158.lab.methods.awq import best_factor, clipped  # noqa: E402
from whisper158.lab.methods.gptq import Gptq  # noqa: E402
from whisper158.lab.methods.hqq import Hqq  # noqa: E402
from whisper158.lab.methods.smoothquant import smoothing  # noqa: E402
from whisper158.lab.methods.spqr import Spqr  # noqa: E402
from whisper158.lab.soft import soft_weights  # noqa: E402

pytestmark = [pytest.mark.oracle, pytest.mark.slow]


@pytest.fixture(autouse=True)
def as_on_one_processor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def one() -> Made:
    """Few enough tokens that the sample holds them all."""
    return made(tokens=512)


def compared(name: str, theirs: float, ours: float) -> float:
    print(f"{name}: {theirs:.5f} theirs, {ours:.5f} ours")
    return ours / theirs


def ours(kind: type[Method], word: str, one: Made) -> Any:
    return kind(Scheme(parse(word))).layer(one.weight, one.seen).weight


def linear(weight: Any) -> Any:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data.copy_(weight)
    return layer


def lost(one: Made, weights: Any) -> float:
    return output_error(one.weight, weights, one.seen.gram)


# --------------------------------------------------------------------------------------------------- GPTQ and its heirs

# Symmetric codes of 4 bits are -8 to 7 there, and -7 to 7 here.
GPTQ = [("w4a", 4, False, -1), ("w3", 3, True, -1), ("w3g64a", 3, False, 64), ("w2g64", 2, True, 64)]


@pytest.mark.parametrize(("word", "bits", "symmetric", "group"), GPTQ, ids=[case[0] for case in GPTQ])
def test_gptq(word: str, bits: int, symmetric: bool, group: int, one: Made) -> None:
    """The authors' act-order and static groups give the codes that we find, but where floats of theirs tie."""
    with imported(checkout("gptq"), "gptq", "quant") as (gptq, quant):
        layer = linear(one.weight)
        worker = gptq.GPTQ(layer)
        worker.quantizer = quant.Quantizer()
        worker.quantizer.configure(bits, perchannel=True, sym=symmetric, mse=False)
        worker.add_batch(one.seen.sample, None)
        worker.fasterquant(groupsize=group, actorder=True, static_groups=group > 0)
    found = ours(Gptq, word, one).weights()
    assert compared(f"gptq {word}", lost(one, layer.weight.data), lost(one, found)) == pytest.approx(1, abs=0.01)
    assert float(torch.isclose(found, layer.weight.data, atol=1e-5).float().mean()) > 0.99


@pytest.mark.parametrize("word", ["w4a", "w3a", "w4g64a"])
def test_quarot_rounds_as_its_authors_do(word: str, one: Made) -> None:
    """Their ranges, and their order of channels"""
    grid = parse(word)
    with imported(checkout("QuaRot", "fake_quant"), "gptq_utils", "quant_utils") as (gptq, quant):
        layer = linear(one.weight)
        worker = gptq.GPTQ(layer)
        worker.quantizer = quant.WeightQuantizer()
        worker.quantizer.configure(grid.levels.bit_length() - 1, perchannel=True, sym=False, mse=True)
        worker.add_batch(one.seen.sample, None)
        worker.fasterquant(groupsize=grid.group or -1, static_groups=grid.group > 0)
    upper = feedback.upper_factor(one.seen.gram, feedback.DAMPING)
    params = fit.fit(one.weight, grid, of_spans=fit.searched)
    found = feedback.reordered(one.weight, grid, params, torch.arange(256), upper).codes.weights()
    assert compared(f"quarot {word}, as they stand", lost(one, layer.weight.data), lost(one, found)) == pytest.approx(
        1, abs=0.01
    )
    assert float(torch.isclose(found, layer.weight.data, atol=1e-5).float().mean()) > 0.99
    order = feedback.by_loudness(one.seen.gram)
    upper = feedback.upper_factor(one.seen.gram[order][:, order], feedback.DAMPING)
    better = feedback.reordered(one.weight, grid, params, order, upper).codes.weights()
    assert compared(f"quarot {word}, loud first", lost(one, layer.weight.data), lost(one, better)) < 1


def test_quik(one: Made) -> None:
    """Loud channels first lose no more than the authors' order, which is the other way round; in theirs, all is
    equal."""
    grid, count = parse("w4a"), quik.kept_count(256, 0)
    with imported(checkout("QUIK", "experiments", "fake_quant"), "quik_utils", "quant") as (theirs, quant):
        layer = linear(one.weight)
        worker = theirs.QUIK(layer, one.seen.largest, count)
        worker.quantizer = quant.WeightQuantizer()
        worker.quantizer.configure(4, perchannel=True, sym=False, mse=True)
        worker.add_batch(one.seen.sample, None)
        worker.fasterquant()
    reference = lost(one, layer.weight.data)
    assert compared("quik w4a", reference, lost(one, ours(quik.Quik, "w4a", one).weights())) < 1.01
    order = torch.argsort(one.seen.largest)
    upper = feedback.upper_factor(one.seen.gram[order][:, order], feedback.DAMPING)
    n = 256 - count
    params = fit.fit(one.weight[:, order[:n]], grid, of_spans=fit.searched)
    result = feedback.reordered(one.weight[:, order[:n]], grid, params, torch.arange(n), upper[:n, :n])
    rounded = result.codes.weights()
    found = torch.empty_like(one.weight)
    found[:, order[:n]] = rounded
    found[:, order[n:]] = quik.made_good(one.weight[:, order].double(), rounded.double(), upper).float()
    assert compared("quik w4a, their order", reference, lost(one, found)) == pytest.approx(1, abs=0.01)
    assert float(torch.isclose(found, layer.weight.data, atol=1e-4).float().mean()) > 0.99


@pytest.mark.parametrize("bits", [3, 4])
def test_spqr(bits: int, one: Made) -> None:
    with imported(checkout("SpQR"), "spqr_engine") as (engine,):
        worker = engine.SPQRUtil(linear(one.weight))
        worker.add_batch(one.seen.sample)
        # As in the authors' script.
        result = worker.quantize(
            **{"bits": bits, "groupsize": 16, "qq_groupsize": 16, "qq_scale_bits": 3, "qq_zero_bits": 3},
            **{"percdamp": 1.0, "outlier_relative_threshold": 0.2, "permutation_order": "act_order"},
            **{"sym": False, "verbose": False},
        )
    found = ours(Spqr, f"w{bits}a", one)
    assert found.outliers is not None and found.order is not None
    assert found.order.tolist() == result.perm.tolist()
    share, theirs = (
        found.outliers.values.numel() / one.weight.numel(),
        float(result.unstructured_outlier_mask.float().mean()),
    )
    assert compared(f"spqr w{bits}a, outliers", theirs, share) == pytest.approx(1, abs=0.05)
    assert compared(f"spqr w{bits}a", lost(one, result.weight), lost(one, found.weights())) == pytest.approx(
        1, abs=0.01
    )


# -------------------------------------------------------------------------------------------------- factors and ranges


@pytest.mark.parametrize("word", ["w4g64a", "w3g64a", "w3g128a"])
def test_awq_ranges(word: str, one: Made) -> None:
    """Ours shrink both ends by one share; the authors' clip at a magnitude, in half as many steps."""
    grid = parse(word)
    bits = grid.levels.bit_length() - 1
    config = {"zero_point": True, "q_group_size": grid.group}
    names = ("awq.quantize.auto_clip", "awq.quantize.quantizer")
    weight = made(rows=64, tokens=512).weight
    one = Made(weight, one.seen)
    with imported(checkout("llm-awq"), *names) as (clip, quantizer):
        plain = quantizer.pseudo_quantize_tensor(weight.clone(), n_bit=bits, **config)
        best = clip.auto_clip_layer(weight, one.seen.sample, n_bit=bits, q_config=config)
        kept = torch.clamp(weight.view(*best.shape[:2], -1), -best, best).view_as(weight)
        theirs = quantizer.pseudo_quantize_tensor(kept, n_bit=bits, **config)
    assert torch.allclose(fit.nearest(weight, grid).weights(), plain, atol=1e-6)
    found = fit.coded(weight, grid, clipped(weight, one.seen.sample, grid)).weights()
    x = one.seen.sample.view(512, -1, grid.group)

    def off(weights: Any) -> float:
        """What the ranges are chosen by: the error of every span's own part of the output"""
        return float(
            torch.einsum("tsi,rsi->trs", x, (weights - weight).view(64, -1, grid.group)).square().mean() ** 0.5
        )

    assert compared(f"awq {word}, ranges", off(theirs), off(found)) < 1.02


@pytest.mark.network
def test_awq_factors(one: Made) -> None:
    awq = pytest.importorskip("torchao.prototype.awq.core", reason="needs torchao: ./inv install references")
    from torchao.quantization import IntxWeightOnlyConfig, MappingType
    from torchao.quantization.granularity import PerGroup

    config = IntxWeightOnlyConfig(torch.int4, PerGroup(64), mapping_type=MappingType.ASYMMETRIC)
    observer = awq.AWQObserver(one.weight, None, config)
    observer(one.seen.sample, None)
    theirs = observer.calculate_qparams()
    found = best_factor(one.weight, one.seen, parse("w4g64a"), FLOATS)
    assert torch.allclose(found, theirs, rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.5, 0.8])
def test_smoothquant(alpha: float, one: Made) -> None:
    layers, norm = [linear(one.weight), linear(made(1).weight)], nn.LayerNorm(256)
    heaviest = torch.stack([layer.weight.detach().abs().amax(dim=0) for layer in layers]).amax(dim=0)
    with imported(checkout("smoothquant"), "smoothquant.smooth") as (smooth,):
        smooth.smooth_ln_fcs(norm, layers, one.seen.largest, alpha)
    found = smoothing(one.seen.largest, heaviest, alpha)
    assert torch.allclose(1 / found, norm.weight, rtol=1e-5)
    assert torch.allclose(one.weight * found, layers[0].weight, rtol=1e-5)


@pytest.mark.network
def test_smoothquant_of_torchao(one: Made) -> None:
    core = pytest.importorskip("torchao.prototype.smoothquant.core", reason="needs torchao: ./inv install references")
    observer = core.SmoothQuantObserver(one.weight, 0.5)
    observer(one.seen.sample)
    theirs = observer.calculate_qparams()[0]
    assert torch.allclose(smoothing(one.seen.largest, one.weight.abs().amax(dim=0), 0.5), theirs, rtol=1e-4)


# ------------------------------------------------------------------------------------------------------------ learning


def test_omniquant_clips_and_learns_as_its_authors_do(one: Made) -> None:
    """What the codes stand for, and what gradients say of the clipping"""
    grid, random = parse("w4g64a"), torch.Generator().manual_seed(1)
    top, bottom = (torch.randn(96, 4, generator=random).add(2).requires_grad_() for _ in range(2))
    pull = torch.randn(96, 256, generator=random)
    params = omniquant.clipped_range(one.weight, grid, (top, bottom))
    found = soft_weights(one.weight, grid, params.scales, params.zeros)
    (found * pull).sum().backward()
    with imported(checkout("OmniQuant"), "quantize.quantizer") as (quantizer,):
        theirs = quantizer.UniformAffineQuantizer(
            4, dynamic_method="per_channel", group_size=64, shape=one.weight.shape, lwc=True
        )
        theirs.upbound_factor.data.copy_(top.detach().reshape(-1, 1))
        theirs.lowbound_factor.data.copy_(bottom.detach().reshape(-1, 1))
        expected = theirs(one.weight)
        (expected * pull).sum().backward()
    assert float(torch.isclose(found, expected, atol=1e-5).float().mean()) > 0.999
    for mine, other in ((top, theirs.upbound_factor), (bottom, theirs.lowbound_factor)):
        assert torch.allclose(mine.grad.view(-1, 1), other.grad, rtol=1e-2, atol=1e-2 * float(other.grad.abs().max()))


def test_tesseraq_rounds_softly_and_hardens_as_its_authors_do(one: Made) -> None:
    """TesseraQ's code is part of LightCompress."""
    names = ("llmc.compression.quantization.module_utils", "llmc.compression.quantization.tesseraq")
    soft = tesseraq.begun(one.weight, parse("w3g64a"), one.seen)
    with imported(checkout("LightCompress"), *names) as (utils, theirs):
        sigmoid = utils.RectifiedSigmoid(-0.1, 1.1)
        fraction = fit.spans_of(one.weight, soft.grid) / soft.params.scales[..., None]
        assert torch.allclose(sigmoid.inverse(fraction - fraction.floor()), soft.v.detach(), atol=1e-3)
        assert torch.allclose(sigmoid(soft.v.detach()), soft.up().detach(), atol=1e-6)
        block = nn.Module()
        block.layer = utils.FakeQuantLinear.__new__(utils.FakeQuantLinear)
        nn.Module.__init__(block.layer)
        block.layer.register_buffer("buf_rounding", soft.v.detach().clone())
        worker = theirs.TesseraQ.__new__(theirs.TesseraQ)
        worker.sigmoid = sigmoid
        for share in (0.75, 0.25, 0.02):
            worker.update_mask(block, share)
            soft.harden(share)
            hard = block.layer.buf_rounding
            assert int((hard.isinf() != soft.fixed).sum()) <= 2
            assert bool(((hard > 0) == (soft.v > 0)).all())


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0])
def test_spinquant_steps_as_its_authors_do(scale: float) -> None:
    """They iterate five times towards the Cayley transform that we solve for, in f32."""
    random = torch.Generator().manual_seed(2)
    start, gradient = turned(64, 1), scale * torch.randn(64, 64, generator=random, dtype=torch.float64)
    with imported(checkout("SpinQuant", "train_utils"), "optimizer") as (optimizer,):
        turn = nn.Parameter(start.float())
        turn.grad = gradient.float()
        optimizer.SGDG([turn], lr=1.5, stiefel=True).step()
    found = spinquant.stepped(start, gradient, 1.5)
    off = float((turn.detach().double() - found).norm() / (found - start).norm())
    print(f"spinquant, a step of a gradient of {scale}: {off:.2g} apart, relative to it")
    assert off < (1e-3 if scale < 1 else 0.1)


def test_spinquant_turns_layers_as_its_authors_do() -> None:
    """A value's weights by the stream and head by head; an out layer's the other way round."""
    random = torch.Generator().manual_seed(2)
    whole, head, x = turned(64, 1), turned(16, 2), torch.randn(8, 64, generator=random)
    with imported(checkout("SpinQuant", "train_utils"), "quant_linear") as (quant,):
        layer = quant.QuantizeLinear(64, 64, bias=False)
        value = layer(x, R1=whole, R2=head).detach()
        out = layer(x, R1=whole, R2=head, transpose=True).detach()
    weight = layer.weight.detach()
    reads = spinquant.by_heads((weight @ whole.float()).T, head).T
    writes = spinquant.by_heads(whole.float().T @ weight, head)
    assert torch.allclose(value, x @ reads.T, atol=1e-5)
    assert torch.allclose(out, x @ writes.T, atol=1e-5)


# ----------------------------------------------------------------------------------------------------- HQQ, rotations


@pytest.mark.network
@pytest.mark.parametrize("bits", [4, 3, 2])
def test_hqq(bits: int, one: Made) -> None:
    """The authors' package, from the same beginning; our zero points are stored in f16."""
    optimise = pytest.importorskip("hqq.core.optimize", reason="needs hqq: ./inv install references")
    spans = one.weight.reshape(-1, 64)
    low, high = spans.amin(dim=1, keepdim=True), spans.amax(dim=1, keepdim=True)
    scale = (2**bits - 1) / (high - low)
    zero = (-low * scale).round() if bits == 4 else -low * scale
    codes, scale, zero = optimise.optimize_weights_proximal_legacy(
        spans, scale, zero, [0, 2**bits - 1], axis=1, device="cpu", verbose=False
    )
    theirs = ((codes.float() - zero) / scale).view_as(one.weight)
    found = ours(Hqq, f"w{bits}g64a", one).weights()
    ratio = compared(
        f"hqq w{bits}g64a, mean |W - W'|",
        float((theirs - one.weight).abs().mean()),
        float((found - one.weight).abs().mean()),
    )
    # Of 4 bits, theirs begins with zero points that are whole numbers, which costs a little.
    assert 0.98 < ratio < 1.01


@pytest.mark.parametrize("order", [12, 20, 28, 36, 64, 256])
def test_hadamard_matrices_are_as_good_as_quarots(order: int) -> None:
    """There are several of an order; what counts is that rows are orthogonal and entries of one magnitude."""
    with imported(checkout("QuaRot", "fake_quant"), "hadamard_utils") as (utils,):
        small = getattr(utils, f"get_had{order}", lambda: utils.matmul_hadU(torch.eye(order)) * order**0.5)()
    for matrix in (small.double() / order**0.5, hadamard(order)):
        assert torch.allclose(matrix @ matrix.T, torch.eye(order, dtype=torch.float64), atol=1e-6)
        assert torch.allclose(matrix.abs(), torch.full_like(matrix, order**-0.5), atol=1e-6)
