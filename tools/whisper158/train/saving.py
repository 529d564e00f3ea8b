# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Checkpoints of a run: whole or not at all, and enough to go on from as if nothing had happened."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from whisper158 import whole
from whisper158.errors import die
from whisper158.train.network import Whisper

LATEST = "latest.pt"


@dataclass(frozen=True)
class Saved:
    """step: how many have been taken. seconds: of training so far. heard: seconds of speech in all batches so far.
    parent: what load() takes; origin: sha256 of its weights. min_frames: the shortest context that was trained.
    data: stands for the clips that were learnt from last."""

    step: int
    seconds: float
    heard: float
    parent: str
    origin: str
    min_frames: int
    data: str
    quantisation: dict[str, Any]
    student: dict[str, torch.Tensor]
    optimiser: dict[str, Any] | None


def save(path: Path, state: Saved) -> None:
    with whole.replacing(path) as draft, draft.open("wb") as file:
        try:
            torch.save(vars(state), file)
        except RuntimeError as error:
            # PyTorch makes that of a disk that is full.
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def load(path: Path) -> Saved:
    """Raises UserError. Nothing in the file is executed."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return Saved(**content)
    except OSError as error:
        die(f"{path}: {error.strerror or error}")
    except (RuntimeError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        die(f"{path}: not a checkpoint of a training run ({(str(error).splitlines() or ['empty'])[0]})")


def fill(student: Whisper, saved: Saved, path: Path) -> None:
    try:
        student.load_state_dict(saved.student, strict=True)
    except RuntimeError as error:
        die(f"{path}: does not fit the configuration: {str(error).splitlines()[-1].strip()}")
