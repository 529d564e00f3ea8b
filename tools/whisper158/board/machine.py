# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The machines that the tests in recipes-tests/board run on.

A machine is a few facts: what can be done to it, what its processor lacks, and how long is too long. Tests look at
nothing but these, so a fourth machine is one more entry here and something to start it (emulated.py, physical.py).
"""

from dataclasses import dataclass
from typing import Literal

from whisper158.errors import die

Capability = Literal[
    "ssh",  # a network shell, and with it tunnels to its ports
    "reboot",  # it comes back by itself, or somebody is there to see to it
    "power_cut",  # its power can be taken away at any moment
    "snapshot",  # its state can be kept, and had again within seconds
    "feed_microphone",  # what it is to hear can be chosen
    "upgrade",  # there are newer packages than it was made of
    "hotplug_microphone",  # the microphone can be taken away and given back
    "real_time",  # a model takes seconds to start and to answer, not minutes
]


@dataclass(frozen=True)
class Budget:
    """The most that something may take before it counts as broken.

    These tell a fault from slowness and are wide; how long things took stands in the report. Only a real board's
    latency is a promise to somebody.
    """

    boot: float  # seconds from power to a shell
    listening: float  # seconds from the start of the service until it hears
    words: float  # seconds until what was said is text
    command: float  # seconds for what takes a moment
    latency: float  # seconds from the end of an utterance to its text, by the machine's own clock
    rss_mib: float  # of the service, the model's pages included
    sentence: float  # seconds of speech without a pause, through which it keeps up with the microphone


@dataclass(frozen=True)
class Machine:
    name: str
    summary: str
    can: frozenset[Capability]
    # Names in /proc/cpuinfo that must not be there, or the run proves nothing about ARMv8.0.
    lacks: tuple[str, ...]
    budget: Budget


# Dot products, and arithmetic in half precision (scalar and in vectors).
NOT_IN_ARMV8_0 = ("asimddp", "fphp", "asimdhp")

# On a host that does other things as well: the guest lives the more slowly, by its own clock as fast as ever. Floats
# are slow there: while one speaks and is being heard at the same time, the detector of speech falls behind.
EMULATED = Budget(boot=1200, listening=1200, words=1200, command=600, latency=120, rss_mib=160, sentence=5)

EMULATOR = Machine(
    "emulator",
    "Debian's userland with our runtime in QEMU",
    frozenset(("ssh", "reboot", "power_cut", "snapshot", "upgrade", "feed_microphone", "hotplug_microphone")),
    NOT_IN_ARMV8_0,
    EMULATED,
)
QEMUARM64 = Machine(
    "qemuarm64",
    "the image that kas built, in QEMU",
    # poky's kernel for it has no driver of any sound card that QEMU has.
    EMULATOR.can - {"feed_microphone", "hotplug_microphone"},
    NOT_IN_ARMV8_0,
    EMULATED,
)
SL1680 = Machine(
    "sl1680",
    "a Synaptics Astra SL1680 on the desk",
    frozenset(("ssh", "reboot", "power_cut", "upgrade", "feed_microphone", "hotplug_microphone", "real_time")),
    NOT_IN_ARMV8_0,
    Budget(boot=90, listening=60, words=60, command=30, latency=10, rss_mib=160, sentence=30),
)

MACHINES = {machine.name: machine for machine in (EMULATOR, QEMUARM64, SL1680)}


def find(name: str) -> Machine:
    return MACHINES.get(name) or die(f"there is no machine {name!r}", f"the machines are {', '.join(MACHINES)}")
