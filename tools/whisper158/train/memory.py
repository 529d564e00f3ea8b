# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the parent's encoder makes of clips, in files: one that comes again, in this run or in another of the same
parent, is not encoded again. For a frozen encoder that is most of a step's work.

Everything here may be deleted at any time, and what is damaged is as good as absent.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SPARE = 8 << 30  # bytes of the disk that are left to others


class Memory:
    """folder: of one parent; None remembers nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def recall(self, key: str | None, shape: tuple[int, int]) -> Tensor | None:
        """[frames, channels] f16, if it is known in that shape"""
        if self._folder is None or key is None:
            return None
        try:
            known = np.load(_path(self._folder, key, shape), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return torch.from_numpy(known) if known.dtype == np.float16 and known.shape == shape else None

    def note(self, key: str | None, value: Tensor) -> Tensor:
        """Keeps it, if there is room. Returns what `recall` would, so that nothing depends on what is remembered."""
        if self._folder is None or key is None:
            return value
        rounded = value.detach().half().cpu()
        path = _path(self._folder, key, tuple(value.shape))
        draft = path.with_suffix(f".{os.getpid()}.draft")
        # A run can go on without a memory; and nothing waits for the disk, which may lose what it likes.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(path.parent).free > SPARE:
                try:
                    with draft.open("wb") as file:
                        np.save(file, rounded.numpy())
                    draft.replace(path)
                finally:
                    draft.unlink(missing_ok=True)
        return rounded.to(value)


def _path(folder: Path, key: str, shape: tuple[int, ...]) -> Path:
    name = hashlib.sha256(f"{key}:{shape}".encode()).hexdigest()
    return folder / name[:2] / f"{name[2:]}.npy"
