# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Speaking into a file that somebody else reads: where to write, how to tell that it was heard, and nothing twice."""

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from whisper158.board import microphone
from whisper158.board.microphone import AHEAD, CHANNELS, FRAME, Microphone, MicrophoneError, Samples
from whisper158.data.audio import SAMPLE_RATE, Floats


@given(hnp.arrays(np.int16, st.integers(0, 300)))
def test_samples_arrive_bit_by_bit_on_both_channels(samples: Samples) -> None:
    sound: Floats = (samples / 32768).astype(np.float32)
    arrived = np.frombuffer(microphone.frames(sound), "<i2").reshape(-1, CHANNELS)
    assert (arrived == samples[:, None]).all()


def test_what_is_too_loud_is_clipped() -> None:
    arrived = np.frombuffer(microphone.frames(np.array([1.0, 2.0, -1.0, -2.0], np.float32)), "<i2")
    assert arrived.tolist() == [32767] * 4 + [-32768] * 4


@given(st.integers(0, microphone.DAY))
def test_what_is_said_begins_at_a_frame_and_ahead_of_the_reader(read: int) -> None:
    begin = microphone.starting_point(read)
    assert begin % FRAME == 0
    assert 0 <= read + AHEAD * SAMPLE_RATE * FRAME - begin < FRAME


@given(st.integers(0, 1 << 62))
def test_the_position_is_read_as_the_kernel_writes_it(position: int) -> None:
    assert microphone.read_position(f"pos:\t{position}\nflags:\t0100000\nmnt_id:\t29\nino:\t12\n") == position


@given(st.text(st.characters(codec="utf-8")))
def test_other_text_is_no_position(text: str) -> None:
    found = microphone.read_position(text)
    assert found is None or found >= 0


class Reader:
    """Reads the microphone's file as QEMU does, a hundred times as fast as time goes."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        self.heard = b""
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.stop.wait(0.001):
            self.heard += os.read(self.descriptor, FRAME * SAMPLE_RATE // 10)


@contextmanager
def reading(path: Path, start: bool = True) -> Iterator[Reader]:
    reader = Reader(path)
    if start:
        reader.thread.start()
    try:
        yield reader
    finally:
        reader.stop.set()
        if start:
            reader.thread.join()
        os.close(reader.descriptor)


@pytest.fixture
def sound() -> Floats:
    chance = np.random.default_rng(158)
    return (chance.integers(1, 32767, 4000) / 32768).astype(np.float32)


def test_what_is_said_is_heard_once_and_then_forgotten(
    tmp_path: Path, sound: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This reader takes in a minute in less than a second.
    monkeypatch.setattr(microphone, "AHEAD", 60.0)
    device = Microphone(tmp_path)
    with reading(device.file) as reader:
        device.say(os.getpid(), sound)
        device.say(os.getpid(), sound)
    heard = np.frombuffer(reader.heard, "<i2").reshape(-1, CHANNELS)
    assert (heard[heard[:, 0] != 0, 0] == np.tile(np.rint(sound * 32768), 2)).all()
    with device.file.open("rb") as file:
        assert not any(file.read(len(reader.heard)))
    assert device.file.stat().st_blocks * 512 < 1 << 20


def test_nobody_records(tmp_path: Path, sound: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "STALLED", 0.1)
    device = Microphone(tmp_path)
    with pytest.raises(MicrophoneError, match="nobody records from the emulated microphone"):
        device.say(os.getpid(), sound)
    with reading(device.file, start=False), pytest.raises(MicrophoneError, match="any more"):
        device.say(os.getpid(), sound)


def test_a_card_that_is_opened_anew_has_not_heard_it(
    tmp_path: Path, sound: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Microphone(tmp_path)
    look, looks = device.position, itertools.count(1)
    with reading(device.file, start=False) as reader:
        os.lseek(reader.descriptor, 4000, os.SEEK_SET)

        def position(pid: int) -> int | None:
            if next(looks) == 4:
                os.lseek(reader.descriptor, 0, os.SEEK_SET)
            return look(pid)

        monkeypatch.setattr(device, "position", position)
        with pytest.raises(MicrophoneError, match="closed and opened again"):
            device.say(os.getpid(), sound)


def test_a_process_that_is_gone_has_no_position(tmp_path: Path) -> None:
    device = Microphone(tmp_path)
    assert device.position(os.getpid()) is None
    assert device.position(1 << 30) is None
