# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A made-up board for a pty: U-Boot, a kernel that boots, a login, and then a real shell.

    python fake_board.py '{"start": "uboot", "delay": 0.01}'

It is a program by itself so that tests meet it as they would a board: through a terminal and nothing else.
"""

import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What is spawned is this file; what imports it needs pexpect.
try:
    import pexpect
except ImportError:
    pexpect = None

UBOOT_BANNER = "\r\nU-Boot 2025.01 (Jan 01 2026 - 00:00:00 +0000)\r\n\r\nDRAM:  4 GiB\r\n"
KERNEL = "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd090]\r\n[    1.2] systemd[1]: Hello\r\n"


class Board:
    """`plan` says what differs from a board where all is well:

    start     uboot, countdown, kernel, login, shell, silent, panic, flashing
    reset_at  what must be typed before the person resets a board that counts down; without it, anything
    delay     seconds between pieces of what it says; piece: their length
    password  what root's login asks for
    noise     a kernel's message that is said again and again while a shell runs, every `every` seconds
    shell     the shell's argument list
    replies   what U-Boot's commands print and return, and how long they take: {"usb2emmc SYNAIMG": ["text", 0, 1.5]}
    boots     what follows U-Boot's `boot` and `reset`: login, panic, uboot
    lose      the shell is behind a line that loses so many characters; 0 for a line that is no terminal to us
    state     a file to which each of U-Boot's commands is appended
    sent      in the stage flashing: the file whose appearance means that all was sent; verdict: what U-Boot says then
    mounts    the UUID of the root file system that the kernel mounts
    path      a folder of programs that come before all others in the shell
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.environment: dict[str, str] = {}
        self.last = ""

    def say(self, text: str) -> None:
        size = self.plan.get("piece", len(text)) or 1
        for start in range(0, len(text), size):
            sys.stdout.write(text[start : start + size])
            sys.stdout.flush()
            time.sleep(self.plan.get("delay", 0.0))

    def hear(self, echo: bool = True) -> str:
        """A line, echoed as it comes, with what ^C does."""
        line = ""
        while True:
            byte = os.read(0, 1)
            if not byte:
                sys.exit(0)
            if byte in b"\r\n":
                self.say("\r\n")
                return line
            if byte == b"\x03":
                return "\x03"
            line += byte.decode("ascii", "replace")
            if echo:
                self.say(byte.decode("ascii", "replace"))

    def run(self) -> None:
        tty.setraw(0)
        stage = self.plan.get("start", "login")
        while True:
            stage = getattr(self, stage)()

    # ---- stages; each returns the next

    def silent(self) -> str:
        while True:
            os.read(0, 1000)

    def countdown(self) -> str:
        """Says nothing until it is reset, then stops for a key that comes in time."""
        while self.plan.get("reset_at", "").encode() not in os.read(0, 1000):
            pass
        termios.tcflush(0, termios.TCIFLUSH)
        self.say(UBOOT_BANNER + "Hit any key to stop autoboot:  0 ")
        stopped, _, _ = select.select([0], [], [], 10.0)
        if stopped:
            os.read(0, 100)
        self.say("\r\n")
        return "prompt" if stopped else "kernel"

    def uboot(self) -> str:
        self.say(UBOOT_BANNER)
        return "prompt"

    def prompt(self) -> str:
        self.say("=> ")
        line = self.hear()
        if line == "\x03":
            self.say("<INTERRUPT>\r\n")
            return "prompt"
        # U-Boot's own way: an empty line repeats the last one.
        line = self.last = line or self.last
        self.note(line)
        if line in ("boot", "reset"):
            return str(self.plan.get("boots", "kernel"))
        self.command(line)
        return "prompt"

    def command(self, line: str) -> None:
        replies = self.plan.get("replies", {})
        status = 0
        if line in replies:
            text, status, seconds = [*replies[line], 0, 0][:3]
            self.say(text.replace("\n", "\r\n"))
            time.sleep(seconds)
        elif line.startswith("echo "):
            status = int(self.environment.get("?", "0"))
            self.say(line[5:].replace("''", "").replace("$?", str(status)) + "\r\n")
        elif line.startswith("setenv "):
            _, name, *value = line.split(" ", 2)
            self.environment[name] = " ".join(value)
        elif line:
            self.say(f"Unknown command '{line.split()[0]}' - try 'help'\r\n")
            status = 1
        self.environment["?"] = str(status)

    def note(self, line: str) -> None:
        if "state" in self.plan:
            with Path(self.plan["state"]).open("a") as file:
                file.write(f"{line}\n")

    def kernel(self) -> str:
        self.say("Starting kernel ...\r\n\r\n" + KERNEL)
        if "mounts" in self.plan:
            self.say(
                f"[    2.5] EXT4-fs (mmcblk0p12): mounted filesystem {self.plan['mounts']} r/w with ordered data\r\n"
            )
        return "login"

    def panic(self) -> str:
        self.say(KERNEL)
        self.say("[    2.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(179,9)\r\n")
        self.say("[    2.1] CPU: 0 PID: 1 Comm: swapper/0\r\n[    2.1] ---[ end Kernel panic ]---\r\n")
        return "silent"

    def login(self) -> str:
        # What was typed while it booted is nobody's name.
        termios.tcflush(0, termios.TCIFLUSH)
        self.say("\r\nsl1680 login: ")
        user = self.hear()
        if user == "":
            return "login"
        time.sleep(self.plan.get("thinks", 0.0))
        wanted = self.plan.get("password")
        if wanted is not None:
            self.say("Password: ")
            given = self.hear(echo=False)
            time.sleep(self.plan.get("thinks", 0.0))
        if user != "root" or (wanted is not None and given != wanted):
            self.say("\r\nLogin incorrect\r\n")
            return "login"
        return "shell"

    def shell(self) -> str:
        settings = termios.tcgetattr(0)
        settings[0] |= termios.ICRNL
        settings[1] |= termios.OPOST | termios.ONLCR
        settings[3] |= termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN
        termios.tcsetattr(0, termios.TCSANOW, settings)
        if "noise" in self.plan and os.fork() == 0:
            while os.getppid() != 1:
                self.say(self.plan["noise"])
                time.sleep(self.plan.get("every", 0.05))
            os._exit(0)
        shell = self.plan.get("shell", ["sh", "-i"])
        if "path" in self.plan:
            os.environ["PATH"] = f"{self.plan['path']}:{os.environ['PATH']}"
        os.environ["PS1"] = self.plan.get("ps1", "root@sl1680:~# ")
        if "lose" in self.plan:
            return self.lossy(shell)
        os.execvp(shell[0], shell)

    def flashing(self) -> str:
        """U-Boot writes what it is sent over USB, and says how that went after all was sent."""
        self.say("Starting USB boot\r\n")
        while not Path(self.plan["sent"]).exists():
            time.sleep(0.05)
        self.say(self.plan["verdict"].replace("\n", "\r\n"))
        return str(self.plan.get("boots", "kernel"))

    def lossy(self, shell: list[str]) -> str:
        """A shell behind a line that loses characters, until it has lost `lose`, at every hundredth."""
        child, master = os.forkpty()
        if child == 0:
            os.execvp(shell[0], shell)
        tty.setraw(0)
        if os.fork() == 0:
            while data := os.read(master, 1000):
                os.write(1, data)
            os._exit(0)
        heard, left = 0, self.plan["lose"]
        while byte := os.read(0, 1):
            heard += 1
            if left and heard > 200 and heard % 100 == 0 and byte.isalnum():
                left -= 1
                continue
            os.write(master, byte)
        sys.exit(0)


def start_on_port(**plan: Any) -> tuple[subprocess.Popen[bytes], str]:
    """A made-up board behind a serial port, and the path of that port."""
    master, slave = os.openpty()
    tty.setraw(master)
    port = os.ttyname(slave)
    command = [sys.executable, "-S", "-E", __file__, json.dumps({"lose": 0, **plan})]
    # The board keeps the port's other end too, or closing the port would hang up the line.
    process = subprocess.Popen(command, stdin=master, stdout=master, pass_fds=[slave], start_new_session=True)
    os.close(master)
    os.close(slave)
    return process, port


@contextmanager
def boards() -> Iterator[Callable[..., str]]:
    """Starts made-up boards, each of which is its serial port's path here, and ends them all."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(**plan: Any) -> str:
        process, port = start_on_port(**plan)
        processes.append(process)
        return port

    try:
        yield start
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def spawn(**plan: Any) -> Any:
    """A made-up board, as pexpect's stream of bytes."""
    command = ["-S", "-E", __file__, json.dumps(plan)]
    # Raw from the beginning: a ^C that comes early is for the board too.
    return pexpect.spawn(sys.executable, command, echo=False, timeout=None, preexec_fn=lambda: tty.setraw(0))


if __name__ == "__main__":
    Board(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}).run()
