# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The page that a run of the tests on a machine leaves behind."""

import html.parser
from pathlib import Path

from whisper158.board import report
from whisper158.board.report import Entry, Exchange


class Text(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.seen += data


def test_whatever_a_machine_says_is_text() -> None:
    """Nothing of it becomes part of the page, and every element is closed."""
    evil = "<script>alert('&amp;')</script>\x1b[31m\x00"
    entry = Entry("name" + evil, evil, "failed", 1.5, evil, {evil: evil}, [Exchange(0, 1, evil, 1, evil)], evil)
    parser = Text()
    parser.feed(report.page({"machine": evil}, [entry]))
    assert parser.open == []
    shown = evil.replace("\x1b", "\N{REPLACEMENT CHARACTER}").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    assert parser.seen.count(shown) >= 8


def test_the_page_counts_and_opens_what_failed() -> None:
    page = report.page({"machine": "m"}, [Entry("a"), Entry("b", outcome="failed"), Entry("c", outcome="skipped")])
    assert "<h1>whisper158 on m: 1 failed, 1 passed, 1 skipped</h1>" in page
    assert page.count("<details open>") == 1
    assert "<a" not in page and "src=" not in page


def test_long_outputs_keep_their_ends() -> None:
    page = report.exchange(Exchange(0, 1, "command", 0, "begin" + "x" * report.LONGEST + "end"))
    assert "begin" not in page and "end</pre>" in page


def test_only_the_last_runs_are_kept(tmp_path: Path) -> None:
    for number in range(report.KEPT + 3):
        (tmp_path / f"2026-01-{number + 1:02}").mkdir()
    (tmp_path / "notes").mkdir()
    newest = report.new_folder(tmp_path)
    runs = sorted(path.name for path in tmp_path.glob("20*"))
    assert len(runs) == report.KEPT and runs[-1] == newest.name and (tmp_path / "notes").exists()
