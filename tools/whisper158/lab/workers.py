# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Who makes the cells: this process, several of this machine, or those of a cluster (cluster.py).

A crew is given jobs and what makes one, and yields each with what came of it, in the order in which they are done.
Whoever reads on no further ends it: what is being made is lost, what was yielded is not.
"""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from whisper158 import processes as shared
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
        with shared.processes(min(count, len(jobs) or 1)) as pool:
            with shared.starting():
                waiting: dict[Future[dict[str, Any]], Job] = {pool.submit(make, job): job for job in jobs}
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()

    return crew
