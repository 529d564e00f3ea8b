# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What BitBake says when nobody watches it on a terminal, and how that becomes a bar with the time left.

kas puts a time and a level before each line; BitBake numbers the tasks that it starts. Whatever a line holds beyond
that, it is text from outside: it is shown, never trusted.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from whisper158.console import console, say

KAS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - [A-Z]+ *- ?")
GRAVE = re.compile(KAS.pattern.replace("[A-Z]+", "(ERROR|CRITICAL)"))
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
STARTED = re.compile(r"NOTE: Running (?P<kind>[a-z]* ?)task (?P<number>\d{1,9}) of (?P<total>\d{1,9}) \((?P<task>.*)\)")
FAILED = re.compile(r"ERROR: Task \((?P<task>.*)\) failed with exit code")
LOGGED = re.compile(r"ERROR: Logfile of failure stored in: (?P<path>.+)")
# Said when it is over, as kas hears whole lines only; what matters is what comes next.
PHASE = re.compile(r"(?P<name>[A-Z][A-Za-z ]{3,60})\.\.\.done\.")
NEXT = {"Loading cache": "Parsing recipes", "Parsing recipes": "Preparing tasks"}

# Before so many tasks and seconds have gone by, the time left would be a guess.
KNOWN_TASKS = 20
KNOWN_SECONDS = 15.0
# Columns of a terminal that all but the name of the task takes.
BESIDE = 70


@dataclass(frozen=True)
class Name:
    """A task, by the recipe that it belongs to: linux-syna, do_compile."""

    recipe: str
    step: str

    def __str__(self) -> str:
        return f"{self.recipe} {self.step}"


@dataclass(frozen=True)
class Started:
    name: Name
    number: int
    total: int
    # Taken from shared state instead of being built.
    shared: bool


@dataclass(frozen=True)
class Failed:
    name: Name


@dataclass(frozen=True)
class Logged:
    """Where the log of a task that failed lies, in BitBake's eyes: in a container these are others than ours."""

    path: str


@dataclass(frozen=True)
class Phase:
    text: str


@dataclass(frozen=True)
class Complaint:
    text: str


Event = Started | Failed | Logged | Phase | Complaint


def plain(line: str) -> str:
    """What was said, without kas's stamp, colours and the end of the line."""
    return KAS.sub("", COLOURS.sub("", line).rstrip(), count=1)


def parse(line: str) -> Event | None:
    """What a line of output tells, if it tells anything that matters here."""
    said = plain(line)
    if match := STARTED.fullmatch(said):
        number, total = int(match["number"]), int(match["total"])
        return Started(name_of(match["task"]), number, total, match["kind"] == "setscene ")
    if match := FAILED.match(said):
        return Failed(name_of(match["task"]))
    if match := LOGGED.fullmatch(said):
        return Logged(match["path"])
    if match := PHASE.match(said):
        return Phase(match["name"])
    # kas's own errors have a level in the stamp and nothing before the text; git's come without a stamp.
    if said.startswith(("ERROR: ", "fatal: ")) or (said and GRAVE.match(line)):
        return Complaint(said.removeprefix("ERROR: "))
    return None


def name_of(task: str) -> Name:
    """Recipe and step of a task as BitBake spells it: mc:x:virtual:native:/layers/a/zlib_1.3.bb:do_compile."""
    file, _, step = task.rpartition(":")
    *before, path = file.split(":")
    recipe = PurePosixPath(path).name.removesuffix(".bb").partition("_")[0]
    for variant in before[before.index("virtual") + 1 :] if "virtual" in before else []:
        recipe = f"nativesdk-{recipe}" if variant == "nativesdk" else f"{recipe}-{variant}"
    return Name(recipe or task, step)


@dataclass
class Count:
    """How far one kind of tasks has come. BitBake's numbers never fall; the total may still change."""

    number: int = 0
    total: int = 0
    first: int = 0
    began: float = 0.0

    def move(self, number: int, total: int, now: float) -> None:
        if self.total == 0:
            self.first, self.began = number, now
        self.number, self.total = max(number, self.number), total

    def left(self, now: float) -> float | None:
        """Seconds, if the tasks to come take as long as those that went by; None where that cannot be said."""
        done, went = self.number - self.first, now - self.began
        if done < KNOWN_TASKS or went < KNOWN_SECONDS:
            return None
        return went / done * max(self.total - self.number, 0)


@dataclass
class State:
    """All that is known of a build from what it has said."""

    tasks: Count = field(default_factory=Count)
    shared: Count = field(default_factory=Count)
    phase: str = "Fetching the layers"
    current: Name | None = None
    failed: list[Name] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def take(self, event: Event, now: float) -> None:
        match event:
            case Started(name, number, total, shared):
                self.current = name
                (self.shared if shared else self.tasks).move(number, total, now)
            case Failed(name) if name not in self.failed:
                self.failed.append(name)
            case Logged(path):
                self.logs.append(path)
            case Phase(text):
                self.phase = NEXT.get(text, self.phase)
            case Complaint(text):
                self.complaints.append(text)

    @property
    def count(self) -> Count:
        """What the bar shows: what is taken from shared state only until something is built."""
        return self.tasks if self.tasks.total else self.shared

    @property
    def doing(self) -> str:
        if not self.count.total:
            return self.phase
        return "Building" if self.tasks.total else "Taking what is built already"

    def log_of(self, name: Name) -> str | None:
        """The log of a task that failed. Its path holds the recipe's name, and its own name the step."""
        fitting = [path for path in self.logs if f"log.{name.step}." in f"{path}."]
        own = [path for path in fitting if name.recipe in PurePosixPath(path).parts]
        return next(iter(own or fitting), None)


def about(seconds: float | None) -> str:
    """A time that is only estimated, no finer than it deserves."""
    if seconds is None:
        return ""
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours:
        return f"about {hours} h {minutes:02} min left"
    return f"about {minutes} min left" if minutes else "less than a minute left"


class Bar:
    """What a terminal shows of a build."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.row = progress.add_task("", total=None, left="", now="")

    def update(self, state: State) -> None:
        count = state.count
        self.progress.update(
            self.row,
            description=state.doing,
            completed=count.number,
            total=count.total or None,
            left=about(count.left(time.monotonic())),
            now=str(state.current or "")[: max(console.width - BESIDE, 10)],
        )


class Lines:
    """What a log file gets of a build: a line at each new phase and at each twentieth of the way."""

    def __init__(self) -> None:
        self.told: tuple[str, int] | None = None

    def update(self, state: State) -> None:
        count = state.count
        mark = (state.doing, count.number * 20 // count.total if count.total else 0)
        if mark == self.told:
            return
        self.told = mark
        far = f": task {count.number} of {count.total}, {state.current}" if count.total else ""
        left = about(count.left(time.monotonic()))
        say(f"{state.doing}{far}{left and ', '}{left}")


@contextmanager
def shown() -> Iterator[Bar | Lines]:
    if not console.is_terminal:
        yield Lines()
        return
    texts = ("description", "fields[left]", "fields[now]")
    what, left, now = (TextColumn(f"{{task.{text}}}", markup=False) for text in texts)
    with Progress(what, BarColumn(), MofNCompleteColumn(), left, now, console=console) as progress:
        yield Bar(progress)
