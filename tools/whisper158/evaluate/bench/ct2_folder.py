# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Writes a checkpoint as the folder that CTranslate2 loads (model/ct2.py reads it), quantised by its own code.

Its converters want the model in PyTorch; its specification of a model takes arrays.
"""

from pathlib import Path

import numpy as np
from ctranslate2.specs.model_spec import index_spec
from ctranslate2.specs.whisper_spec import WhisperSpec

from whisper158.model.checkpoint import Array, Checkpoint
from whisper158.model.ct2 import place_of
from whisper158.model.tokens import special_tokens
from whisper158.model.vocabulary import escaped

QUANTISATION = "int8"


def write(checkpoint: Checkpoint, folder: Path) -> None:
    dims = checkpoint.dims
    spec = WhisperSpec(dims.n_audio_layer, dims.n_audio_head, dims.n_text_layer, dims.n_text_head)
    for name, value in joined(checkpoint).items():
        module, leaf = name.rsplit("/", 1)
        setattr(index_spec(spec, module), leaf, value)
    # A copy that is equal is stored once.
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    spec.register_vocabulary(words(checkpoint))
    spec.config.suppress_ids = spec.config.suppress_ids_begin = spec.config.lang_ids = []
    spec.config.alignment_heads = [[dims.n_text_layer - 1, 0]]
    spec.validate()
    spec.optimize(quantization=QUANTISATION)
    spec.save(str(folder))


def joined(checkpoint: Checkpoint) -> dict[str, Array]:
    """The tensors under CTranslate2's names: queries, keys and values in one, with a bias of zero for the keys."""
    parts: dict[str, dict[int, Array]] = {}
    for name, tensor in checkpoint.tensors.items():
        at, part, _ = place_of(name)
        parts.setdefault(at, {})[part] = tensor.astype(np.float32)
        if name.endswith(".key.weight"):
            at, part, _ = place_of(name.replace(".weight", ".bias"))
            parts.setdefault(at, {})[part] = np.zeros(len(tensor), np.float32)
    return {at: np.concatenate([arrays[part] for part in sorted(arrays)]) for at, arrays in parts.items()}


def words(checkpoint: Checkpoint) -> list[str]:
    """As in vocabulary.json. The special tokens that CTranslate2 knows it looks up by name; the others get a number."""
    dims = checkpoint.dims
    special = special_tokens(len(checkpoint.vocabulary), dims.n_vocab, dims.multilingual)
    names = {
        special.eot: "<|endoftext|>",
        special.sot: "<|startoftranscript|>",
        special.sot_prev: "<|startofprev|>",
        special.no_speech: "<|nospeech|>",
        special.no_timestamps: "<|notimestamps|>",
    }
    rest = range(len(checkpoint.vocabulary), dims.n_vocab)
    return [*map(escaped, checkpoint.vocabulary), *(names.get(token, f"<|{token}|>") for token in rest)]
