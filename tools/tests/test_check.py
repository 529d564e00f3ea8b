# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import pytest

from whisper158.check import Stage, run_stages
from whisper158.errors import die


def fail() -> None:
    die("something is wrong")


def nothing() -> None:
    pass


def test_a_failed_stage_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []
    stages = [Stage("first", fail), Stage("second", lambda: ran.append("second"))]
    assert not run_stages(stages)
    assert ran == ["second"]
    captured = capsys.readouterr()
    *_, first, second, count = captured.out.splitlines()
    assert first.split()[:2] == ["FAILED", "first"]
    assert second.split()[:2] == ["ok", "second"]
    assert count == "1 passed, 1 failed"
    assert "something is wrong" in captured.err


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stages([Stage("one", nothing), Stage("two", nothing)])
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 0 failed"


def test_a_bug_is_not_taken_for_a_finding() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_stages([Stage("broken", bug)])
