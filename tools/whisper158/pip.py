# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Why pip failed, in a sentence, from what it wrote."""

FULL = "the disk is full"

# The surest first, and what to do, unless that is to get the packages.
_REASONS = (
    ("No space left on device", FULL, "make room on it"),
    ("No module named pip", "pip is not installed", "run python -m ensurepip in the same Python environment"),
    ("DO NOT MATCH THE HASHES", "what the package index gives is not the pinned file (its sha256 differs)", None),
    ("Retrying", "the package index cannot be reached", None),
    ("No matching distribution", "the package index does not have it", None),
)


def why(log: str) -> tuple[str, str | None]:
    """The cause, and the cure where it is not to get the packages in another way."""
    for sign, cause, cure in _REASONS:
        if sign in log:
            return cause, cure
    last = (log.strip().splitlines() or ["nothing"])[-1]
    return f"pip says {last!r}", None
