# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The picture of a terminal, in general and in the README."""

import re
from xml.etree import ElementTree

from whisper158 import picture
from whisper158.board import demo
from whisper158.paths import ROOT

TEXT = "{http://www.w3.org/2000/svg}text"


def lines(svg: str) -> list[str]:
    """The text in a picture, without its title, line by line."""
    found: dict[float, str] = {}
    for text in ElementTree.fromstring(svg).iter(TEXT):
        if text.get("clip-path"):
            y = float(text.get("y", ""))
            found[y] = found.get(y, "") + (text.text or "").replace("\xa0", " ")
    return [found[y].rstrip() for y in sorted(found)]


def test_what_was_written_is_drawn() -> None:
    drawn = picture.draw("./inv x", 'one <two> & "three"\n\n\tfour \x1b[1mfive\x1b[0m\n\n')
    assert lines(drawn) == ["$ ./inv x", 'one <two> & "three"', "", "        four five"]
    assert picture.draw("./inv x", "") == picture.draw("./inv x", "\n")


def test_the_readmes_fetches_nothing_and_shows_the_demo_as_it_is() -> None:
    path = ROOT / "docs" / "images" / "demo.svg"
    svg = path.read_text()
    assert set(re.findall(r"\w+://[^\s\"')]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert path.stat().st_size < 60_000
    shown = lines(svg)
    assert shown[0] == "$ ./inv demo"
    assert picture.draw("./inv demo", "\n".join(shown[1:])) == svg
    assert [line for line in demo.NEXT.splitlines() if line] == shown[-5:]
