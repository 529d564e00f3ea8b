# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What is trained is what the runtime will compute, and its gradients are those that they claim to be."""

import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper158.model.golden import golden
from whisper158.model.load import load
from whisper158.model.ternary import project, quantise_i4

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install train")
network = pytest.importorskip("whisper158.train.network")
quantisers = pytest.importorskip("whisper158.train.quantisers")
losses = pytest.importorskip("whisper158.train.losses")

from torch.nn import functional as F  # noqa: E402

from whisper158.train.batches import UNTOLD  # noqa: E402
from whisper158.train.place import Place, precision  # noqa: E402

seeds = st.integers(0, 2**32 - 1)


def layer(seed: int, group: int, vectors: int = 5) -> tuple[Any, Any, Any, Any]:
    """x [vectors, 64], latent weights [8, 64], their scales, a bias"""
    random = torch.Generator().manual_seed(seed)
    x, weight = torch.randn(vectors, 64, generator=random), torch.randn(8, 64, generator=random)
    scale = torch.from_numpy(project(weight.numpy(), group).scales)
    return x, weight, scale, torch.randn(8, generator=random)


@given(seed=seeds, group=st.sampled_from([0, 32]))
def test_a_product_is_that_of_codes_as_the_runtime_makes_it(seed: int, group: int) -> None:
    x, weight, scale, bias = layer(seed, group)
    y = quantisers.TernaryProduct.apply(x, weight, scale, bias, 1.0)
    best = project(weight.numpy(), group)
    assert np.array_equal(quantisers.ternary_codes(weight, scale).numpy(), best.codes)
    step = x.abs().amax(dim=-1, keepdim=True) / 127
    expected = torch.round(x / step).double() @ torch.from_numpy(best.weights()).double().T * step + bias
    assert torch.allclose(y.double(), expected, rtol=1e-5, atol=1e-5)


@given(seed=seeds, group=st.sampled_from([0, 32]))
def test_gradients_pass_the_rounding(seed: int, group: int) -> None:
    """y is linear in what the rounding gives, so the gradients are known: that of x through the codes, that of the
    latent weights as if they were the codes' weights, that of a scale along its codes."""
    x, weight, scale, bias = (t.requires_grad_() for t in layer(seed, group))
    out = torch.randn(5, 8, generator=torch.Generator().manual_seed(seed))
    quantisers.TernaryProduct.apply(x, weight, scale, bias, 1.0).backward(out)
    codes = quantisers.ternary_codes(weight.detach(), scale.detach())
    step = x.detach().abs().amax(dim=-1, keepdim=True) / 127
    rounded = torch.round(x.detach() / step) * step
    spread = quantisers.spread(scale.detach(), weight.shape)
    assert torch.allclose(x.grad, out @ (codes * spread), rtol=1e-4, atol=1e-5)
    assert torch.allclose(weight.grad, out.T @ rounded, rtol=1e-4, atol=1e-5)
    along = ((out.T @ rounded) * codes).view(*scale.shape, -1).sum(dim=-1)
    assert torch.allclose(scale.grad, along, rtol=1e-4, atol=1e-4)
    assert torch.allclose(bias.grad, out.sum(dim=0), rtol=1e-4, atol=1e-5)


def test_with_a_share_the_latent_weights_give_way_to_their_codes() -> None:
    x, weight, scale, bias = layer(1, 0)
    x = torch.round(x / x.abs().amax(dim=-1, keepdim=True) * 127)  # which int8 holds as it is
    none, half, whole = (quantisers.TernaryProduct.apply(x, weight, scale, bias, share) for share in (0.0, 0.5, 1.0))
    assert torch.allclose(none, x @ weight.T + bias, rtol=1e-4, atol=1e-3)
    assert torch.allclose(half, (none + whole) / 2, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(none, whole, rtol=1e-2, atol=1e-2)


@given(seed=seeds)
def test_a_float_product_has_the_gradients_of_a_linear_layer(seed: int) -> None:
    x, weight, _, bias = (t.requires_grad_() for t in layer(seed, 0))
    quantisers.FloatProduct.apply(x, weight, bias).square().sum().backward()
    ours = [t.grad.clone() for t in (x, weight, bias)]
    for t in (x, weight, bias):
        t.grad = None
    torch.nn.functional.linear(x, weight, bias).square().sum().backward()
    assert all(torch.allclose(a, t.grad, rtol=1e-4, atol=1e-4) for a, t in zip(ours, (x, weight, bias), strict=True))


@given(seed=seeds, group=st.sampled_from([0, 32]))
def test_four_bits_are_those_that_are_packed(seed: int, group: int) -> None:
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(seed))
    scale = torch.from_numpy(quantise_i4(weight.numpy(), group).scales)
    whole = quantisers.Int4Weight.apply(weight, scale)
    codes = quantisers.int4_codes(weight, scale)
    assert codes.abs().max() <= 7 and torch.equal(codes, codes.round())
    assert torch.allclose(whole, codes * quantisers.spread(scale, weight.shape))
    step = quantisers.spread(scale, weight.shape)
    inside = weight.abs() <= 7.5 * step
    assert torch.all((whole - weight).abs()[inside] <= 0.5001 * step[inside])
    assert torch.all((codes * weight.sign())[~inside] == 7)


def test_a_four_bit_scale_learns_to_be_right() -> None:
    random = torch.Generator().manual_seed(158)
    weight = torch.randn(16, 64, generator=random)
    scale = torch.nn.Parameter(torch.from_numpy(quantise_i4(weight.numpy(), 0).scales) * 2)
    start = (quantisers.Int4Weight.apply(weight, scale) - weight).square().mean().item()
    optimiser = torch.optim.Adam([scale], lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        loss = (quantisers.Int4Weight.apply(weight, scale) - weight).square().mean()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.5 * start


@pytest.mark.skipif(shutil.which("g++") is None, reason="fusing needs a C++ compiler")
@pytest.mark.parametrize("group", [0, 32])
def test_fused_a_product_is_what_it_is_unfused(group: int) -> None:
    """Up to float sums in another order: a step may come out a rounding away, and then a code moves by one."""
    for vectors in (5, 70):
        tensors = layer(7, group, vectors)
        results = []
        for between in (quantisers.PLAIN, quantisers.fused()):
            x, weight, scale, bias = (t.clone().requires_grad_() for t in tensors)
            y = quantisers.TernaryProduct.apply(x, weight, scale, bias, 1.0, between)
            y.square().sum().backward()
            results.append([y, x.grad, weight.grad, scale.grad, bias.grad])
        for plain, fused in zip(*results, strict=True):
            plain, fused = plain.detach(), fused.detach()
            assert torch.allclose(plain, fused, rtol=2e-2, atol=2e-2 * float(plain.abs().max()))


@given(seed=seeds, told=st.integers(0, 6), labelled=st.integers(0, 6))
def test_losses_of_tokens_are_those_of_the_textbook(seed: int, told: int, labelled: int) -> None:
    random = torch.Generator().manual_seed(seed)
    logits = (5 * torch.randn(6, 40, generator=random)).requires_grad_()
    parent = 5 * torch.randn(told, 40, generator=random)
    labels = torch.randint(0, 40, (6,), generator=random)
    labels[torch.randperm(6, generator=random)[labelled:]] = UNTOLD
    kl, label = losses.TokenLosses.apply(logits, parent, labels)
    (0.3 * kl + 0.7 * label).backward()
    ours = logits.grad
    logits.grad = None
    said, wanted = torch.log_softmax(logits, -1), torch.log_softmax(parent, -1)
    plain_kl = F.kl_div(said[:told], wanted, reduction="sum", log_target=True) / max(1, told)
    plain_label = F.cross_entropy(logits, labels, ignore_index=UNTOLD, reduction="sum") / max(1, labelled)
    (0.3 * plain_kl + 0.7 * plain_label).backward()
    assert torch.allclose(kl, plain_kl, rtol=1e-4, atol=1e-4) and torch.allclose(label, plain_label, rtol=1e-4)
    assert torch.allclose(ours, logits.grad, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------------------------------ whole networks


def test_centred_embeddings_say_the_same() -> None:
    model, tokens = network.original(golden()), torch.tensor([[3, 1, 4]])
    audio = torch.randn(1, 10, model.dims.n_audio_state, generator=torch.Generator().manual_seed(2))

    def said() -> Any:
        return torch.log_softmax(model.decoder.token_embedding.logits(model.decoder(tokens, audio).out), dim=-1)

    with torch.no_grad():
        before = said()
        network.centre(model.decoder)
        assert model.decoder.token_embedding.weight.mean(dim=0).abs().max() < 1e-6
        assert torch.allclose(said(), before, rtol=1e-4, atol=1e-4)


def test_a_pair_hears_with_one_and_speaks_with_the_other() -> None:
    hearing, speaking = network.original(golden()), network.original(golden())
    both = network.pair(hearing, speaking)
    assert both.encoder is hearing.encoder and both.decoder is speaking.decoder
    assert hearing.decoder is not speaking.decoder and both.dims == hearing.dims


def test_unquantised_it_is_whisper() -> None:
    pytest.importorskip("whisper", reason="needs OpenAI's package: ./inv install oracle")
    original = pytest.importorskip("oracle").original
    checkpoint = load("random-tiny.en")
    random = torch.Generator().manual_seed(1)
    mel = torch.randn(1, 80, 3000, generator=random)
    tokens = torch.tensor([[50257, 50362, 11, 12]])
    with torch.no_grad():
        theirs, ours = original(checkpoint), network.original(checkpoint)
        audio = theirs.encoder(mel)
        heard = ours.encoder(mel)
        assert torch.allclose(heard.out, audio, rtol=1e-3, atol=1e-3)
        said = ours.decoder(tokens, audio).out @ ours.decoder.token_embedding.weight.T
        assert torch.allclose(said, theirs.decoder(tokens, audio), rtol=1e-3, atol=1e-3)


@settings(max_examples=10)
@given(seed=seeds, frames=st.integers(2, 40), linear=st.sampled_from(["ternary", "float"]))
def test_apart_no_gradient_passes_from_block_to_block(seed: int, frames: int, linear: str) -> None:
    model = network.original(golden())
    network.quantise(model, network.Quantisation(linear=linear, head="float"))
    mel = torch.randn(2, 80, 2 * frames, generator=torch.Generator().manual_seed(seed))
    trace = model.encoder(mel, apart=True)
    trace.stages[2].square().sum().backward()
    assert model.encoder.blocks[1].mlp[0].weight.grad is not None
    assert model.encoder.blocks[0].mlp[0].weight.grad is None
    model.zero_grad()
    model.encoder(mel).stages[2].square().sum().backward()
    assert model.encoder.blocks[0].mlp[0].weight.grad is not None


def test_recomputed_gradients_are_the_same() -> None:
    mel = torch.randn(2, 80, 40, generator=torch.Generator().manual_seed(6))
    tokens = torch.tensor([[3, 1, 4], [1, 5, 9]])
    gradients = []
    for recompute in (False, True):
        model = network.original(golden())
        network.quantise(model, network.Quantisation(head="float"))
        model.encoder.recompute = model.decoder.recompute = recompute
        model.decoder(tokens, model.encoder(mel).out).out.square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    plain, again = gradients
    assert plain.keys() == again.keys() and all(torch.equal(plain[name], again[name]) for name in plain)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_with_gradients_is_attention_without(causal: bool) -> None:
    random = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(2, 3, 20, 32, generator=random) for _ in range(3))
    with torch.no_grad():
        fused = network.attend(q, k, v, causal)
    assert torch.allclose(network.attend(q.requires_grad_(), k, v, causal), fused, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["int4", "ternary", "float"])
def test_what_the_embedding_says_of_a_token_is_a_row_of_what_makes_logits(head: str) -> None:
    model = network.original(golden())
    network.quantise(model, network.Quantisation(head=head, head_group=32))
    embedding = model.decoder.token_embedding
    tokens = torch.tensor([[3, 1, 4], [1, 5, 9]])
    assert torch.equal(embedding(tokens), embedding.matrix()[tokens])
    hidden = torch.randn(2, 64, generator=torch.Generator().manual_seed(4))
    assert torch.allclose(embedding.logits(hidden), hidden @ embedding.matrix().T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("wanted", "capabilities", "halved"),
    [
        ("bf16", {"avx2": True, "avx512_bf16": False}, False),
        ("bf16", {"avx512_bf16": True}, True),
        ("bf16", {"amx_bf16": True}, True),
        ("bf16", {"bf16": True, "architecture": "aarch64"}, True),
        ("fp32", {"amx_bf16": True}, False),
    ],
)
def test_bfloat16_where_there_are_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, wanted: str, capabilities: dict[str, object], halved: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    here = torch.device("cpu")
    before = quantisers.halved(here)
    with precision(wanted, Place(0, 1, here)):
        assert quantisers.halved(here) == halved
    assert quantisers.halved(here) == before


def test_in_bfloat16_sums_of_codes_stay_exact() -> None:
    random = torch.Generator().manual_seed(5)
    a = torch.randint(-127, 128, (20, 384), generator=random).float()
    b = torch.randint(-1, 2, (384, 20), generator=random).float()
    before = torch.backends.mkldnn.matmul.fp32_precision
    try:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        assert quantisers.halved(a.device)
        got = quantisers.matmul(a, b)
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before
    # The sums are rounded to 8 bits on their way out, and by no more.
    assert ((got - a @ b).abs() <= (a @ b).abs() / 256).all()
