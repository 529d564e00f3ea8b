# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From a quantised model to a blob: its codes and scales as they are, and the floats that folding left beside them.

The runtime multiplies by matrices of 8-bit, 4-bit and ternary codes, with one scale to a row or a group, and those of 4
bits may have zero points. Codes of 3 and 2 bits are stored as 4-bit ones: the same numbers in more bytes. With rounded
activations the runtime computes attention to the audio in integers as well, which the laboratory does not.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from whisper158.errors import die
from whisper158.lab.activations import FLOATS
from whisper158.lab.codes import NIBBLE_LEVELS, Weight
from whisper158.lab.families.whisper import HEAD, WhisperModel
from whisper158.lab.grid import Grid
from whisper158.lab.method import Outcome, Scheme
from whisper158.model.blob import Dtype, Packing
from whisper158.model.checkpoint import Checkpoint
from whisper158.model.pack import F16, Coding, Format, pack
from whisper158.model.silero import Detector
from whisper158.model.ternary import Quantised

NO_ROUNDING = 32  # what a blob calls activations that stay floats
# Methods whose weights are one matrix of codes, read by what is there without them too
PLAIN = ("rtn", "smoothquant", "awq", "gptq", "omniquant", "tesseraq")
NOT_ONE = "a blob has one matrix of codes, of 8 bits without zero points or of 4 with whole ones"
TAKE = f"Take {', '.join(PLAIN[:-1])} or {PLAIN[-1]}, with symmetric weights or with 4 bits or fewer."


def check(method: str, weights: Grid, head: Grid | None) -> None:
    """Raises UserError where `export` will refuse what this method makes of any model, which is known before."""
    if method not in PLAIN or not holds(weights):
        die(f"{method} {weights.name}: {NOT_ONE}", TAKE)
    if head:
        check_head(head)


def holds(grid: Grid) -> bool:
    return grid.symmetric or grid.levels <= NIBBLE_LEVELS


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
        die(f"{name}: {NOT_ONE}", TAKE)
    return codes


def coding(grid: Grid, packing: Packing) -> Coding:
    return Coding(Dtype.T158, packing, grid.group) if grid.ternary else Coding(dtype_of(grid), group=grid.group)


def dtype_of(grid: Grid) -> Dtype:
    if grid.levels > NIBBLE_LEVELS:
        return Dtype.I8
    return Dtype.I4 if grid.symmetric else Dtype.U4


def head_coding(head: Weight | None) -> Coding:
    if head is None:
        return F16
    grid = head.planes[0].grid
    check_head(grid)
    return Coding(dtype_of(grid), group=grid.group)


def check_head(grid: Grid) -> None:
    if grid.ternary:
        die("the runtime has no ternary token embedding", "Give the head 8 or 4 bits: head: w8")
    if not holds(grid):
        die(f"head: {grid.name}: {NOT_ONE}", "Give the head 8 bits without zero points, or 4: head: w8")
