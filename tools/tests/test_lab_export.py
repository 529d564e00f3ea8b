# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A blob of a quantised model holds its codes, and computes what the laboratory did."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from whisper158.build import runtime
from whisper158.errors import UserError
from whisper158.evaluate.engine import Engine
from whisper158.model import blob
from whisper158.model.golden import golden
from whisper158.model.ternary import unpack

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install oracle")
pytest.importorskip("whisper", reason="needs OpenAI's Whisper: ./inv install oracle")
pytest.importorskip("tiktoken", reason="needs tiktoken: ./inv install train")


from whisper158.evaluate.accuracy import contexts, listeners, sets  # noqa: E402
from whisper158.evaluate.original import encode  # noqa: E402
from whisper158.evaluate.simulate import simulation  # noqa: E402
from whisper158.lab import method as methods  # noqa: E402
from whisper158.lab import registry  # noqa: E402
from whisper158.lab.export import check, export  # noqa: E402
from whisper158.lab.families import whisper as family  # noqa: E402
from whisper158.lab.families.whisper_subject import WhisperSubject  # noqa: E402
from whisper158.lab.grid import parse  # noqa: E402
from whisper158.lab.method import Method, Outcome, Scheme  # noqa: E402
from whisper158.lab.methods.awq import Awq  # noqa: E402
from whisper158.lab.methods.gptq import Gptq  # noqa: E402
from whisper158.lab.methods.hqq import Hqq  # noqa: E402
from whisper158.lab.methods.ptqtp import Ptqtp  # noqa: E402
from whisper158.lab.methods.quarot import QuaRot  # noqa: E402
from whisper158.lab.methods.quik import Quik  # noqa: E402
from whisper158.lab.methods.rtn import Rtn  # noqa: E402
from whisper158.lab.seen import seen_of  # noqa: E402

TOKENS = [1, 5, 7, 2, 9]


def made(
    kind: type[Method], word: str, head: str = "w8", options: Mapping[str, float] = MappingProxyType({})
) -> tuple[family.WhisperModel, Outcome, Any, Scheme]:
    model = family.model(golden())
    random = torch.Generator().manual_seed(158)
    flows = [family.flow(model, torch.randn(80, 80, generator=random), TOKENS) for _ in range(2)]
    scheme = Scheme(parse(word), options=options)
    outcome = methods.apply(kind(scheme), model, flows)
    return model, outcome, family.quantise_head(model, parse(head)) if head else None, scheme


@pytest.mark.parametrize(
    ("kind", "word", "head"),
    [
        (Rtn, "w8", "w8"),
        (Awq, "w4g32", "w4g32"),
        (Awq, "w4g32a", "w4g32a"),
        (Rtn, "w4", "w4a"),
        (Rtn, "w3g32", ""),
        (Rtn, "w2a", "w3g64a"),
        (Gptq, "wtg32", "w8"),
    ],
)
def test_a_blob_computes_what_the_laboratory_did(kind: type[Method], word: str, head: str, tmp_path: Path) -> None:
    model, outcome, weight, scheme = made(kind, word, head)
    path = tmp_path / "made.w158"
    export(model, golden(), outcome, weight, scheme, path, {"lab": f"{kind.name} {word}"})
    read = blob.read(path)
    grid = parse(word)
    for name, layer in outcome.layers.items():
        section, array = read.sections[name], read.array(name)
        four = blob.Dtype.I4 if grid.symmetric else blob.Dtype.U4
        assert section.dtype == {256: blob.Dtype.I8, 3: blob.Dtype.T158}.get(grid.levels, four)
        if section.dtype == blob.Dtype.U4:
            zeros = layer.weight.planes[0].zeros
            assert zeros is not None and np.array_equal(read.array(f"{name}.zero"), zeros.numpy())
        codes = np.asarray(array) if section.dtype == blob.Dtype.I8 else unpack(array, section)
        assert np.array_equal(codes, layer.weight.planes[0].codes.numpy())
        assert np.array_equal(read.array(f"{name}.scale"), layer.weight.planes[0].scales.numpy())
    assert f"lab={kind.name} {word}" in read.text("provenance")

    mel = torch.randn(80, 80, generator=torch.Generator().manual_seed(1))
    ours = family.logits(model, family.flow(model, mel, TOKENS))
    simulated = simulation(read)
    with torch.no_grad():
        theirs = simulated.decoder(torch.tensor([TOKENS]), torch.from_numpy(encode(simulated, mel.numpy()))[None])[0]
    # The blob rounds convolutions and positions to 16 bits, and the simulation what enters the head to 14.
    assert float((ours - theirs).norm() / ours.norm()) < 2e-3
    with Engine(runtime.shared_library(), path) as engine:
        engine.encode(mel.numpy())
        heard = torch.from_numpy(np.array(engine.decode(TOKENS)))
    assert float((ours[-1] - heard.reshape(-1, ours.shape[-1])[-1]).norm() / ours[-1].norm()) < 5e-3


@pytest.mark.parametrize(
    "kind_and_word", [(Rtn, "w8g32a"), (Hqq, "w4g32a"), (Ptqtp, "wtg32"), (Quik, "w4")], ids=lambda x: x[0].name
)
def test_what_is_not_one_matrix_of_codes_is_refused(kind_and_word: tuple[type[Method], str], tmp_path: Path) -> None:
    kind, word = kind_and_word
    scheme, weight = Scheme(parse(word)), torch.randn(64, 64)
    outcome = Outcome({"encoder.blocks.0.attn.out.weight": kind(scheme).layer(weight, seen_of(torch.randn(80, 64)))})
    with pytest.raises(UserError, match=r"encoder\.blocks\.0\.attn\.out\.weight: a blob has one matrix of codes"):
        export(family.model(golden()), golden(), outcome, None, scheme, tmp_path / "made.w158")
    assert not list(tmp_path.iterdir())


def test_what_else_the_runtime_could_not_compute_is_refused(tmp_path: Path) -> None:
    scheme, path = Scheme(parse("w8")), tmp_path / "made.w158"
    model = family.model(golden())
    turned = Outcome(prepared=tuple(QuaRot(scheme).prepare(model)))
    with pytest.raises(UserError, match="a blob cannot say: residual stream of 64 channels, turned"):
        export(model, golden(), turned, None, scheme, path)
    model = family.model(golden())
    with pytest.raises(UserError, match="the runtime has no ternary token embedding"):
        export(model, golden(), Outcome(), family.quantise_head(model, parse("wt")), scheme, path)
    assert not list(tmp_path.iterdir())


def cells() -> list[tuple[str, str]]:
    """Every method, as brief as its settings let it be, with all that it has codes for"""
    words = [(name, word) for name in registry.METHODS for word in ("w8g32", "w8g32a", "w3g32a", "wtg32")]
    return [(name, word) for name, word in words if parse(word).kind in registry.method(name).kinds]


@pytest.mark.parametrize(("name", "word"), cells())
def test_what_is_refused_is_refused_beforehand(name: str, word: str, tmp_path: Path) -> None:
    kind = registry.method(name)
    model, outcome, _, scheme = made(kind, word, "", {n: o.low for n, o in kind.options.items() if o.whole})
    try:
        export(model, golden(), outcome, None, scheme, tmp_path / "made.w158")
    except UserError:
        with pytest.raises(UserError, match=f"{name} {word}: a blob has one matrix of codes"):
            check(name, parse(word), None)
    else:
        check(name, parse(word), None)


@pytest.mark.parametrize(("head", "message"), [("wt", "no ternary token embedding"), ("w8a", "head: w8a: a blob has")])
def test_a_head_that_no_blob_holds_is_refused_beforehand(head: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check("rtn", parse("w4"), parse(head))


@pytest.mark.network
@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("word", ["w4g64", "w4g64a"])
def test_the_runtime_says_what_the_laboratory_said(word: str, tmp_path: Path) -> None:
    """Real weights in 4 bits, real speech. The runtime's products and ours differ in their last bits only."""
    subject, clips = WhisperSubject("tiny.en"), sets.find("asterisk", 6).utterances
    scheme = Scheme(parse(word))
    outcome = methods.apply(Rtn(scheme), subject.model, subject.flows(clips[:1], contexts.FULL))
    head = subject.quantise_head(parse("w8"))
    export(subject.model, subject.checkpoint, outcome, head, scheme, tmp_path / "made.w158")
    said = subject.hear(clips, contexts.FULL)
    with listeners.through_runtime(tmp_path / "made.w158", contexts.FULL, threads=1) as listener:
        texts = [listener.hear(clip.load()) for clip in clips]
    assert [heard and heard.text for heard in texts] == [each.text for each in said]
    assert all(each.text for each in said)
