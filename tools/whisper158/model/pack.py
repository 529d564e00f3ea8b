# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From a float checkpoint to a blob: which sections there are, in what format, in which order (docs/blob-format.md)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from whisper158.errors import die
from whisper158.model import blob
from whisper158.model.blob import Dtype, Packing, Section
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.melbank import mel_filters
from whisper158.model.silero import Detector
from whisper158.model.ternary import Quantised, project, quantise_i4, quantise_i8, quantise_u4
from whisper158.model.ternary import pack as pack_codes
from whisper158.model.tokens import SpecialTokens, space_token, special_tokens, suppressed_tokens

Array = npt.NDArray[Any]

MAX_INITIAL_TIMESTAMP = 50  # steps of 0.02 s: Whisper's one second
HEAD = "decoder.token_embedding.weight"

# What the encoder's attention says, and the decoder's MLPs: where rounding to 8 bits changes the most texts. With 16
# here, tiny.en-q8 says 1 of 92 clips otherwise than its parent, with 8 there too it is 5 (test_oracle.py counts).
SENSITIVE = re.compile(r"encoder\..*\.attn\.(value|out)\.weight|decoder\..*\.mlp\.[02]\.weight")


@dataclass(frozen=True)
class Coding:
    """How one matrix is stored. `group` counts the channels that share a scale; 0 means all of a row."""

    dtype: Dtype
    packing: Packing = Packing.PLAIN
    group: int = 0

    def section(self, name: str, shape: tuple[int, int]) -> Section:
        quantised = self.dtype in blob.QUANTISED
        return Section(name, self.dtype, shape, self.packing, (self.group or shape[1]) if quantised else 0)


QUANTISE: Mapping[Dtype, Callable[[Array, int], Quantised]] = MappingProxyType(
    {Dtype.I8: quantise_i8, Dtype.I4: quantise_i4, Dtype.U4: quantise_u4, Dtype.T158: project}
)

F16 = Coding(Dtype.F16)
I8 = Coding(Dtype.I8)
I4_G32 = Coding(Dtype.I4, group=32)
I4_G64 = Coding(Dtype.I4, group=64)
I8_G32 = Coding(Dtype.I8, group=32)
T2 = Coding(Dtype.T158, Packing.T2)
T5 = Coding(Dtype.T158, Packing.T5)


@dataclass(frozen=True)
class Format:
    """A weight format by name: the last part of a model's name.

    `frames` is for matrices that are applied to many frames at once (the encoder's, and the keys and values that the
    decoder makes of its output), `token` for those that see one token at a time, `head` for the token embedding, which
    is also the output head. `sensitive`, where given, takes the place of the first two for the matrices in SENSITIVE.
    activation_bits is what all but the head are multiplied with: 32 (floats) or 8.
    """

    name: str
    frames: Coding
    token: Coding
    head: Coding
    activation_bits: int
    sensitive: Coding | None = None

    def coding(self, tensor: str) -> Coding:
        if tensor == HEAD:
            return self.head
        if self.sensitive and SENSITIVE.fullmatch(tensor):
            return self.sensitive
        if tensor.startswith("encoder.") or tensor.endswith((".cross_attn.key.weight", ".cross_attn.value.weight")):
            return self.frames
        return self.token


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        form.name: form
        for form in (
            Format("f16", frames=F16, token=F16, head=F16, activation_bits=32),
            Format("q8", frames=I8_G32, token=I8_G32, head=F16, activation_bits=32, sensitive=F16),
            Format("q4", frames=I4_G32, token=I4_G32, head=I8, activation_bits=32),
            Format("t158", frames=T5, token=T2, head=I8, activation_bits=8),
            Format("t158i4", frames=T5, token=T2, head=I4_G64, activation_bits=8),
        )
    }
)


@dataclass(frozen=True)
class Recipe:
    """What decides a blob's contents besides the checkpoint. `coding` says for each matrix how it is stored."""

    coding: Callable[[str], Coding]
    activation_bits: int
    min_audio_ctx: int
    special: SpecialTokens
    provenance: Mapping[str, str]


@dataclass(frozen=True)
class Part:
    """Sections that are made together. `make` gives their payloads; the work and the memory are spent there."""

    sections: tuple[Section, ...]
    make: Callable[[], tuple[Array, ...]]


def pack(
    checkpoint: Checkpoint,
    form: Format,
    out: Path,
    min_audio_ctx: int | None = None,
    provenance: Mapping[str, str] | None = None,
    detector: Detector | None = None,
) -> None:
    """Write `checkpoint` to `out` in the given format, one tensor at a time. Raises UserError, and then writes nothing.

    min_audio_ctx is the shortest encoder context that the model was validated for; without it, the full one, as is
    right for checkpoints that were trained on full windows only. `provenance` adds to what the checkpoint itself says.
    A blob with a `detector` of speech can listen to a microphone.
    """
    dims = checkpoint.dims
    recipe = Recipe(
        coding=form.coding,
        activation_bits=form.activation_bits,
        min_audio_ctx=min_audio_ctx or dims.n_audio_ctx,
        special=special_tokens(len(checkpoint.vocabulary), dims.n_vocab, dims.multilingual),
        provenance={
            "name": checkpoint.name,
            "format": form.name,
            "source": checkpoint.source,
            "source_sha256": checkpoint.sha256,
            "licence": checkpoint.licence,
            "tool": f"whisper158 {version('whisper158')}",
            **(detector.provenance if detector else {}),
            **(provenance or {}),
        },
    )
    write_parts(out, [*parts(checkpoint, recipe), *(_detector(detector) if detector else ())])


def write_parts(out: Path, all_parts: Sequence[Part]) -> None:
    sections = [section for part in all_parts for section in part.sections]
    blob.write(out, sections, (payload for part in all_parts for payload in part.make()))


def parts(checkpoint: Checkpoint, recipe: Recipe) -> list[Part]:
    """All of a model's sections, in the order in which a reader of audio needs them."""
    return [*_constants(checkpoint, recipe), *_encoder(checkpoint, recipe), *_decoder(checkpoint, recipe)]


# ------------------------------------------------------------------------------------------------------------ constants


def _constants(checkpoint: Checkpoint, recipe: Recipe) -> Iterator[Part]:
    config = (*astuple(checkpoint.dims), recipe.min_audio_ctx, recipe.activation_bits)
    lengths = [len(token) for token in checkpoint.vocabulary]
    languages = recipe.special.languages or ("en",)
    yield _plain("config", np.array(config, dtype="<u4"))
    yield _plain("decoding", _decoding(checkpoint, recipe.special))
    yield _plain("decoding.suppress", np.array(suppressed_tokens(checkpoint.vocabulary, recipe.special), dtype="<u4"))
    yield _plain("decoding.languages", _bytes(",".join(languages).encode()))
    yield _plain("vocab.offsets", np.cumsum([0, *lengths]).astype("<u4"))
    yield _plain("vocab.bytes", _bytes(b"".join(checkpoint.vocabulary)))
    yield _plain("mel.filters", mel_filters(checkpoint.dims.n_mels))
    yield _plain("provenance", _bytes(_lines(recipe.provenance).encode()))


def _detector(detector: Detector) -> Iterator[Part]:
    """Optional, because who transcribes files has no use for it."""
    for name, array in detector.sections.items():
        yield _plain(name, array, optional=True)


def _decoding(checkpoint: Checkpoint, special: SpecialTokens) -> Array:
    fields = (
        special.eot,
        special.sot,
        special.translate,
        special.transcribe,
        special.sot_lm,
        special.sot_prev,
        special.no_speech,
        special.no_timestamps,
        special.timestamp_begin,
        special.first_language,
        len(special.languages),
        MAX_INITIAL_TIMESTAMP,
        checkpoint.dims.n_text_ctx // 2,  # Whisper's limit on the tokens of one window
        space_token(checkpoint.vocabulary),
        0,
        0,
    )
    return np.array(fields, dtype="<u4")


def _lines(provenance: Mapping[str, str]) -> str:
    """key=value lines; a value is one line whatever it was."""
    return "".join(f"{key}={' '.join(value.split())}\n" for key, value in provenance.items())


def _bytes(data: bytes) -> Array:
    return np.frombuffer(data, dtype=np.uint8)


# -------------------------------------------------------------------------------------------------------------- weights


def _encoder(checkpoint: Checkpoint, recipe: Recipe) -> Iterator[Part]:
    for conv in ("encoder.conv1", "encoder.conv2"):
        yield _conv(checkpoint, f"{conv}.weight")
        yield _f32(checkpoint, f"{conv}.bias")
    yield _f16(checkpoint, "encoder.positional_embedding")
    for block in range(checkpoint.dims.n_audio_layer):
        yield from _attention(checkpoint, recipe, f"encoder.blocks.{block}.attn")
        yield from _mlp(checkpoint, recipe, f"encoder.blocks.{block}")
    yield from _norm(checkpoint, "encoder.ln_post")


def _decoder(checkpoint: Checkpoint, recipe: Recipe) -> Iterator[Part]:
    yield _matrix(checkpoint, recipe, HEAD)
    yield _f16(checkpoint, "decoder.positional_embedding")
    for block in range(checkpoint.dims.n_text_layer):
        yield from _attention(checkpoint, recipe, f"decoder.blocks.{block}.attn")
        yield from _attention(checkpoint, recipe, f"decoder.blocks.{block}.cross_attn")
        yield from _mlp(checkpoint, recipe, f"decoder.blocks.{block}")
    yield from _norm(checkpoint, "decoder.ln")


def _attention(checkpoint: Checkpoint, recipe: Recipe, prefix: str) -> Iterator[Part]:
    yield from _norm(checkpoint, f"{prefix}_ln")
    for projection in ("query", "key", "value", "out"):
        yield _matrix(checkpoint, recipe, f"{prefix}.{projection}.weight")
        if projection != "key":  # Whisper's keys have none
            yield _f32(checkpoint, f"{prefix}.{projection}.bias")


def _mlp(checkpoint: Checkpoint, recipe: Recipe, prefix: str) -> Iterator[Part]:
    yield from _norm(checkpoint, f"{prefix}.mlp_ln")
    for layer in ("mlp.0", "mlp.2"):
        yield _matrix(checkpoint, recipe, f"{prefix}.{layer}.weight")
        yield _f32(checkpoint, f"{prefix}.{layer}.bias")


def _norm(checkpoint: Checkpoint, prefix: str) -> Iterator[Part]:
    yield _f32(checkpoint, f"{prefix}.weight")
    yield _f32(checkpoint, f"{prefix}.bias")


def _plain(name: str, array: Array, optional: bool = False) -> Part:
    dtype = next(dtype for dtype, storage in blob.STORAGE.items() if storage == array.dtype)
    return Part((Section(name, dtype, array.shape, optional=optional),), lambda: (array,))


def _f32(checkpoint: Checkpoint, name: str) -> Part:
    section = Section(name, Dtype.F32, checkpoint.tensors[name].shape)
    return Part((section,), lambda: (_finite(checkpoint, name).astype("<f4"),))


def _f16(checkpoint: Checkpoint, name: str) -> Part:
    section = Section(name, Dtype.F16, checkpoint.tensors[name].shape)
    return Part((section,), lambda: (_half(checkpoint, name),))


def _conv(checkpoint: Checkpoint, name: str) -> Part:
    """[out, in, taps] becomes [out, taps, in]."""
    out, channels, taps = checkpoint.tensors[name].shape
    section = Section(name, Dtype.F16, (out, taps, channels))
    return Part((section,), lambda: (_half(checkpoint, name).transpose(0, 2, 1),))


def _matrix(checkpoint: Checkpoint, recipe: Recipe, name: str) -> Part:
    rows, channels = checkpoint.tensors[name].shape
    coding = recipe.coding(name)
    section = coding.section(name, (rows, channels))
    if not section.group:
        return _f16(checkpoint, name)
    sections = (section, *section.beside)
    if name in checkpoint.quantised:  # made for this coding (train/export.py, lab/export.py)
        return Part(sections, lambda: _payloads(checkpoint.quantised[name], section))
    quantise = QUANTISE[coding.dtype]
    return Part(sections, lambda: _payloads(quantise(_finite(checkpoint, name), coding.group), section))


def _payloads(quantised: Quantised, section: Section) -> tuple[Array, ...]:
    codes = quantised.codes if section.dtype == Dtype.I8 else pack_codes(quantised.codes, section)
    return (codes, quantised.scales, *(() if quantised.zeros is None else (quantised.zeros,)))


def _finite(checkpoint: Checkpoint, name: str) -> Array:
    tensor = checkpoint.tensors[name]
    if not np.isfinite(tensor).all():
        die(
            f"{checkpoint.name}: tensor {name} holds an infinity or a NaN", "Such a checkpoint is broken; take another."
        )
    return tensor


def _half(checkpoint: Checkpoint, name: str) -> Array:
    tensor = _finite(checkpoint, name)
    with np.errstate(over="ignore"):
        half = tensor.astype("<f2")
    if not np.isfinite(half).all():
        largest = np.abs(tensor).max()
        die(
            f"{checkpoint.name}: tensor {name} reaches {largest:g}, beyond the 65504 that a 16-bit float holds",
            "Where it is a linear layer's, the formats q8, q4 and t158 can hold it.",
        )
    return half
