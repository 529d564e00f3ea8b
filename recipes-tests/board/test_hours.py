# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""For as long as --soak says: is everything heard, and does the daemon keep what it need not?"""

import random
import time
from collections.abc import Callable

import pytest

from whisper158.board.service import Events, Service
from whisper158.board.target import Target
from whisper158.console import duration, say
from whisper158.daemon.soak import GROWTH, LONGEST, PAUSES, SHORTEST, growth
from whisper158.evaluate.sounds import sounds
from whisper158.evaluate.wer import word_error_rate

Record = Callable[[str, object], None]

TOLD = 60.0  # seconds


@pytest.mark.soak
@pytest.mark.needs("feed_microphone")
def test_hears_for_hours(
    target: Target,
    service: Service,
    pytestconfig: pytest.Config,
    record_property: Record,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Sentence after sentence, with pauses: none is missed, it is never restarted, and its memory does not grow."""
    chance = random.Random(158)
    longest = min(LONGEST, target.machine.budget.sentence)
    clips = [clip for clip in sounds() if SHORTEST <= clip.seconds <= longest]
    said, heard, missed = list[str](), list[str](), list[str]()
    memory = list[tuple[float, int]]()
    pid, clock = service.pid(), guest_seconds(target)
    began = told = time.monotonic()
    with service.events() as events:
        events.until("hello", target.machine.budget.command)
        while (now := time.monotonic()) - began < 60 * pytestconfig.getoption("--soak"):
            clip = chance.choice(clips)
            target.say(clip)
            try:
                heard.append(answer(events, target.machine.budget.words))
                said.append(clip.text)
            except TimeoutError:
                missed.append(clip.id)
            memory.append((now - began, own_memory(target, pid)))
            if now - told > TOLD:
                told = now
                counts = f"{len(said)} heard, {len(missed)} missed, {memory[-1][1] / 1e6:.1f} MB"
                with capsys.disabled():
                    say(f"{duration(now - began)}: {counts}")
            time.sleep(chance.uniform(*PAUSES))
    sizes = [size for _, size in memory]
    record_property("sentences", f"{len(said) + len(missed)}, of which {len(missed)} were missed")
    record_property("its own clock", duration(guest_seconds(target) - clock))
    record_property("words wrong", word_error_rate(said, heard))
    record_property("memory of its own", f"{min(sizes) / 1e6:.1f} to {max(sizes) / 1e6:.1f} MB")
    assert not missed
    assert service.pid() == pid and service.restarts() == 0
    assert growth(memory) <= GROWTH


def guest_seconds(target: Target) -> int:
    """Emulated machines have a clock that goes as fast as they do."""
    return int(target.check("date +%s"))


def answer(events: Events, seconds: float) -> str:
    """The next text with words in it. A real room has its noises, in which there are none."""
    deadline = time.monotonic() + seconds
    while (event := events.next(deadline)) is not None:
        assert event["event"] not in ("dropped", "error"), event
        if event["event"] == "final" and event["text"].strip():
            return str(event["text"])
    raise AssertionError("the daemon has gone")


def own_memory(target: Target, pid: int) -> int:
    """Bytes that are in memory and no file's."""
    return 1024 * int(target.check(f"grep RssAnon /proc/{pid}/status").split()[1])
