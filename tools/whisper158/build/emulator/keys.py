# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The keys that an emulated machine and its owner know each other by: one pair each, made once and kept."""

from pathlib import Path

from whisper158.cache import cache_dir, make_entry
from whisper158.run import run

OWNER, HOST = "id_ed25519", "ssh_host_ed25519_key"


def keys() -> Path:
    """The folder with both pairs. They open nothing but emulated machines of this user."""
    return make_entry(cache_dir() / "emulator-keys", fill)


def fill(folder: Path) -> None:
    folder.chmod(0o700)
    for name in (OWNER, HOST):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "whisper158-emulator", "-f", folder / name])


def known_host(folder: Path, alias: str) -> str:
    """The line for ssh's known_hosts, for a machine that is called `alias` there (ssh -o HostKeyAlias=)."""
    kind, key = (folder / f"{HOST}.pub").read_text().split()[:2]
    return f"{alias} {kind} {key}\n"
