# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Reads a Hugging Face folder: config.json, model.safetensors (whole or in shards) and, if it is there, a tokenizer."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from whisper158.errors import die
from whisper158.model import vocabulary
from whisper158.model.checkpoint import (
    Array,
    Contents,
    Dims,
    FileTensors,
    bfloat16_to_float32,
    check_dims,
    tensor_shapes,
)

_DIMS = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_state": "d_model",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}

# Settings that change what the model computes: a file may leave them out, but may not have others.
_SETTINGS = {"activation_function": "gelu", "scale_embedding": False}

# From OpenAI's names to Hugging Face's, applied in this order.
_RENAMES = (
    (r"\.blocks\.", ".layers."),
    (r"\.cross_attn_ln\.", ".encoder_attn_layer_norm."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.cross_attn\.(query|key|value|out)\.", r".encoder_attn.\1."),
    (r"\.attn\.(query|key|value|out)\.", r".self_attn.\1."),
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"\.out\.", ".out_proj."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"^encoder\.ln_post\.", "encoder.layer_norm."),
    (r"^decoder\.ln\.", "decoder.layer_norm."),
    (r"\.token_embedding\.", ".embed_tokens."),
    (r"\.positional_embedding$", ".embed_positions.weight"),
)

_DTYPES: Mapping[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "BF16": np.dtype("<u2")}

# The library's numpy interface knows no bfloat16; below it lies this, which gives checked bytes.
_deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize


def _hf_name(name: str) -> str:
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _dims(file: Path) -> Dims:
    config = vocabulary.read_json(file)
    if not isinstance(config, dict) or config.get("model_type") != "whisper":
        die(f"{file}: model_type is not whisper")
    for key, value in _SETTINGS.items():
        if config.get(key, value) != value:
            die(f"{file}: {key} is {config[key]!r}, where Whisper has {value!r}")
    for key in _DIMS.values():
        if key not in config:
            die(f"{file}: {key} is missing")
    return Dims(**{field: config[key] for field, key in _DIMS.items()})


def _files(folder: Path) -> tuple[Path, tuple[Path, ...]]:
    """The file to name in messages, and the files with the weights."""
    whole = folder / "model.safetensors"
    if whole.exists():
        return whole, (whole,)
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        die(f"{folder}: neither model.safetensors nor model.safetensors.index.json is there")
    content = vocabulary.read_json(index)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not places:
        die(f"{index}: no weight_map")
    for shard in places.values():
        # The index comes from outside: it must not lead out of the folder.
        if not isinstance(shard, str) or not re.fullmatch(r"[\w-][\w.-]*\.safetensors", shard):
            die(f"{index}: {shard!r} is not the name of a shard")
    return index, tuple(folder / shard for shard in sorted(set(places.values())))


def _array(file: Path, name: str, view: Mapping[str, Any]) -> Array:
    if view["dtype"] not in _DTYPES:
        die(f"{file}: tensor {name!r} is {view['dtype']}, expected F16, BF16 or F32")
    if 0 in view["shape"] or len(view["shape"]) > 4:
        die(f"{file}: tensor {name!r} has shape {view['shape']}")
    array: Array = np.frombuffer(view["data"], _DTYPES[view["dtype"]]).reshape(view["shape"])
    return bfloat16_to_float32(array) if view["dtype"] == "BF16" else array


def _read_shard(file: Path) -> dict[str, Array]:
    try:
        views = _deserialize(file.read_bytes())
    except safetensors.SafetensorError as error:
        die(f"{file}: not a whole safetensors file ({error})")
    return {name: _array(file, name, view) for name, view in views}


def stored(folder: Path, kind: str = "Whisper") -> tuple[FileTensors, tuple[Path, ...]]:
    """All tensors of a folder, whatever the model, and the files that they are in."""
    file, weights = _files(folder)
    found: dict[str, Array] = {}
    for shard in weights:
        for name, array in _read_shard(shard).items():
            # Saved from the bare model or from the one with a language head.
            key = name.removeprefix("model.")
            if key in found:
                die(f"{shard}: tensor {name!r} is there twice")
            found[key] = array
    return FileTensors(file, found, kind), weights


def read(folder: Path) -> Contents:
    """Read a folder with config.json and model.safetensors or its shards, float16, bfloat16 or float32."""
    dims = _dims(folder / "config.json")
    check_dims(dims, folder / "config.json")
    stock, weights = stored(folder)
    tensors = {name: stock.take(_hf_name(name), shape) for name, shape in tensor_shapes(dims).items()}
    stock.drop_copy("proj_out.weight", tensors["decoder.token_embedding.weight"])
    stock.done()
    return Contents(dims, tensors, vocabulary.from_hf_folder(folder, dims), weights)
