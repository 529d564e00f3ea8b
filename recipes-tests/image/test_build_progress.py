# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What BitBake says, and what is made of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper158.build.failure import LAST_LINES, WIDTH, failed, interrupted
from whisper158.build.kas import Folders
from whisper158.build.progress import (
    KNOWN_TASKS,
    Complaint,
    Count,
    Failed,
    Logged,
    Name,
    Phase,
    Started,
    State,
    about,
    parse,
    plain,
)

STAMP = "2026-11-22 14:36:25 - INFO     - "
STEPS = st.from_regex(r"do_[a-z_]{1,20}", fullmatch=True)
NAMES = st.from_regex(r"[a-z][a-z0-9+.-]{0,30}", fullmatch=True)


@pytest.mark.parametrize("stamp", ["", STAMP, "\x1b[0m" + STAMP])
@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            "NOTE: Running task 123 of 4567 (/w/poky/meta/recipes-core/zlib/zlib_1.3.1.bb:do_compile)",
            Started(Name("zlib", "do_compile"), 123, 4567, False),
        ),
        (
            "NOTE: Running setscene task 1 of 9 (virtual:native:/w/zlib_1.3.1.bb:do_populate_sysroot)",
            Started(Name("zlib-native", "do_populate_sysroot"), 1, 9, True),
        ),
        (
            "NOTE: Running noexec task 5 of 9 (mc:initramfscfg:virtual:nativesdk:/w/zlib_1.3.1.bb:do_build)",
            Started(Name("nativesdk-zlib", "do_build"), 5, 9, False),
        ),
        ("ERROR: Task (/w/linux_6.12.bb:do_build) failed with exit code '1'", Failed(Name("linux", "do_build"))),
        ("ERROR: Logfile of failure stored in: /w/temp/log.do_compile.42", Logged("/w/temp/log.do_compile.42")),
        ("ERROR: Nothing PROVIDES 'x'", Complaint("Nothing PROVIDES 'x'")),
        ("fatal: repository not found", Complaint("fatal: repository not found")),
        ("Parsing recipes...done.", Phase("Parsing recipes")),
        ("NOTE: recipe zlib-1.3.1-r0: task do_compile: Started", None),
        ("| NOTE: Running task 1 of 2 (/w/zlib_1.3.1.bb:do_fetch)", None),
        ("", None),
    ],
)
def test_lines(stamp: str, line: str, event: object) -> None:
    assert parse(f"{stamp}{line}\n") == event


def test_a_complaint_of_kas_itself() -> None:
    assert parse("2026-11-22 14:36:25 - ERROR    - fetch repos failed: error code 128\n") == Complaint(
        "fetch repos failed: error code 128"
    )


@given(st.text())
def test_any_text_is_something_or_nothing(line: str) -> None:
    event = parse(line)
    state = State()
    if event is not None:
        state.take(event, 1.0)
    assert "\n" not in plain(line) or "\n" in line.rstrip("\n")


@given(NAMES, STEPS, st.integers(1, 10**6), st.integers(1, 10**6), st.booleans())
def test_whatever_is_said_of_a_task_is_heard(recipe: str, step: str, number: int, total: int, shared: bool) -> None:
    kind = "setscene " if shared else ""
    line = f"NOTE: Running {kind}task {number} of {total} (/layers/a b/{recipe}_1.0+git.bb:{step})"
    assert parse(STAMP + line) == Started(Name(recipe.removesuffix(".bb"), step), number, total, shared)


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5000), st.floats(0, 1e5)), max_size=30))
def test_numbers_never_fall_and_time_left_is_never_negative(moves: list[tuple[int, int, float]]) -> None:
    count, now, last = Count(), 0.0, 0
    for number, total, seconds in moves:
        now += seconds
        count.move(number, total, now)
        assert count.number >= last
        last = count.number
        left = count.left(now)
        assert left is None or left >= 0


def test_time_left_is_said_when_enough_is_known() -> None:
    count = Count()
    count.move(1000, 2000, 0)
    count.move(1000 + KNOWN_TASKS - 1, 2000, 1000)
    assert count.left(1000) is None
    # A resumed build: what was there before took no time, and must not make the rest look quick.
    count.move(1500, 2000, 3000)
    assert count.left(3000) == pytest.approx(3000)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (20, "less than a minute left"), (600, "about 10 min left"), (7500, "about 2 h 05 min left")],
)
def test_about(seconds: float | None, said: str) -> None:
    assert about(seconds) == said


def fed(*lines: str) -> State:
    state = State()
    for line in lines:
        if event := parse(line):
            state.take(event, 0.0)
    return state


def folders(path: Path) -> Folders:
    return Folders(path, path / "build", path / "downloads", path / "sstate")


def test_each_failed_task_has_its_own_log(tmp_path: Path) -> None:
    state = fed(
        "ERROR: Logfile of failure stored in: /w/work/a53/zlib/1.3/temp/log.do_compile.1",
        "ERROR: Logfile of failure stored in: /w/work/a53/bzip2/1.0/temp/log.do_compile.2",
        "ERROR: Task (/l/bzip2_1.0.bb:do_compile) failed with exit code '1'",
        "ERROR: Task (/l/zlib_1.3.bb:do_compile) failed with exit code '1'",
        # kas says what went to stderr once more.
        "ERROR: Task (/l/bzip2_1.0.bb:do_compile) failed with exit code '1'",
    )
    assert state.failed == [Name("bzip2", "do_compile"), Name("zlib", "do_compile")]
    assert state.log_of(state.failed[0]) == "/w/work/a53/bzip2/1.0/temp/log.do_compile.2"
    assert state.log_of(Name("gone", "do_fetch")) is None


def test_the_end_of_a_log_from_a_container(tmp_path: Path) -> None:
    """BitBake saw it below /build; it is told of where it is here, cut to what a person reads."""
    where = folders(tmp_path)
    log = where.build / "work" / "zlib" / "1.3" / "temp" / "log.do_compile.1"
    log.parent.mkdir(parents=True)
    steps = ["DEBUG: Executing python function do_compile"] * 30
    said = ["first", *["x" * 5000] * 100, "No space left on device", "", "\x1b[31mlast\x1b[0m", *steps]
    log.write_text("\n".join(said))
    state = fed(
        "ERROR: Logfile of failure stored in: /build/work/zlib/1.3/temp/log.do_compile.1",
        "ERROR: Task (/l/zlib_1.3.bb:do_compile) failed with exit code '1'",
    )
    error = failed(state, where, where.work / "all.log", 1)
    text = str(error)
    assert error.message == "zlib: do_compile failed"
    assert str(log) in text
    assert "last\n" in text and "first" not in text and "DEBUG" not in text and "\x1b" not in text
    assert "Make room on the disk" in text
    assert len(text.splitlines()) <= LAST_LINES + 6
    assert max(map(len, text.splitlines())) <= WIDTH + 10


def test_a_log_that_is_gone(tmp_path: Path) -> None:
    state = fed("ERROR: Task (/l/zlib_1.3.bb:do_compile) failed with exit code '1'")
    error = failed(state, folders(tmp_path), tmp_path / "all.log", 1)
    assert error.message == "zlib: do_compile failed"
    assert str(tmp_path / "all.log") in str(error)


def test_no_reason_at_all(tmp_path: Path) -> None:
    assert "status 7" in str(failed(State(), folders(tmp_path), tmp_path / "all.log", 7))


def test_interrupted_before_and_in_the_middle() -> None:
    assert interrupted(State()).message == "interrupted"
    state = fed("NOTE: Running task 7 of 9 (/w/zlib_1.3.1.bb:do_fetch)")
    assert interrupted(state).message == "interrupted after task 7 of 9"
    assert interrupted(state).status == 130
