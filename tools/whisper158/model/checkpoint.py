# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a Whisper checkpoint is: dimensions, tensors under OpenAI's names, vocabulary, and where it came from.

Every reader of a file format (ct2.py, ggml.py, hf.py, openai_pt.py) hands its tensors out through `FileTensors`, so
presence, shape, dtype and finiteness are checked in one place and named in the file's own terms.
"""

from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from whisper158.errors import die
from whisper158.model.ternary import Quantised

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Dims:
    """The ten numbers that fix the shape of a Whisper model; the names are those of OpenAI's ModelDimensions."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @property
    def multilingual(self) -> bool:
        return self.n_vocab >= 51865

    @property
    def eot(self) -> int:
        """The id of <|endoftext|>: the ids below it are the ordinary tokens."""
        return 50257 if self.multilingual else 50256


@dataclass(frozen=True)
class Contents:
    """What a reader found in a file: checked tensors, and the files that `Checkpoint.sha256` is taken of."""

    dims: Dims
    tensors: Mapping[str, Array]
    vocabulary: tuple[bytes, ...] | None
    weights: tuple[Path, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A checked checkpoint: floats, or trained codes and scales.

    tensors: OpenAI's state_dict names (whisper/model.py), C-contiguous float16 or float32 as stored (bfloat16, which
        numpy lacks, becomes float32); convolutions are [out, in, 3]; the decoder's mask buffer is left out.
    vocabulary: the raw bytes of the ordinary tokens by id (50256 of them if English-only, else 50257).
    source: where it came from, in words. sha256: of the weights file as it came; of several, of their concatenation.
    quantised: matrices whose codes and scales were trained. They are packed as they are: codes that are found anew,
        from weights that training has moved, are others.
    """

    name: str
    dims: Dims
    tensors: Mapping[str, Array]
    vocabulary: tuple[bytes, ...]
    source: str
    sha256: str
    licence: str
    quantised: Mapping[str, Quantised] = field(default_factory=dict)


# The blob's limits (docs/blob-format.md): what loads can also be packed, and no header makes us loop or allocate much.
_ALLOWED: Mapping[str, tuple[Container[int], str]] = {
    "n_mels": ((80, 128), "80 or 128"),
    "n_audio_ctx": (range(4, 1501), "4 to 1500"),
    "n_audio_state": (range(32, 2049, 32), "a multiple of 32, at most 2048"),
    "n_audio_head": (range(1, 65), "1 to 64"),
    "n_audio_layer": (range(1, 65), "1 to 64"),
    "n_vocab": ((51864, 51865, 51866), "51864 (English-only), 51865 or 51866 (multilingual)"),
    "n_text_ctx": (range(4, 449), "4 to 448"),
    "n_text_state": (range(32, 2049, 32), "a multiple of 32, at most 2048"),
    "n_text_head": (range(1, 65), "1 to 64"),
    "n_text_layer": (range(1, 65), "1 to 64"),
}


def check_dims(dims: Dims, file: Path) -> None:
    """Refuse dimensions that no Whisper model has; to be called before any of them is used."""
    for name, value in asdict(dims).items():
        allowed, words = _ALLOWED[name]
        if type(value) is not int or value not in allowed:
            die(f"{file}: {name} is {value!r}, where Whisper has {words}")
    if dims.n_audio_state != dims.n_text_state:
        die(f"{file}: n_audio_state is {dims.n_audio_state} but n_text_state is {dims.n_text_state}")
    for side, heads in (("audio", dims.n_audio_head), ("text", dims.n_text_head)):
        if dims.n_audio_state not in (heads * 64, heads * 32):
            die(f"{file}: n_{side}_head is {heads}, which does not cut {dims.n_audio_state} channels into heads of 64")


def tensor_shapes(dims: Dims) -> dict[str, tuple[int, ...]]:
    """The name and shape of every tensor of a model, as in the state_dict of OpenAI's whisper/model.py."""
    d = dims.n_audio_state
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *weight: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = weight
        if bias:
            shapes[f"{name}.bias"] = weight[:1]

    def attention(name: str) -> None:
        for part in ("query", "key", "value", "out"):
            layer(f"{name}.{part}", d, d, bias=part != "key")
        layer(f"{name}_ln", d)

    def blocks(side: str, count: int) -> None:
        for block in (f"{side}.blocks.{i}" for i in range(count)):
            attention(f"{block}.attn")
            if side == "decoder":
                attention(f"{block}.cross_attn")
            layer(f"{block}.mlp.0", 4 * d, d)
            layer(f"{block}.mlp.2", d, 4 * d)
            layer(f"{block}.mlp_ln", d)

    layer("encoder.conv1", d, dims.n_mels, 3)
    layer("encoder.conv2", d, d, 3)
    shapes["encoder.positional_embedding"] = (dims.n_audio_ctx, d)
    blocks("encoder", dims.n_audio_layer)
    layer("encoder.ln_post", d)
    layer("decoder.token_embedding", dims.n_vocab, d, bias=False)
    shapes["decoder.positional_embedding"] = (dims.n_text_ctx, d)
    blocks("decoder", dims.n_text_layer)
    layer("decoder.ln", d)
    return shapes


def bfloat16_to_float32(bits: npt.NDArray[np.uint16]) -> Array:
    """Widen bfloat16, given as its bits, without loss: it is the upper half of a float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


class FileTensors:
    """The tensors of a file under the file's own names, handed out one at a time, each checked."""

    def __init__(self, file: Path, tensors: Mapping[str, Array], kind: str = "Whisper") -> None:
        self._file, self._kind = file, kind
        self._left = dict(tensors)

    def _get(self, name: str) -> Array:
        if name not in self._left:
            die(f"{self._file}: tensor {name} is missing")
        return self._left[name]

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """The shape of a tensor that dimensions are read from."""
        shape = self._get(name).shape
        if len(shape) != rank:
            die(f"{self._file}: tensor {name} has shape {shape}, where {rank} dimensions are expected")
        return shape

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """Hand out a weight: of exactly this shape, float16 or float32, finite, C-contiguous."""
        tensor = self._get(name)
        if tensor.shape != shape:
            die(f"{self._file}: tensor {name} has shape {tensor.shape}, expected {shape}")
        if tensor.dtype not in (np.float16, np.float32):
            die(
                f"{self._file}: tensor {name} is {tensor.dtype}, expected float16 or float32",
                "quantised models cannot be loaded: use the one that they were made from",
            )
        if not np.isfinite(tensor).all():
            die(f"{self._file}: tensor {name} holds infinities or NaNs")
        del self._left[name]
        return np.ascontiguousarray(tensor)

    def drop(self, name: str) -> Array | None:
        """Hand out a tensor that may be absent and that the model does not need, unchecked."""
        return self._left.pop(name, None)

    def drop_copy(self, name: str, original: Array) -> None:
        """Drop a second copy of a tied weight; a model in which the two differ is of another kind."""
        copy = self.drop(name)
        if copy is not None and not np.array_equal(copy, original):
            die(f"{self._file}: tensor {name} differs from the token embedding that it should be tied to")

    def done(self) -> None:
        """Refuse whatever has not been asked for: ignoring a weight would change what the model computes."""
        if self._left:
            more = f" (and {len(self._left) - 1} more)" if len(self._left) > 1 else ""
            die(f"{self._file}: tensor {min(self._left)!r}{more} has no place in a {self._kind} model of this size")
