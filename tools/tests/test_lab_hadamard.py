# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Hadamard matrices of the widths that speech models have."""

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install torch")

from whisper158.lab.hadamard import hadamard, known, turned  # noqa: E402

# Heads and widths of Whisper and Moonshine, and what small ones are doubled to.
WIDTHS = (1, 2, 4, 12, 20, 28, 36, 64, 288, 384, 416, 512, 768, 1152, 1536)


@pytest.mark.parametrize("order", WIDTHS)
def test_orthogonal_with_entries_of_one_magnitude(order: int) -> None:
    assert known(order)
    matrix = hadamard(order)
    assert torch.allclose(matrix @ matrix.T, torch.eye(order, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(matrix.abs(), torch.full_like(matrix, order**-0.5))


@pytest.mark.parametrize("order", [3, 6, 7, 52])
def test_orders_that_are_not_known_are_refused(order: int) -> None:
    assert not known(order)
    with pytest.raises(ValueError, match=f"order {order}"):
        hadamard(order)


def test_signs_follow_the_seed() -> None:
    assert torch.equal(turned(64, 1), turned(64, 1))
    assert not torch.equal(turned(64, 1), turned(64, 2))
    assert torch.allclose(turned(64, 1).T @ turned(64, 1), torch.eye(64, dtype=torch.float64), atol=1e-12)


def test_what_is_loud_is_spread() -> None:
    x = torch.zeros(64, dtype=torch.float64)
    x[5] = 8.0
    assert torch.allclose((x @ hadamard(64)).abs(), torch.ones(64, dtype=torch.float64))
