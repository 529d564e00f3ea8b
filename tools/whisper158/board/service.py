# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""whisper158d on a machine, as systemd and its own socket show it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from whisper158.board.target import Failed, Stream, Target
from whisper158.build import layer
from whisper158.evaluate.sounds import Clip

UNIT = "whisper158d.service"
# Settings that hold until the next boot.
DROP_INS = f"/run/systemd/system/{UNIT}.d"
# States of the input in which it is read (docs/daemon.md).
HEARING = frozenset(("open", "silent", "clipped", "quiet", "fine"))
LOOK = 1.0
# RestartSec is five seconds, and systemctl is no light program for an emulated processor.
LOOK_RESTARTED = 3.0

Event = dict[str, Any]


@dataclass
class Events:
    """What the daemon says to a subscriber."""

    stream: Stream

    def next(self, deadline: float) -> Event | None:
        """None: the daemon has gone. What is no event (a complaint of the listener) is passed over."""
        while (line := self.stream.next(deadline)) is not None:
            if line.startswith("{"):
                event: Event = json.loads(line)
                return event
        return None

    def until(self, kind: str, seconds: float) -> list[Event]:
        """All events up to the next one of that kind."""
        deadline = time.monotonic() + seconds
        events = []
        while (event := self.next(deadline)) is not None:
            events.append(event)
            if event["event"] == kind:
                return events
        raise Failed(f"the daemon has gone before it said {kind!r}", "\n".join(map(str, events)) or None)


@dataclass(frozen=True)
class Service:
    target: Target

    # ---- systemd's view

    def show(self, *properties: str) -> dict[str, str]:
        text = self.target.check(f"systemctl show {UNIT} -p {','.join(properties)}")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def pid(self) -> int:
        return int(self.show("MainPID")["MainPID"])

    def restarts(self) -> int:
        return int(self.show("NRestarts")["NRestarts"])

    def wait_restarted(self, earlier: int, seconds: float | None = None) -> None:
        """Until systemd itself has started it again, since `restarts` was `earlier`."""
        patience = seconds if seconds is not None else self.target.machine.budget.listening
        deadline = time.monotonic() + patience
        while self.restarts() <= earlier:
            if time.monotonic() > deadline:
                raise Failed(f"systemd did not start {UNIT} again within {patience:.0f} s", self.journal(20))
            time.sleep(LOOK_RESTARTED)

    def journal(self, lines: int = 1000) -> str:
        return self.target.check(f"journalctl -u {UNIT} -o cat --no-pager -n {lines}")

    def journal_since(self, cursor: str) -> str:
        """What systemd says of it and what it says itself, since cursor()."""
        return self.target.check(f"journalctl -u {UNIT} -o cat --no-pager --after-cursor='{cursor}'")

    def cursor(self) -> str:
        text = self.target.check("journalctl -n 0 --show-cursor --no-pager")
        return text.rpartition("-- cursor: ")[2].strip()

    def configure(self, name: str, text: str) -> None:
        """Restarts it with these lines in its [Service], or with no text, without those that had that name."""
        path = f"{DROP_INS}/{name}.conf"
        self.target.check(f"mkdir -p {DROP_INS}")
        self.target.put(f"[Service]\n{text}\n".encode(), path)
        self.target.check("systemctl daemon-reload", self.target.machine.budget.listening)
        self.restart()
        self.wait_listening()

    def options(self) -> str:
        """What somebody wrote into the file of options."""
        return self.target.check(f'. {layer.INSTALLED_CONFIGURATION}; printf %s "$WHISPER158D_OPTIONS"')

    def restart(self) -> None:
        """Returns when it is ready, whether it hears or not."""
        self.target.check(
            f"systemctl reset-failed {UNIT}; systemctl restart {UNIT}", self.target.machine.budget.listening
        )

    def wait_settled(self) -> None:
        """Until systemd has nothing left to do: who installs packages does not wait for it."""
        deadline = time.monotonic() + self.target.machine.budget.listening
        while jobs := self.target.check("systemctl list-jobs --no-legend --no-pager"):
            if time.monotonic() > deadline:
                raise Failed("systemd does not come to rest", jobs)
            time.sleep(LOOK)

    def memory_mib(self) -> float:
        """The most it ever had in memory, pages of the model included."""
        text = self.target.check(f"grep VmHWM /proc/{self.pid()}/status")
        return int(text.split()[1]) / 1024

    # ---- its own view

    @contextmanager
    def events(self) -> Iterator[Events]:
        stream = self.target.stream("whisper158 listen --json")
        try:
            yield Events(stream)
        finally:
            stream.close()

    def hear(self, clip: Clip) -> Iterator[Event]:
        """Has `clip` said; what is heard from then on, utterance by utterance."""
        with self.events() as events:
            events.until("hello", self.target.machine.budget.command)
            self.target.say(clip)
            while True:
                yield events.until("final", self.target.machine.budget.words)[-1]

    def stats(self) -> Event:
        stats: Event = json.loads(self.target.check("whisper158 stats --json"))
        return stats

    def wait_listening(self, seconds: float | None = None) -> Event:
        """Until it hears, or waits for a microphone where nobody can give it one; returns how it greeted us.

        Whoever asks at the socket has systemd start what is stopped.
        """
        good = HEARING if "feed_microphone" in self.target.can else HEARING | {"waiting"}
        deadline = time.monotonic() + (seconds or self.target.machine.budget.listening)
        last: Event | None = None
        while time.monotonic() < deadline:
            try:
                with self.events() as events:
                    hello = None
                    while (last := events.next(deadline)) is not None:
                        hello = hello or last
                        if last["event"] == "state" and last["state"] in good:
                            return hello
            except TimeoutError:
                break
            time.sleep(LOOK)
        raise Failed(f"{UNIT} does not listen; the last it said: {last}", self.journal(20))
