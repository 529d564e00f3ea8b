# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Processes that work for another, when work and when they themselves come to an end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.alive import ends
from whisper158.errors import UserError
from whisper158.processes import processes, starting

# Says when it can be interrupted, and what its processes are.
PROGRAM = """
import multiprocessing, sys, time
from whisper158.processes import processes, starting
try:
    print("begun", flush=True)
    with processes(2) as pool:
        with starting():
            parts = [pool.submit(time.sleep, 600) for _ in range(2)]
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
        for part in parts:
            part.result()
except KeyboardInterrupt:
    sys.exit(130)
"""


def program() -> "subprocess.Popen[str]":
    # A shell's background job is deaf to it, and so would be all that it starts.
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_work_is_shared() -> None:
    with processes(2) as pool:
        with starting():
            parts = [pool.submit(divmod, n, 3) for n in range(5)]
        assert [part.result() for part in parts] == [divmod(n, 3) for n in range(5)]


def test_a_mistake_of_one_ends_all() -> None:
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError), processes(2) as pool:
        with starting():
            pool.submit(time.sleep, 600)
            wrong = pool.submit(divmod, 1, 0)
        wrong.result()
    assert time.monotonic() - began < 60


def test_one_that_is_killed_is_told_of() -> None:
    with pytest.raises(UserError, match="was killed"), processes(2) as pool:
        with starting():
            pool.submit(time.sleep, 600)
            dead = pool.submit(os._exit, 9)
        dead.result()


@pytest.mark.parametrize("delay", [0, 0.03, 0.1, 0.3, 1.0])
def test_an_interrupt_of_all_ends_all_without_a_word(delay: float) -> None:
    with program() as running:
        assert running.stdout
        assert running.stdout.readline() == "begun\n"
        time.sleep(delay)
        os.killpg(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (130, "")


def test_an_interrupt_of_one_ends_the_others() -> None:
    with program() as running:
        assert running.stdout
        assert running.stdout.readline() == "begun\n"
        children = [int(pid) for pid in running.stdout.readline().split()]
        assert len(children) == 2
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (130, "")
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_they_end_with_whom_they_work_for(number: int) -> None:
    with program() as running:
        assert running.stdout
        assert running.stdout.readline() == "begun\n"
        children = [int(word) for word in running.stdout.readline().split()]
        running.send_signal(number)
        assert running.wait() == -number
    assert all(ends(child) for child in children)
