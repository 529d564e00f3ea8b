# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Files that are written whole or not at all: through an interruption, on a disk that is full, when the power goes."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from whisper158.errors import die

CURES = {
    errno.ENOSPC: "Free some space there, or name another place.",
    errno.EDQUOT: "Free some space there, or name another place.",
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f), or name another place.",
    errno.EROFS: "Name a place that can be written to.",
    errno.EACCES: "Name a place that you may write to.",
    errno.EPERM: "Name a place that you may write to.",
    errno.ENOENT: "Make the directory first.",
    errno.EISDIR: "Name a file, not a directory.",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to, whose file takes the place of `path` when the block ends well, and is gone when it does not.

    Raises UserError that names `path` if it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
        _sync(draft, os.O_RDONLY)
        draft.replace(path)
        _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in (draft, path, path.parent):
            raise
        die(f"{path}: cannot be written: {error.strerror}", CURES.get(error.errno or 0))
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write(path: Path, content: str | bytes) -> None:
    """`path` gets this content, text in UTF-8. UserError likewise."""
    with replacing(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


def _sync(path: Path, flags: int) -> None:
    """What was written there, names too, lasts through a loss of power."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
