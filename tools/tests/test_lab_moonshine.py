# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The second family, made up: what it computes is what transformers computes with the same weights, and methods do to
it what they say."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whisper158.errors import UserError

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install oracle")
pytest.importorskip("whisper", reason="needs OpenAI's Whisper: ./inv install oracle")

from safetensors.numpy import save_file  # noqa: E402

from tests import lab_family  # noqa: E402
from tests.lab_family import check_sites, check_stored, check_transform, linears  # noqa: E402
from tests.lab_methods import IDS, METHODS, BriefOmniQuant, close  # noqa: E402
from whisper158 import needs  # noqa: E402
from whisper158.evaluate.accuracy import contexts, sets  # noqa: E402
from whisper158.evaluate.accuracy.sets import Set, Utterance  # noqa: E402
from whisper158.lab import cost, fit, packing, registry, report, run  # noqa: E402
from whisper158.lab import method as methods  # noqa: E402
from whisper158.lab.codes import Weight  # noqa: E402
from whisper158.lab.cost import Attention, Linear, Window, Work  # noqa: E402
from whisper158.lab.families import moonshine as family  # noqa: E402
from whisper158.lab.families import moonshine_checkpoint, moonshine_cost, moonshine_subject  # noqa: E402
from whisper158.lab.families.moonshine_checkpoint import Checkpoint  # noqa: E402
from whisper158.lab.families.moonshine_network import Dims, Past, frames_of, tensor_shapes  # noqa: E402
from whisper158.lab.families.moonshine_subject import MoonshineSubject  # noqa: E402
from whisper158.lab.families.names import is_moonshine  # noqa: E402
from whisper158.lab.fingerprint import reached  # noqa: E402
from whisper158.lab.grid import parse  # noqa: E402
from whisper158.lab.method import Layer, Method, Scheme  # noqa: E402
from whisper158.lab.methods.awq import Awq  # noqa: E402
from whisper158.lab.methods.quarot import QuaRot  # noqa: E402
from whisper158.lab.methods.rtn import Rtn  # noqa: E402
from whisper158.lab.methods.smoothquant import SmoothQuant  # noqa: E402
from whisper158.lab.stage import Flow, fold  # noqa: E402

SMALL = Dims(width=64, hidden=128, encoder_layers=2, decoder_layers=2, heads=4, n_vocab=96, rotary=14)
# There is no Hadamard matrix as wide as its heads, as there is none for those of base.
ODD = Dims(width=96, hidden=64, encoder_layers=1, decoder_layers=1, heads=16, n_vocab=96, rotary=4)
TINY = Dims(288, 1152, 6, 6, 8, 32768, 32)
BASE = Dims(416, 1664, 8, 8, 8, 32768, 32)
SECONDS = (1.5, 0.7, 1.0)


class Letters:
    """A token is a character."""

    def encode(self, text: str) -> list[int]:
        return [3 + ord(char) - 32 for char in text]

    def decode(self, tokens: list[int]) -> str:
        return "".join(chr(32 + token - 3) for token in tokens)


def made_up(dims: Dims, seed: int = 158) -> Checkpoint:
    random = np.random.default_rng(seed)

    def tensor(name: str, shape: tuple[int, ...]) -> Any:
        if len(shape) == 1:
            scale = name.endswith("weight")
            return (random.normal(scale, 0.2, shape)).astype(np.float32)
        return (random.normal(0, 2 / np.prod(shape[1:]) ** 0.5, shape)).astype(np.float32)

    tensors = {name: tensor(name, shape) for name, shape in tensor_shapes(dims).items()}
    return Checkpoint(dims, tensors, Letters(), 1, 2, "made up")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with lab_family.one_thread():
        yield


@pytest.fixture
def model() -> family.MoonshineModel:
    return family.model(made_up(SMALL))


def sound(seconds: float, seed: int = 0) -> Any:
    return torch.randn(int(16000 * seconds), generator=torch.Generator().manual_seed(seed)) * 0.1


def flows(model: family.MoonshineModel) -> list[Flow]:
    random = torch.Generator().manual_seed(158)
    return [
        family.flow(model, sound(s, i), torch.randint(model.dims.n_vocab, (12 - i,), generator=random).tolist())
        for i, s in enumerate(SECONDS)
    ]


def said(model: family.MoonshineModel, clips: Sequence[Flow]) -> list[Any]:
    return [family.logits(model, clip) for clip in clips]


@torch.no_grad()
def test_stages_compute_what_the_network_computes(model: family.MoonshineModel) -> None:
    samples, tokens = sound(1.2), [1, 5, 7, 2]
    network = model.moonshine
    expected = network.decoder(torch.tensor([tokens]), network.encoder(samples))[0]
    assert close([family.logits(model, family.flow(model, samples, tokens))], [expected], 1e-6)


@torch.no_grad()
def test_token_by_token_is_as_all_at_once(model: family.MoonshineModel) -> None:
    network, tokens = model.moonshine, [1, 5, 7, 2, 90]
    audio = network.encoder(sound(1.2))
    pasts = [Past() for _ in network.decoder.layers]
    steps = [network.decoder(torch.tensor([[token]]), audio, pasts)[0] for token in tokens]
    assert close([torch.cat(steps)], [network.decoder(torch.tensor([tokens]), audio)[0]], 1e-5)


@torch.no_grad()
def test_neither_later_tokens_nor_the_place_in_time_of_all_matter(model: family.MoonshineModel) -> None:
    """Of the decoder's own positions only differences count."""
    network = model.moonshine
    audio = network.encoder(sound(1.0))
    one, other = (network.decoder(torch.tensor([[1, 5, 7, last]]), audio)[0, :3] for last in (8, 9))
    assert torch.equal(one, other)
    attention = network.decoder.layers[0].self_attn
    q, k = (torch.randn(1, 4, 6, 16, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    here, there = (attention.rotary(q, first) @ attention.rotary(k, first).mT for first in (0, 40))
    assert torch.allclose(here, there, atol=1e-4) and not torch.allclose(here, q @ k.mT, atol=1e-1)


def test_every_linear_layer_of_the_blocks_has_a_place(model: family.MoonshineModel) -> None:
    matrices = [n for n, s in tensor_shapes(SMALL).items() if ".layers." in n and len(s) == 2]
    assert sorted(linears(model)) == sorted(matrices)


def test_what_a_site_reads_is_the_same_for_all_its_layers(model: family.MoonshineModel) -> None:
    check_sites(model, flows(model)[0])


def test_folding_leaves_outputs_as_they_are(model: family.MoonshineModel) -> None:
    clips = flows(model)
    before = said(model, clips)
    random = torch.Generator().manual_seed(3)
    count = 0
    for stage in model.stages:
        sites = [site for site in stage.sites if site.source]
        widths = {site.name: stage.linear(site.linears[0]).weight.shape[1] for site in sites}
        moves = {name: (torch.exp(0.7 * torch.randn(n, generator=random)), None) for name, n in widths.items()}
        count += len(fold(stage, moves))
    assert count == 2 * 3 + 1 + 2 * 5
    assert close(said(model, clips), before)


def test_shifts_have_nowhere_to_go(model: family.MoonshineModel) -> None:
    ones = torch.ones(64)
    for stage in model.stages:
        for site in stage.sites:
            if site.source:
                with pytest.raises(ValueError, match=f"no shift can be folded .* {site.name}"):
                    fold(stage, {site.name: (ones, ones)})


@pytest.mark.parametrize("dims", [SMALL, ODD], ids=["small", "odd heads"])
@pytest.mark.parametrize("kind", [SmoothQuant, Awq, BriefOmniQuant, QuaRot])
def test_transforms_leave_float_outputs_as_they_are(kind: type[Method], dims: Dims) -> None:
    model = family.model(made_up(dims))
    clips = flows(model)
    check_transform(model, kind(Scheme(parse("w4g32"))), clips, lambda: said(model, clips))


@pytest.mark.parametrize(("kind", "word"), METHODS, ids=IDS)
def test_what_is_stored_is_what_is_computed(kind: type[Method], word: str, model: family.MoonshineModel) -> None:
    clips = flows(model)
    loss = check_stored(model, kind(Scheme(parse(word), 8)), clips, lambda: said(model, clips))
    assert loss < {"w8": 0.05, "wt": 5.0}.get(word, 2.0)


@pytest.mark.parametrize(("dims", "turned"), [(SMALL, False), (ODD, True)], ids=["small", "odd heads"])
def test_heads_that_cannot_be_turned_are_turned_as_they_are_read(dims: Dims, turned: bool) -> None:
    model = family.model(made_up(dims))
    layers = methods.apply(QuaRot(Scheme(parse("w4"))), model, flows(model)).layers
    online = {name for name, layer in layers.items() if layer.input.rotation is not None}
    always = ("mlp.fc2.weight", "encoder_attn.o_proj.weight")
    assert online == {name for name in layers if name.endswith((*always, *(["self_attn.o_proj.weight"] * turned)))}


def test_groups_that_do_not_fit_are_refused(model: family.MoonshineModel) -> None:
    odd = family.model(made_up(replace(ODD, width=96)))
    with pytest.raises(UserError, match=r"encoder\.layers\.0\.self_attn\.q_proj\.weight: 96 channels are no whole"):
        methods.apply(Rtn(Scheme(parse("w4g64"))), odd, flows(odd))


def test_the_head_is_rounded_at_both_ends(model: family.MoonshineModel) -> None:
    weight = family.quantise_head(model, parse("w8"))
    assert torch.equal(model.moonshine.decoder.embed_tokens.weight, weight.weights())


# What it says


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> MoonshineSubject:
    monkeypatch.setattr(moonshine_subject, "load", lambda _: made_up(SMALL))
    return MoonshineSubject("made up")


def clip(seconds: float, text: str = "hello", loudness: float = 1.0) -> Utterance:
    samples = sound(seconds).numpy() * loudness
    return Utterance(f"{seconds}", text, seconds, partial(np.copy, samples))


def test_a_clip_enters_with_its_text(subject: MoonshineSubject) -> None:
    (found,) = subject.flows([clip(1.0)], contexts.FULL)
    assert found["tokens"].tolist() == [[1, *Letters().encode("hello")]]
    assert found["x"].shape == (1, frames_of(16000)[-1], 64)
    (short,) = subject.flows([clip(0.02)], contexts.FULL)
    assert short["x"].shape[1] == frames_of(1600)[-1] == 2


def test_it_says_no_more_than_six_and_a_half_tokens_a_second(subject: MoonshineSubject) -> None:
    """What comes to no end is cut; where the end is the most probable token, nothing is said."""
    subject.checkpoint = replace(subject.checkpoint, last=-1)
    (heard,) = subject.hear([clip(1.5)], contexts.FULL)
    assert heard.text is not None and len(heard.text) == 10
    network, samples = subject.model.moonshine, sound(1.5).numpy()
    tokens = moonshine_subject.greedy(network, samples, 1, -1, 9)
    again = family.logits(subject.model, family.flow(subject.model, sound(1.5), [1, *tokens]))
    assert tokens == again.argmax(dim=-1)[:-1].tolist()
    assert moonshine_subject.greedy(network, samples, 1, tokens[0], 9) == []


def test_what_is_too_short_or_silent_says_nothing_and_what_is_too_long_is_not_taken(subject: MoonshineSubject) -> None:
    heard = subject.hear([clip(0.05), clip(1.0, loudness=0.0), clip(64.5)], contexts.FULL)
    assert [one.text for one in heard] == ["", "", None]


# What it costs


def macs(dims: Dims, window: Window, part: str) -> int:
    return sum(x.vectors * x.channels * x.rows for x in moonshine_cost.linears(dims, window) if part in x.weight)


def test_frames_of_a_second() -> None:
    """16000 samples: (16000 - 127) / 64 = 248.02, so 249; (249 - 7) / 3 = 80.7, so 81; (81 - 3) / 2 = 39, so 40."""
    assert frames_of(16000) == (249, 81, 40)
    assert frames_of(80000)[-1] == 207
    assert frames_of(894) == (12, 2, 0) and frames_of(895) == (13, 3, 1) and frames_of(0) == (0, 0, 0)


def test_parameters_are_those_that_the_authors_state() -> None:
    """27.1 and 61.5 millions"""
    counts = [sum(int(np.prod(shape)) for shape in tensor_shapes(dims).values()) for dims in (TINY, BASE)]
    assert [round(count / 1e6, 1) for count in counts] == [27.1, 61.5]


def test_every_matrix_is_counted_once() -> None:
    found = list(moonshine_cost.linears(TINY, Window(0, 1, 1.0)))
    shapes = tensor_shapes(TINY)
    assert sorted(linear.weight for linear in found) == sorted(n for n, s in shapes.items() if len(s) > 1)
    assert all(linear.rows * linear.channels == np.prod(shapes[linear.weight]) for linear in found)


def test_multiplications_by_hand() -> None:
    """A second and 4 tokens of one block a side, 32 channels, 64 in the MLPs, 50 tokens in all."""
    dims, window = Dims(32, 64, 1, 1, 2, 50, 8), Window(1500, 4, 1.0)
    assert macs(dims, window, "conv1") == 249 * 127 * 32
    assert macs(dims, window, "conv2") == 81 * 7 * 32 * 64
    assert macs(dims, window, "conv3") == 40 * 3 * 64 * 32
    assert macs(dims, window, "encoder.layers") == 40 * (4 * 32 * 32 + 2 * 32 * 64)
    # Four of 32 by 32 and the MLP with its gate; queries and out of cross attention; its keys and values.
    assert macs(dims, window, "decoder.layers") == 4 * (4 * 32 * 32 + 3 * 32 * 64) + 4 * 2 * 32 * 32 + 40 * 2 * 32 * 32
    assert macs(dims, window, moonshine_cost.HEAD) == 4 * 32 * 50
    gate = next(x for x in moonshine_cost.linears(dims, window) if x.weight == "decoder.layers.0.mlp.fc1.weight")
    assert gate == Linear("decoder.layers.0.mlp.fc1.weight", vectors=4, channels=32, rows=128, fetches=4)
    encoder, own, crossing = moonshine_cost.attentions(dims, window)
    assert encoder == Attention(40, 1600, 40, 32)
    assert own == Attention(4, 10, 10, 32) and crossing == Attention(4, 160, 160, 32)


def test_a_models_cost_is_the_sum_of_its_parts(model: family.MoonshineModel) -> None:
    window = Window(1500, 4, 2.0)
    name = "decoder.layers.0.mlp.fc2.weight"
    weight = fit.nearest(torch.zeros(64, 128), parse("w4g32"))
    layers = {name: Layer(Weight((weight,)))}
    whole = moonshine_cost.cost(SMALL, layers, None, window)
    parts = [cost.linear_work(x, layers.get(x.weight)) for x in moonshine_cost.linears(SMALL, window)]
    parts += [cost.attention_work(a) for a in moonshine_cost.attentions(SMALL, window)]
    assert whole.work == sum(parts, Work()) and whole.seconds == 2.0
    floats = moonshine_cost.cost(SMALL, {}, None, window).model_bytes
    # 128 channels of 64 rows: 4 bits for 16, and four scales of 4 bytes.
    assert floats - whole.model_bytes == 64 * 128 * 2 - 64 * (64 + 4 * 4)


# What is read


def settings(dims: Dims, **changes: Any) -> dict[str, Any]:
    return {
        "model_type": "moonshine",
        "hidden_size": dims.width,
        "intermediate_size": dims.hidden,
        "encoder_num_hidden_layers": dims.encoder_layers,
        "decoder_num_hidden_layers": dims.decoder_layers,
        "encoder_num_attention_heads": dims.heads,
        "decoder_num_attention_heads": dims.heads,
        "vocab_size": dims.n_vocab,
        "partial_rotary_factor": 0.9,
        "rope_scaling": None,
        "decoder_start_token_id": 1,
        "eos_token_id": 2,
        **changes,
    }


def tokenizer_json() -> str:
    """Of a vocabulary of letters"""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **{chr(97 + i): 3 + i for i in range(26)}}
    special = [
        {"id": i, "content": name, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for i, name in enumerate(list(vocabulary)[:3])
    ]
    model = {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "<unk>", "fuse_unk": True}
    return json.dumps({"version": "1.0", "added_tokens": special, "decoder": {"type": "Fuse"}, "model": model})


def write(folder: Path, **changes: Any) -> Path:
    checkpoint = made_up(SMALL)
    (folder / "config.json").write_text(json.dumps(settings(SMALL, **changes)))
    (folder / "tokenizer.json").write_text(tokenizer_json())
    save_file({f"model.{name}": tensor for name, tensor in checkpoint.tensors.items()}, folder / "model.safetensors")
    return folder


def test_a_folder_is_read(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs Hugging Face's tokenizers: ./inv install moonshine")
    found, expected = moonshine_checkpoint.read(write(tmp_path)), made_up(SMALL)
    assert asdict(found.dims) == asdict(SMALL) and (found.first, found.last) == (1, 2)
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(np.array_equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items())
    assert found.words.encode("hi") == [10, 11] and found.words.decode([1, 10, 11, 2]) == "hi"
    newer = {"partial_rotary_factor": None, "rope_parameters": {"partial_rotary_factor": 0.5, "rope_theta": 5000.0}}
    again = moonshine_checkpoint.read(write(tmp_path, **newer))
    assert (again.dims.rotary, again.dims.theta) == (8, 5000.0) and again.sha256 != found.sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "moonshine_streaming"}, "model_type is 'moonshine_streaming', where Moonshine's first version"),
        ({"hidden_size": None}, "hidden_size is None, which no Moonshine has"),
        ({"vocab_size": 2**40}, "vocab_size is 1099511627776, which no Moonshine has"),
        ({"decoder_hidden_act": "gelu"}, "decoder_hidden_act is 'gelu', where Moonshine has 'silu'"),
        ({"decoder_num_key_value_heads": 2}, "decoder_num_key_value_heads is 2, but there are 4 heads"),
        ({"encoder_num_attention_heads": 5, "decoder_num_attention_heads": 5}, "64 channels are no whole number of 5"),
        ({"partial_rotary_factor": 2}, "partial_rotary_factor is 2, must be above 0 and at most 1"),
        ({"partial_rotary_factor": 0.32}, "5 channels of a head turn, which are no planes"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_type is 'yarn'"),
        ({"eos_token_id": 96}, "eos_token_id is 96, which is none of 96 tokens"),
        ({"intermediate_size": 96}, r"tensor encoder.* has shape \(128, 64\), expected \(96, 64\)"),
        ({"encoder_num_hidden_layers": 1}, "has no place in a Moonshine model of this size"),
    ],
)
def test_folders_that_are_no_moonshine_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        moonshine_checkpoint.read(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("UsefulSensors/moonshine-tiny", True),
        ("/nowhere/Moonshine-base", True),
        ("openai/whisper-tiny", False),
        ("tiny.en", False),
    ],
)
def test_a_family_is_known_by_a_models_name(name: str, is_one: bool) -> None:
    assert is_moonshine(name) == is_one


def test_a_family_is_known_by_what_a_folder_says(tmp_path: Path) -> None:
    folder = tmp_path / "moonshine-no-more"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    assert not is_moonshine(str(folder))
    (folder / "config.json").write_text(json.dumps({"model_type": "moonshine"}))
    assert is_moonshine(str(folder)) and registry.family(str(folder)) is MoonshineSubject
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        is_moonshine(str(folder))


def test_a_model_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "python", lambda group: None)
    with pytest.raises(UserError, match=r"moonshine/config\.json: No such file or directory"):
        moonshine_checkpoint.load(str(tmp_path / "moonshine"))


# What the laboratory makes of it


def test_its_cells_depend_on_its_own_code_and_whispers_do_not() -> None:
    own, whispers = (set(reached([registry.family(name).__module__])) for name in ("some/moonshine", "tiny.en"))
    code = {f"whisper158.lab.families.moonshine{part}" for part in ("", "_checkpoint", "_cost", "_network", "_subject")}
    assert code <= own and not code & whispers
    assert "whisper158.lab.families.whisper" not in own


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def found(word: str, most: int = 0) -> Set:
        return sets.of(word, [replace(clip(1.0, "hello"), id=f"{word}-{i}") for i in range(2)])

    monkeypatch.setattr(moonshine_subject, "load", lambda _: made_up(SMALL))
    monkeypatch.setattr(sets, "find", found)
    run.sha256.cache_clear()
    path = tmp_path / "lab.yml"
    content = {
        "models": ["some/moonshine"],
        "methods": ["rtn"],
        "weights": ["w4g32"],
        "calibration": {"source": "spoken", "clips": 2},
        "evaluation": {"sets": ["heard"]},
        "speech": {"seconds": 1, "tokens": 4},
        "out": str(tmp_path / "out"),
    }
    path.write_text(json.dumps(content))
    return path


def test_a_grid_is_run_and_reported(plan: Path) -> None:
    pytest.importorskip("matplotlib", reason="draws: ./inv install train")
    plain, rounded = (json.loads(file.read_text()) for file in run.run(plan))
    assert plain["cost"]["model_bytes"] > rounded["cost"]["model_bytes"] > 0
    assert rounded["bits_per_weight"] == 5.0 and [one["id"] for one in rounded["said"]["heard"]] == [
        "heard-0",
        "heard-1",
    ]
    markdown = report.report(plan)[0].read_text()
    assert "| some/moonshine rtn w4g32 a16 |" in markdown and "| encoder self_attn.q_proj |" in markdown


def test_a_cell_cannot_be_packed(plan: Path) -> None:
    with pytest.raises(UserError, match="some/moonshine is no Whisper, and the runtime runs no other models"):
        packing.pack(plan, "rtn w4g32 a16", "")


# What transformers says


@pytest.mark.network
@pytest.mark.parametrize(
    ("dims", "share"),
    [
        (replace(TINY, encoder_layers=2, decoder_layers=2, n_vocab=96), 0.9),
        (replace(BASE, encoder_layers=1, decoder_layers=1, n_vocab=96), 0.62),
    ],
    ids=["tiny", "base"],
)
@torch.no_grad()
def test_floats_are_those_of_transformers(dims: Dims, share: float, tmp_path: Path) -> None:
    """Blocks of the published shapes; folders as transformers writes them."""
    original = pytest.importorskip("transformers", reason="needs transformers: ./inv install transformers")
    keys = settings(dims, partial_rotary_factor=share, pad_token_id=2, bos_token_id=1)
    del keys["model_type"], keys["rope_scaling"]
    theirs = original.MoonshineForConditionalGeneration(original.MoonshineConfig(**keys)).eval()
    ours = made_up(dims)
    state = {f"model.{name}": torch.from_numpy(tensor) for name, tensor in ours.tensors.items()}
    theirs.load_state_dict({**state, "proj_out.weight": state["model.decoder.embed_tokens.weight"]}, strict=True)
    theirs.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    found = moonshine_checkpoint.read(tmp_path)
    assert asdict(found.dims) == asdict(dims)
    network = family.model(found).moonshine
    samples, tokens = sound(2.0), torch.tensor([[1, 5, 7, 2, 90, 33]])
    assert close([network.encoder(samples)], [theirs.model.encoder(samples[None]).last_hidden_state], 1e-5)
    expected = theirs(samples[None], decoder_input_ids=tokens).logits
    assert close([network.decoder(tokens, network.encoder(samples))], [expected], 1e-5)
    said = theirs.generate(samples[None], do_sample=False, num_beams=1, max_new_tokens=13)[0].tolist()
    spoken = moonshine_subject.greedy(network, samples.numpy(), 1, 2, 13)
    assert [token for token in said[1:] if token != 2] == spoken and len(spoken) > 3
