# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`sudo ./inv flash` is root for the sake of a disk. What it leaves in somebody's checkout on the way, they could not
change afterwards: `./inv` without sudo would fail at a log or at its own environment."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from whisper158.paths import ROOT

# Whatever `inv` writes into a checkout lies here.
WRITTEN = (".venv", ".venv.lock", "build")


def hand_back(home: Path = ROOT) -> None:
    """Gives what root owns of it to who called sudo, if the checkout `home` is theirs. Nobody else is of interest."""
    caller = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not caller.isdecimal() or int(caller) == 0:
        return
    owner = home.stat()
    if owner.st_uid != int(caller):
        return
    for path in written(home):
        # A file may be gone by now, or lie on a disk that knows no owners.
        with suppress(OSError):
            if path.lstat().st_uid == 0:
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def written(home: Path) -> Iterator[Path]:
    for name in WRITTEN:
        top = home / name
        if top.is_symlink() or not top.exists():
            continue
        yield top
        for folder, folders, files in os.walk(top):
            yield from (Path(folder, entry) for entry in (*folders, *files))
