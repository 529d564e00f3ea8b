# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import re

import pytest
from rich.console import Console

from whisper158 import console


@pytest.mark.parametrize("count", [0, 1, 7, 20, 1000])
def test_without_a_terminal_progress_is_a_line_now_and_then(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(console.track(range(count), "Counting")) == list(range(count))
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == min(19, max(0, count - 1))
    assert all(re.fullmatch(rf"Counting: \d+ of {count} after \d\.\d s", line) for line in err.splitlines())


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Console(stderr=True, force_terminal=True, force_interactive=True, width=80)
    monkeypatch.setattr(console, "console", terminal)
    assert list(console.track("abc", "Counting")) == ["a", "b", "c"]
    out, err = capfd.readouterr()
    assert out == "" and "\x1b[" in err and "3/3" in err
