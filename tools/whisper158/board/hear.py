# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""From power to words: the daemon of an emulated machine is made ready, is spoken to, and is asked what it heard."""

import json
import time
from collections.abc import Iterator
from typing import Any

from whisper158.board.console import Console, ConsoleError
from whisper158.board.qemu import Emulator
from whisper158.data.audio import Floats

# Where the guest keeps what its daemon says.
EVENTS = "/run/whisper158-events"
# Seconds, on a host with other things to do.
LOGIN = 300.0
READY = 1200.0
WORDS = 600.0
ANSWER = 300.0  # a shell's, while the daemon computes
POLL = 0.5


def make_ready(console: Console) -> None:
    """Logs in, and waits until whisper158d has read its model and hears the microphone."""
    console.login(LOGIN)
    console.check("systemctl start whisper158d.service", READY)
    # It follows what is heard from here on.
    console.check(f"(whisper158 listen --json >{EVENTS} 2>&1 &)", ANSWER)
    await_event(console, "listening", 0, READY)


def hear(board: Emulator, sound: Floats) -> dict[str, Any]:
    """Says `sound` (16 kHz, -1 to 1) into the microphone; returns the daemon's event `final` (docs/daemon.md).

    The machine must have been made ready.
    """
    before = len(list(events(board.console, "final")))
    board.microphone.say(board.pid, sound)
    return await_event(board.console, "final", before, WORDS)


def await_event(console: Console, name: str, before: int, timeout: float) -> dict[str, Any]:
    """The first event `name` of the daemon's after so many of that name."""
    end = time.monotonic() + timeout
    while len(found := list(events(console, name))) <= before:
        if time.monotonic() > end:
            said = console.run(f"tail -n 5 {EVENTS}; journalctl -o cat --no-pager -n 10 -u whisper158d", ANSWER).output
            raise ConsoleError(f"whisper158d said no {name!r} within {timeout:g} s", said)
        time.sleep(POLL)
    return found[before]


def events(console: Console, name: str) -> Iterator[dict[str, Any]]:
    """What the daemon has said under that name since it was made ready."""
    said = console.run(f"""grep '"event":"{name}"' {EVENTS}""", ANSWER).output
    return (json.loads(line) for line in said.splitlines() if line.startswith("{"))
