# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What consoles show: prompts, machines that start, and kernels that die."""

import re
from enum import Enum


class Facing(Enum):
    """What the console shows and waits at."""

    UBOOT = "U-Boot"
    LOGIN = "a login"
    PASSWORD = "a password's prompt"
    SHELL = "a shell"


PROMPTS = {
    Facing.UBOOT: re.compile(r"(?:^|\n)=> \Z"),
    Facing.LOGIN: re.compile(r"\blogin: *\Z"),
    Facing.PASSWORD: re.compile(r"[Pp]assword: *\Z"),
    Facing.SHELL: re.compile(r"[#$] \Z"),
}
BOOTING = re.compile(r"^U-Boot (?:SPL )?20\d\d\.\d\d|Booting Linux on physical CPU", re.MULTILINE)

# What may stand before a kernel's message: the level and the time.
STAMP = r"^(?:<\d+>)?(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )?"
PANIC = re.compile(STAMP + r"Kernel panic - not syncing", re.MULTILINE)
CRASH = re.compile(
    STAMP + r"(?:Kernel panic - not syncing|Internal error: .*\[#\d+\]|Unable to handle kernel \w+|"
    r"kernel BUG at \S+:\d+!|(?:watchdog: )?BUG: (?:unable|scheduling|sleeping|spinlock|KASAN|workqueue|soft lockup)|"
    r"rcu: INFO: rcu_\w+ (?:self-)?detected stall)"
    r'|^"[\w ]+" handler, esr|^### ERROR ### Please RESET the board',
    re.MULTILINE,
)
# Tells for certain that a command of U-Boot has failed, also where its status does not.
UBOOT_ERRORS = re.compile(r"^(?:Unknown command .*|## Error.*|\*\* .*|Usage:.*)$", re.MULTILINE)
