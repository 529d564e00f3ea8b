# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv build-image`: from a machine's name to an image, by kas or, for the emulator, without."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from whisper158 import flags, needs
from whisper158.build import failure, kas, preflight, report
from whisper158.build.drive import drive
from whisper158.build.kas import Folders
from whisper158.console import say
from whisper158.errors import Usage, die
from whisper158.model import models
from whisper158.paths import BUILD, ROOT
from whisper158.run import spelled

EMULATOR = "emulator"


@dataclass(frozen=True)
class Request:
    machine: str
    options: tuple[str, ...]
    model: str
    eula: bool
    container: bool
    force: bool
    dry_run: bool


def request(
    machine: str,
    options: list[str],
    model: str,
    accept_eula: bool,
    container: bool,
    native: bool,
    force: bool,
    dry_run: bool,
) -> Request:
    """What was asked for, if that can be."""
    machines = [*kas.machines(), EMULATOR]
    if machine not in machines:
        said = f"there is no machine {machine!r}" if machine else "build-image needs a machine"
        raise Usage(said, f"--machine is one of {', '.join(machines)}")
    if container and native:
        raise Usage("--container and --native exclude each other")
    extra = tuple(dict.fromkeys(name for word in options for name in flags.words("--with", word)))
    if unknown := [name for name in extra if name not in kas.options()]:
        raise Usage(f"there is no option {unknown[0]!r}", f"--with takes {', '.join(kas.options())}")
    idle = {"--with": extra, "--container": container, "--force": force, "--dry-run": dry_run}
    flags.alone("--machine emulator", machine == EMULATOR, idle, "its image is not made by kas; leave that out")
    models.check(model)
    accepted = accept_eula or os.environ.get("ACCEPT_SYNA_EULA") == "1"
    return Request(machine, extra, model, accepted, container, force, dry_run)


def build(asked: Request) -> None:
    if asked.machine == EMULATOR:
        # Only here, because nobody else needs what it needs.
        from whisper158.build import emulator

        report.close(report.of_emulator(emulator.build(asked.model)))
        return
    needs.python("image")
    machine = kas.machine(asked.machine)
    where = kas.folders(machine.name, asked.container)
    eula = asked.eula and machine.needs_eula
    preflight.ensure(preflight.Conditions(machine, asked.options, eula, asked.container, where), asked.force)
    extra = ((kas.EULA,) if eula else ()) + asked.options
    with alone(where):
        model = kas.model(asked.model)
        file = kas.write(machine, extra, model, where)
        command = kas.command("build", asked.container, file)
        if asked.dry_run:
            print(spelled(command))
            return
        bake(command, machine, where)
    report.close(report.of_yocto(machine.name, machine.target, where.images(machine.name), model))


def bake(command: list[str], machine: kas.Machine, where: Folders) -> None:
    log = BUILD / "yocto" / f"{machine.name}.log"
    for folder in (where.downloads, where.sstate, where.work):
        folder.mkdir(parents=True, exist_ok=True)
    say(f"Building {machine.target} for {machine.name} in {where.build}")
    status, interrupted, state = drive(command, kas.environment(where, preflight.jobs()), log, ROOT)
    if status == 0:
        return
    raise failure.interrupted(state) if interrupted else failure.failed(state, where, log, status)


@contextmanager
def alone(where: Folders) -> Iterator[None]:
    """Keeps a second build of the same folder from changing what the first is made of."""
    where.build.mkdir(parents=True, exist_ok=True)
    with Path(f"{where.build}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            die(f"another build is at work in {where.build}", "wait for it, or set $KAS_BUILD_DIR to another folder")
        yield
