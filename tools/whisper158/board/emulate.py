# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv emulate`: an emulated board for people: its console is the terminal, its ports are on loopback, and it hears
what it is told to.
"""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whisper158 import flags
from whisper158.board import emulated
from whisper158.board.microphone import POLL
from whisper158.board.qemu import Emulator, Hardware
from whisper158.build import emulator
from whisper158.build.emulator.configure import HOST_NAME
from whisper158.build.emulator.image import Image
from whisper158.build.sysroot import EMULATED_CPU
from whisper158.console import say as tell
from whisper158.data import audio
from whisper158.data.audio import SAMPLE_RATE, Floats
from whisper158.data.voices.flite import Flite
from whisper158.errors import Usage, UserError, die
from whisper158.model import models

VOICE = "slt"
# What the program that prints the daemon's text takes to be there, under emulation.
LISTENS = 5.0  # seconds
# Silence before and after what is said, by which the daemon tells where it begins and ends.
PAUSE = 1.0  # seconds


@dataclass(frozen=True)
class Job:
    """What was asked for. A port of 0 is one that is free."""

    model: str
    sound: Floats | None
    snapshot: bool
    ports: dict[str, int]
    hardware: Hardware


def job(model: str, text: str, file: str, snapshot: bool, ssh: str, wyoming: str, qemu: str) -> Job:
    if text and file:
        die("--say and --play both want the microphone", "give one of them")
    models.check(model)
    ports = {"ssh": port("--ssh", ssh), "wyoming": port("--wyoming", wyoming)}
    if ports["ssh"] and ports["ssh"] == ports["wyoming"]:
        raise Usage(f"--ssh and --wyoming are both {ssh}", "give them different ports, or leave them out")
    hardware = Hardware(qemu=emulates(qemu)) if qemu else Hardware()
    sound = None
    if text:
        sound = audio.resample(*Flite().speak(text, VOICE, 1.0), SAMPLE_RATE)
    if file:
        sound = audio.load(Path(file))
    return Job(model, sound, snapshot, ports, hardware)


def port(flag: str, text: str) -> int:
    """0, or one that is free now, which QEMU would find out only when all is built."""
    number = flags.whole(f"{flag}: the port", text, 0, 65535)
    with socket.socket() as probe:
        # As QEMU does: a connection that was closed a moment ago keeps nobody from it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as error:
            raise Usage(f"{flag} {number}: {error.strerror}", f"{flag} 0 finds a port that is free") from error
    return number


def emulates(program: str) -> str:
    """`program`, if it is a QEMU that has the board's processor."""
    if shutil.which(program) is None:
        raise Usage(f"--qemu {flags.brief(program)}: there is no such program", "name one, or its path")
    try:
        done = subprocess.run(
            [program, "-cpu", "help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
        )
        said = done.stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    if EMULATED_CPU not in said:
        raise Usage(f"--qemu {program} is no QEMU that emulates a {EMULATED_CPU}", "it is called qemu-system-aarch64")
    return program


def emulate(asked: Job) -> int:
    """Returns QEMU's exit status when the machine was turned off."""
    image = emulator.build(asked.model)
    start = emulated.ready(image, asked.hardware) if asked.snapshot else None
    with Emulator(image, hardware=asked.hardware) as board:
        board.power_on(state=start, terminal=True, ports=asked.ports)
        guest = ssh(Image(image), board.port("ssh"))
        tell("Its console is here: root needs no password. Ctrl-A X turns it off; so does poweroff.")
        tell(f"Its shell:        {' '.join(guest)}")
        tell(f"Wyoming's socket: tcp://127.0.0.1:{board.port('wyoming')}")
        if start:
            tell("It waits at its login: press Enter.")
        if asked.sound is not None:
            # It ends with us.
            threading.Thread(target=speak, args=(board, guest, asked.sound), daemon=True).start()
        return board.await_end()


def ssh(image: Image, number: int) -> list[str]:
    """The command that leads to the guest's shell."""
    options = {
        "HostKeyAlias": HOST_NAME,
        "UserKnownHostsFile": str(image.known_hosts),
        "LogLevel": "ERROR",
    }
    settings = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-i", str(image.key), "-p", str(number), *settings, "root@127.0.0.1"]


def speak(board: Emulator, guest: list[str], sound: Floats) -> None:
    """Says `sound` when the daemon listens, and tells what it hears from then on."""
    try:
        await_listener(lambda: board.microphone.position(board.pid), lambda: board.is_on)
        command = [*guest, "whisper158", "listen"]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, text=True) as listener:
            time.sleep(LISTENS)
            pause = np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)
            # The terminal is the guest's, whose lines end otherwise.
            tell("\r\nSpeaking...\r")
            board.microphone.say(board.pid, np.concatenate([pause, sound, pause]))
            tell("\r\nSaid.\r")
            for line in listener.stdout or ():
                tell(f"\r\nHeard: {line.rstrip()}\r")
    except UserError as error:
        if board.is_on:
            tell(f"\r\n{error}\r")


def await_listener(position: Callable[[], int | None], is_on: Callable[[], bool]) -> None:
    """Waits until somebody records: QEMU reads on."""
    first = position()
    while is_on() and position() == first:
        time.sleep(POLL)
