# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Who makes the cells: this process, several of this machine, or those of a cluster (cluster.py).

A crew is given jobs and what makes one, and yields each with what came of it, in the order in which they are done.
Whoever reads on no further ends it: what is being made is lost, what was yielded is not.
"""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

from whisper158.console import console
from whisper158.lab.job import Job

Made = tuple[Job, dict[str, Any]]
Make = Callable[[Job], dict[str, Any]]
Crew = Callable[[Sequence[Job], Make], Generator[Made]]


def alone(jobs: Sequence[Job], make: Make) -> Generator[Made]:
    for job in jobs:
        with console.status(str(job)):
            made = make(job)
        yield job, made


def processes(count: int) -> Crew:
    """As many processes of this machine; `make` must be something that can be sent to them."""

    def crew(jobs: Sequence[Job], make: Make) -> Generator[Made]:
        # Forked processes would share PyTorch's threads, which do not survive that.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(count, len(jobs) or 1), context, initializer=end_quietly) as pool:
            waiting: dict[Future[dict[str, Any]], Job] = {pool.submit(make, job): job for job in jobs}
            try:
                while waiting:
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield waiting.pop(future), future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    return crew


def end_quietly() -> None:
    """An interrupt ends this process at once and without a word; what is written whole stays."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
