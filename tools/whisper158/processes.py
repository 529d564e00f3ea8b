# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Processes of Python's that work for this one, and how they end: with it, and when Ctrl-C is for all of them.

A terminal sends Ctrl-C to each process. This one answers; the others end at once and without a word. But until one has
imported what it needs, it would answer with a traceback, so each is started with the signal held back, and lets it
through itself.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker

from whisper158.errors import die
from whisper158.run import end_with_us


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """So many of them. Whatever ends the block otherwise than at its end, ends them, in the middle of their work.
    UserError if somebody else ends one."""
    # Forked ones would share PyTorch's threads, which do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        try:
            yield pool
        except BaseException as error:
            for process in multiprocessing.active_children():
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                die("a process that did a part of the work was killed", "was there memory enough? Fewer take less")
            raise


@contextmanager
def starting() -> Iterator[None]:
    """To give a pool its first work in, which starts its processes."""
    # It starts itself with the first process otherwise, and lets through what is held back.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int) -> None:
    """An interrupt ends this process from now on, and so does its parent's end, however that came. What is written
    whole stays."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_us()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGINT)
