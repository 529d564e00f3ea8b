# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Everything at once and without hardware: an image is built, boots, and is spoken to."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from whisper158 import needs
from whisper158.console import duration, say, step
from whisper158.errors import die
from whisper158.evaluate.sounds import Clip, sound
from whisper158.model import models
from whisper158.paths import BUILD

if TYPE_CHECKING:
    # They need an optional group of packages, which demo() looks after.
    from whisper158.board.service import Event, Service
    from whisper158.board.target import Target

# Recordings of a person. They are short, for the emulated processor is some thirty times slower than the host's.
SENTENCES = ("conf-extended", "confbridge-conf-begin")

LOGS = BUILD / "demo"

NEXT = """
What to type next:
    ./inv transcribe FILE                       what is said in a sound file, at this machine's own speed
    ./inv emulate                               the same machine again, with its console on your terminal
    ./inv test-on-device --machine emulator     everything that is tested on a real board, here
    ./inv build-image --machine sl1680          the image for the board (docs/board-sl1680.md)
"""


def demo(model: str = models.DEFAULT) -> None:
    models.check(model)
    began = time.monotonic()
    say("A board without a board: an image is built, boots in QEMU, and somebody speaks into its microphone.")
    say("The first time takes minutes; most of what is made is kept.")
    needs.debian("native", "cross", "emulator")
    needs.python("board")
    from whisper158.board.machine import EMULATOR
    from whisper158.board.open import open_target
    from whisper158.board.options import Options
    from whisper158.board.ssh import Ssh

    LOGS.mkdir(parents=True, exist_ok=True)
    target = open_target(EMULATOR, Options(model=model), LOGS)
    try:
        boot_and_speak(target)
    except Ssh.ERRORS as error:
        die(f"the emulated board does not answer: {error}", f"{LOGS} has its console; is this machine very busy?")
    finally:
        target.close()
    say(f"\nAll of it took {duration(time.monotonic() - began)}.")
    print(NEXT)


def boot_and_speak(target: "Target") -> None:
    from whisper158.board.service import Service

    service = Service(target)
    with step("Booting"):
        target.start()
    with step("Waiting until whisper158d listens"):
        hello = service.wait_listening()
    say("Its processor is emulated, its clock goes by its instructions, and so its seconds are longer than ours.")
    say(f"whisper158d {hello['version']} listens, with {hello['model']}.")
    for name in SENTENCES:
        speak(target, service, sound(name))
    say(f"whisper158d took at most {service.memory_mib():.0f} MiB of memory, the model's pages included.")


def speak(target: "Target", service: "Service", clip: Clip) -> None:
    """Says it and shows what the daemon tells meanwhile."""
    say(f"\nInto the microphone ({clip.seconds:.1f} s, a person's voice): {clip.text}")
    with service.events() as events, ThreadPoolExecutor(1) as aside:
        events.until("hello", target.machine.budget.command)
        said = aside.submit(target.say, clip)
        began = time.monotonic()
        deadline = began + target.machine.budget.words
        while (event := events.next(deadline)) is not None:
            show(event, time.monotonic() - began)
            if event["event"] == "final":
                break
        said.result()


def show(event: "Event", seconds: float) -> None:
    match event["event"]:
        case "speech-start":
            say(f"{seconds:6.1f} s  somebody speaks")
        case "partial":
            say(f"{seconds:6.1f} s  so far: {event['text']}")
        case "final" if not event["text"]:
            say(f"{seconds:6.1f} s  no words were heard in it")
        case "final":
            say(f"{seconds:6.1f} s  heard, {event['latency']:.1f} s after the last word by the board's own clock:")
            print(event["text"], flush=True)
