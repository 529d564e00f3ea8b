# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import pytest

from whisper158.daemon import soak
from whisper158.daemon.soak import Final, Spoken, Watch
from whisper158.errors import UserError

SPOKEN = [Spoken("one", 1, 3), Spoken("two", 5, 8), Spoken("three", 10, 12)]
FINALS = [Final(0.8, 3.1, " One."), Final(5.2, 6, "Two"), Final(6.5, 8, "and more."), Final(10, 12, "Three.")]


def steady(size: int = 50 << 20) -> list[tuple[float, int]]:
    return [(10.0 * i, size + (i % 3) * 4096) for i in range(40)]


def test_what_was_heard_is_not_missed() -> None:
    assert soak.judge(SPOKEN, Watch(steady(), FINALS)) == []


@pytest.mark.parametrize("finals", [FINALS[:3], [*FINALS[:3], Final(10, 12, " ")], [*FINALS[:3], Final(12.5, 13, "!")]])
def test_a_sentence_without_a_text_in_its_time_is_missed(finals: list[Final]) -> None:
    assert soak.judge(SPOKEN, Watch(steady(), finals)) == ["1 of 3 sentences were missed: three"]


def test_memory_may_grow_while_it_gets_warm_and_not_later() -> None:
    early = [(10.0 * i, (50 if i >= 8 else 20) << 20) for i in range(40)]
    assert soak.judge(SPOKEN, Watch(early, FINALS)) == []
    late = [(10.0 * i, (50 << 20) + i * 300_000) for i in range(40)]
    (fault,) = soak.judge(SPOKEN, Watch(late, FINALS))
    assert fault.startswith("its memory grew by")


def test_lost_audio_and_silence_are_faults() -> None:
    assert soak.judge(SPOKEN, Watch(steady(), FINALS, ["the queue is full"])) == [
        "1 times audio was lost: the queue is full"
    ]
    assert soak.judge([], Watch()) == ["nothing was heard"]


@pytest.mark.parametrize("minutes", ["0", "-1", "x", "", "nan", "10081"])
def test_minutes_are_a_number(minutes: str) -> None:
    with pytest.raises(UserError, match="--minutes"):
        soak.soak(minutes, "tiny.en-q8")


@pytest.mark.network
def test_a_daemon_hears_for_a_while(capfd: pytest.CaptureFixture[str]) -> None:
    """So short that only the detector's and the model's plain errors show."""
    soak.soak("0.1", "tiny.en-q8")
    assert "0 sentences missed" in capfd.readouterr().err
