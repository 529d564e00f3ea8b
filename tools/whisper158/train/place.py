# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Where a process computes: on which device, as one of how many, in what precision."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Place:
    """Which process this is, and where it computes."""

    rank: int
    processes: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0


@contextmanager
def place() -> Iterator[Place]:
    """torchrun's environment says how many processes there are."""
    processes, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device(f"cuda:{local}" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if processes > 1:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Place(rank, processes, device)
    finally:
        if processes > 1:
            torch.distributed.destroy_process_group()


@contextmanager
def no_subnormals() -> Iterator[None]:
    """Numbers too small to be normal are zeros in this block: processors compute with them a hundred times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def precision(wanted: str, where: Place) -> Iterator[None]:
    """What quantisers.matmul asks for. "bf16" is float32 where there are no instructions for the former."""
    backend = torch.backends.cuda if where.device.type == "cuda" else torch.backends.mkldnn
    before = backend.matmul.fp32_precision
    backend.matmul.fp32_precision = "bf16" if wanted == "bf16" and has_bf16(where.device) else "ieee"
    try:
        yield
    finally:
        backend.matmul.fp32_precision = before


def has_bf16(device: torch.device) -> bool:
    """Whether there are instructions for products in bfloat16. PyTorch does without, a hundred times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
