# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From a quantised model to a blob: its codes and scales as they are, and the floats that folding left beside them.

The runtime multiplies by matrices of 8-bit and ternary codes, with one scale to a row or a group. Codes of fewer bits
are stored as 8-bit ones: the same numbers in more bytes; the token embedding may have 4 bits. With rounded activations
the runtime computes attention to the audio in integers as well, which the laboratory does not.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from whisper158.errors import die
from whisper158.lab.activations import FLOATS
from whisper158.lab.codes import Weight
from whisper158.lab.families.whisper import HEAD, WhisperModel
from whisper158.lab.grid import Grid
from whisper158.lab.method import Outcome, Scheme
from whisper158.model.blob import Dtype, Packing
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.pack import F16, Coding, Format, pack
from whisper158.model.silero import Detector
from whisper158.model.ternary import Quantised

NO_ROUNDING = 32  # what a blob calls activations that stay floats


def export(
    model: WhisperModel,
    checkpoint: Checkpoint,
    outcome: Outcome,
    head: Weight | None,
    scheme: Scheme,
    out: Path,
    provenance: Mapping[str, str] | None = None,
    detector: Detector | None = None,
) -> None:
    """Raises UserError where the runtime could not compute what the laboratory did."""
    if outcome.prepared:
        die(f"a blob cannot say: {outcome.prepared[0]}", "Take a method that leaves the residual stream as it is.")
    quantised = {name: codes_of(name, layer.weight) for name, layer in outcome.layers.items()}
    if head:
        quantised[HEAD] = codes_of(HEAD, head)
    state = model.whisper.state_dict()
    tensors = {name: np.asarray(state[name].cpu(), np.float32) for name in checkpoint.tensors}
    form = Format(
        "lab",
        frames=coding(scheme.weights, Packing.T5),
        token=coding(scheme.weights, Packing.T2),
        head=head_coding(head),
        activation_bits=NO_ROUNDING if scheme.activation_bits >= FLOATS else scheme.activation_bits,
    )
    made = replace(checkpoint, tensors=tensors, quantised=quantised)
    pack(made, form, out, provenance=provenance, detector=detector)


def codes_of(name: str, weight: Weight) -> Quantised:
    codes = weight.exported()
    if codes is None:
        die(
            f"{name}: a blob has one symmetric matrix of codes, and nothing beside it",
            "Take rtn, smoothquant, awq, gptq, omniquant or tesseraq, with symmetric weights.",
        )
    return codes


def coding(grid: Grid, packing: Packing) -> Coding:
    return Coding(Dtype.T158, packing, grid.group) if grid.ternary else Coding(Dtype.I8, group=grid.group)


def head_coding(head: Weight | None) -> Coding:
    if head is None:
        return F16
    grid = head.planes[0].grid
    if grid.ternary:
        die("the runtime has no ternary token embedding", "Give the head 8 or 4 bits: head: w8")
    four = grid.levels == 16
    return Coding(Dtype.I4 if four else Dtype.I8, group=grid.group)
