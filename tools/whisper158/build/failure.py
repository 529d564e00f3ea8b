# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Why a build failed, in a few lines: which recipe, the end of its log, and where the rest is."""

from pathlib import Path

from whisper158.build.kas import Folders, outside
from whisper158.build.progress import COLOURS, State
from whisper158.errors import UserError

# Of a log, what is shown. The cause stands at the end, or the whole is to be read anyway.
LAST_LINES = 20
COMPLAINTS = 12
WIDTH = 500


class BuildFailed(UserError):
    """kas or BitBake ended badly."""


class Interrupted(UserError):
    """Somebody did not want to wait."""

    status = 130


# What is known of causes, by what they leave in logs. The first that fits is told.
ROOM = "make room on the disk, or build --with rm-work; what is built already is kept"
KNOWN = (
    ("No space left on device", ROOM),
    ("Immediately halt since the disk space monitor", ROOM),
    ("No new tasks can be executed since the disk space", ROOM),
    ("Killed signal terminated program", "memory ran out: have fewer compilers at a time (PARALLEL_MAKE='-j 2')"),
    ("Synaptics-EULA", "Synaptics' licence is not accepted: --accept-eula"),
    ("User namespaces are not usable", "see Troubleshooting in docs/build-image.md, or use --container"),
    ("NetworkAccess(", "a source is missing: fetch it once without --with offline, or set up a mirror"),
    ("Fetcher failure", "a source could not be fetched: the network, a proxy? --with mirror takes it from elsewhere"),
    ("Could not resolve host", "the network is not there; KAS_PREMIRRORS takes the layers from elsewhere"),
)


def failed(state: State, where: Folders, log: Path, status: int) -> BuildFailed:
    if state.failed:
        return of_tasks(state, where, log)
    said = [shortened(line) for line in dict.fromkeys(state.complaints)]
    # kas's own word for it says the least.
    said = [line for line in said if not line.startswith("Command ")] or said
    head = "the build failed" if state.count.total else f"the build failed at its start: {state.phase}"
    lines = said[:COMPLAINTS] or [f"status {status}, and no reason was given"]
    return BuildFailed(head, "\n  ".join([*lines, f"All that was said: {log}", *hint("\n".join(said))]))


def of_tasks(state: State, where: Folders, log: Path) -> BuildFailed:
    name, *others = state.failed
    known = state.log_of(name)
    own = outside(known, where) if known else None
    tail = last_lines(own) if own else []
    lines = [f"The end of its log:{''.join(f'{chr(10)}    {line}' for line in tail)}"] if tail else []
    lines += [] if own is None else [f"The whole log: {own}"]
    lines += [f"All that was said: {log}"]
    lines += [f"Failed too: {', '.join(map(str, others))}"] if others else []
    lines += hint("\n".join([*tail, *state.complaints]))
    return BuildFailed(f"{name.recipe}: {name.step} failed", "\n  ".join(lines))


def last_lines(path: Path) -> list[str]:
    try:
        with path.open(errors="replace") as file:
            file.seek(max(0, path.stat().st_size - LAST_LINES * 4 * WIDTH))
            lines = [shortened(line) for line in file.read().splitlines() if line.strip()]
    except OSError:
        return []
    # Of its own steps BitBake says much, and after a fetcher's error nothing but that.
    return [line for line in lines if not line.startswith("DEBUG: ")][-LAST_LINES:]


def shortened(line: str) -> str:
    line = COLOURS.sub("", line.rstrip())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 4]} ..."


def hint(said: str) -> list[str]:
    return next(([advice[0].upper() + advice[1:]] for sign, advice in KNOWN if sign in said), [])


def interrupted(state: State) -> Interrupted:
    count = state.count
    far = f"interrupted after task {count.number} of {count.total}" if count.total else "interrupted"
    return Interrupted(far, "nothing is lost: the same command goes on from there")
