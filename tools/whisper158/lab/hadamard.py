# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Orthogonal matrices whose entries all have the same magnitude: they spread what is loud over all channels.

Sylvester's doubling of Paley's matrices (R. E. A. C. Paley 1933): of order p + 1 for a prime p = 3 mod 4, and 2 (p +
1) for a prime p = 1 mod 4.
"""

import torch
from torch import Tensor


def hadamard(order: int) -> Tensor:
    """f64 [order, order], orthogonal. Raises ValueError where no such matrix is known here."""
    if not known(order):
        raise ValueError(f"there is no Hadamard matrix of order {order} here")
    core = order
    doublings = 0
    while (small := _core(core)) is None:
        core, doublings = core // 2, doublings + 1
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    for _ in range(doublings):
        small = torch.kron(two, small)
    return small / order**0.5


def known(order: int) -> bool:
    """Whether there is one of that order here."""
    while _core(order) is None:
        if order % 2:
            return False
        order //= 2
    return True


def turned(order: int, seed: int) -> Tensor:
    """A Hadamard matrix whose rows have random signs, so that no channel meets a pattern of its own."""
    signs = torch.randint(0, 2, (order,), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return signs[:, None].double() * hadamard(order)


def _core(order: int) -> Tensor | None:
    if order == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if order == 2:
        return torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    if order % 4 == 0 and _prime(order - 1) and (order - 1) % 4 == 3:
        return _bordered(order - 1, -1.0) + torch.eye(order, dtype=torch.float64)
    if order % 4 == 0 and _prime(order // 2 - 1) and (order // 2 - 1) % 4 == 1:
        conference = _bordered(order // 2 - 1, 1.0)
        one = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
        other = torch.tensor([[1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
        return torch.kron(conference, one) + torch.kron(torch.eye(order // 2, dtype=torch.float64), other)
    return None


def _residues(p: int) -> Tensor:
    """The Jacobsthal matrix: whether i - j is a square modulo p (1), is none (-1), or is 0."""
    squares = {i * i % p for i in range(1, p)}
    character = torch.tensor([0 if i == 0 else 1 if i in squares else -1 for i in range(p)], dtype=torch.float64)
    index = torch.arange(p)
    return character[(index[:, None] - index) % p]


def _bordered(p: int, sign: float) -> Tensor:
    """A conference matrix: C C^T = p I. Skew for sign -1, symmetric for 1."""
    matrix = torch.zeros(p + 1, p + 1, dtype=torch.float64)
    matrix[0, 1:], matrix[1:, 0] = 1.0, sign
    matrix[1:, 1:] = _residues(p)
    return matrix


def _prime(n: int) -> bool:
    return n > 1 and all(n % k for k in range(2, int(n**0.5) + 1))
