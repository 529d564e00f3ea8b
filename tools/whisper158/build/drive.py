# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Runs kas and listens to it, until it ends by itself or because somebody interrupts."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

from whisper158.build.progress import State, parse, plain, shown
from whisper158.console import say
from whisper158.run import absent, end_with_us

# What to say, and whom to send what, each time that somebody interrupts. BitBake finishes what it has begun at the
# first and drops it at the second; neither does any harm.
STAGES = (
    ("Interrupted: BitBake finishes the tasks that it has begun. Once more to stop those too", signal.SIGINT),
    ("Interrupted again: BitBake stops its tasks", signal.SIGINT),
    ("Interrupted once more: everything is ended", signal.SIGTERM),
)
REFRESH = 0.25  # seconds


def drive(command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> tuple[int, bool, State]:
    """Runs `command`, with all that it says in `log`. Returns its status, whether it was interrupted, and the state."""
    state = State()
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        os.replace(log, log.with_suffix(".old.log"))
    with log.open("w") as file, interruptions() as seen, start(command, environment, cwd) as process:
        interrupted = listen(process, seen, file, state)
        return process.wait(), interrupted, state


def listen(process: subprocess.Popen[str], seen: Sequence[int], log: IO[str], state: State) -> bool:
    """Until nothing more is said: shows it, writes it down, passes interruptions on. Returns whether there were any."""
    heard = 0
    with shown() as view:
        for line in read(process.stdout):
            if len(seen) > heard:
                text, sign = STAGES[min(heard, len(STAGES) - 1)]
                heard += 1
                say(text)
                pass_on(process.pid, sign)
            if line:
                log.write(plain(line) + "\n")
                log.flush()
                if event := parse(line):
                    state.take(event, time.monotonic())
            view.update(state)
    return heard > 0


def start(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A group of its own, or the terminal would interrupt all of them at once, and BitBake's workers too.
            process_group=0,
            preexec_fn=end_with_us,
        )
    except (FileNotFoundError, PermissionError) as error:
        absent(command, error)


def read(stream: IO[str] | None) -> Iterator[str]:
    """The lines of `stream` as they come, and nothing ("") every now and then, so that the one who listens can act."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def listen() -> None:
        for line in stream or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=REFRESH)
        except queue.Empty:
            yield ""
            continue
        if line is None:
            return
        yield line if line.strip() else ""


@contextmanager
def interruptions() -> Iterator[list[int]]:
    """A list to which every interruption is added instead of ending us."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def pass_on(kas: int, sign: signal.Signals) -> None:
    """To BitBake itself where it runs on this machine, because kas would end it at once; else to kas and its group."""
    for process in below(kas):
        if is_bitbake(process):
            deliver(process, sign)
            return
    try:
        os.killpg(kas, sign)
    except ProcessLookupError:
        return


def deliver(process: int, sign: signal.Signals) -> None:
    try:
        os.kill(process, sign)
    except ProcessLookupError:
        return


def below(process: int) -> Iterator[int]:
    """All that descend from a process, the nearest first."""
    nearest = children(process)
    yield from nearest
    for child in nearest:
        yield from below(child)


def children(process: int) -> list[int]:
    found: list[int] = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, listed.read_text().split())
        except OSError:
            continue
    return found


def is_bitbake(process: int) -> bool:
    """By its command line: an interpreter and the program, or the program alone."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(os.path.basename(word) == b"bitbake" for word in words[:2])
