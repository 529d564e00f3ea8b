# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Help texts: the same as the copies in data/help, which `./inv help-texts` writes, and complete."""

import re

import pytest

from whisper158 import helptexts


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return helptexts.now()


@pytest.mark.parametrize("name", ["inv.txt", "whisper158.txt", "whisper158d.txt"])
def test_help_is_what_was_last_agreed_on(texts: dict[str, str], name: str) -> None:
    assert texts[name] == (helptexts.FOLDER / name).read_text(), "meant to change? ./inv help-texts"


def test_every_verb_and_every_flag_is_explained(texts: dict[str, str]) -> None:
    for text in re.split(r"^\$ ", texts["inv.txt"], flags=re.MULTILINE)[1:]:
        docstring = re.search(r"^Docstring:\n  (.*)$", text, re.MULTILINE)
        assert docstring and docstring[1][0].isupper() and docstring[1] != "none", text
        flags = re.findall(r"^  (-\S.*)(?:\n {10,}(\S.*))?", text.partition("Options:\n")[2], re.MULTILINE)
        assert all("   " in head.strip() or more for head, more in flags), text


def test_programs_fit_a_terminal(texts: dict[str, str]) -> None:
    lines = [line for name in ("whisper158.txt", "whisper158d.txt") for line in texts[name].splitlines()]
    assert len(lines) > 200 and max(map(len, lines)) <= 80
