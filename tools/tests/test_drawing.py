# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Pictures come whole or not at all."""

from pathlib import Path
from typing import Any

import pytest

from whisper158.evaluate import drawing


class Figure:
    """Writes something, and then may fail."""

    def __init__(self, fails: bool) -> None:
        self._fails = fails

    def savefig(self, path: Path, **_: Any) -> None:
        path.write_text("half")
        if self._fails:
            raise KeyboardInterrupt


def test_what_was_there_stays_until_a_picture_is_whole(tmp_path: Path) -> None:
    stem = tmp_path / "accuracy"
    before = {path: path.read_text() for path in drawing.save(Figure(fails=False), stem)}
    assert [path.name for path in before] == ["accuracy.svg", "accuracy.png"]
    for path in before:
        path.write_text("whole")
    with pytest.raises(KeyboardInterrupt):
        drawing.save(Figure(fails=True), stem)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {path.name: "whole" for path in before}
