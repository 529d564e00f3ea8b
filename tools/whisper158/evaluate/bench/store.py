# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What has been measured so far, a line for each process, so that an interrupted run goes on where it stopped."""

import json
from pathlib import Path
from typing import Any

from whisper158 import whole
from whisper158.errors import die

FILE = "rounds.jsonl"


class Store:
    """Results by contestant and round, in a file of the folder `out`.

    The first line is the setting that they were taken with. Results of another setting cannot be added to.
    """

    def __init__(self, out: Path, setting: dict[str, Any], fresh: bool) -> None:
        self._path = out / FILE
        self._done: dict[tuple[str, int], dict[str, Any]] = {}
        out.mkdir(parents=True, exist_ok=True)
        if fresh or not self._path.exists():
            self._path.write_text(json.dumps(setting) + "\n")
        else:
            self._take_up(setting)

    def _take_up(self, setting: dict[str, Any]) -> None:
        hint = "./inv bench --fresh drops it; --out keeps the new results elsewhere"
        try:
            text = self._path.read_text()
            # A line without an end was cut off together with the process that wrote it.
            complete = text[: text.rfind("\n") + 1]
            first, *lines = map(json.loads, complete.splitlines())
            before = dict(first)
            self._done = {(line["contestant"], line["round"]): line for line in lines}
        except (ValueError, KeyError, TypeError):
            die(f"{self._path} is damaged", hint)
        if changed := [key for key in {**before, **setting} if before.get(key) != setting.get(key)]:
            die(f"{self._path} was measured with another {' and another '.join(changed)}", hint)
        if complete != text:
            whole.write(self._path, complete)

    def get(self, contestant: str, round: int) -> dict[str, Any] | None:
        return self._done.get((contestant, round))

    def add(self, contestant: str, round: int, **result: Any) -> None:
        line = {"contestant": contestant, "round": round, **result}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._done[contestant, round] = line
