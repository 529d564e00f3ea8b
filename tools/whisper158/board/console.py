# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A board's console, be it a serial port, QEMU's standard streams or a pty.

    with Console(pexpect.spawn("qemu-system-aarch64 ..."), log=Path("console.log")) as console:
        console.login()
        status, output = console.run("systemctl is-system-running --wait")

It finds out by itself whether it faces U-Boot, a login or a shell. A kernel that dies is an error wherever the console
happens to be read. All of it is waiting for text, so whatever can go wrong with text is thought of: commands that are
echoed, kernel messages in the middle of anything, characters lost on the line, escape sequences, pieces of any size.
"""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pexpect

from whisper158.board import frame
from whisper158.board.signs import BOOTING, CRASH, PANIC, PROMPTS, UBOOT_ERRORS, Facing
from whisper158.board.terminal import Log, Plain
from whisper158.errors import UserError


class ConsoleError(UserError):
    """The console did not do what it should; `said` is what it last showed."""

    def __init__(self, message: str, said: str = "", hint: str | None = None) -> None:
        tail = "\n  ".join(said.strip("\n").splitlines()[-LAST_LINES:])
        super().__init__(message, "\n  ".join(filter(None, [tail, hint])) or None)
        self.said = said


class Timeout(ConsoleError):
    """What was waited for did not come in time."""


class Closed(ConsoleError):
    """There is nobody at the other end any more: QEMU has ended, the adapter was pulled out."""


class LoginRefused(ConsoleError):
    """The user or the password is wrong, or a password is needed."""


class KernelCrash(ConsoleError):
    """The kernel, or U-Boot, died or lost a task to a fault of its own."""


class Restarted(ConsoleError):
    """The machine started anew while a command was running."""


class CommandFailed(ConsoleError):
    """A command ended with a status other than zero."""


class Result(NamedTuple):
    status: int
    output: str


LAST_LINES = 15

# A crash goes on for some lines, which tell where it was.
TRACE_QUIET = 1.0
TRACE_LONGEST = 10.0
# The longest line of which a beginning may have arrived and be searched again.
LONGEST_LINE = 4096

# After so long without a character something is asked for: the prompt may have been shown before we looked.
QUIET = 2.0
# How long a login may take to ask for the password, or to check it, on an emulated board.
LOGIN_TAKES = 30.0
# What tells that a sentinel was broken apart by a kernel's message, and may be asked for again.
ASK_AGAIN = 5.0
# U-Boot's CONFIG_SYS_CBSIZE is at least this.
UBOOT_LINE = 255

CTRL_C = "\x03"
# Seconds in which U-Boot answers it
ANSWER = 10.0
# U-Boot's prompt, and the keys that have stopped it there.
STOPPED = re.compile(r"(?:^|\n)=> *\Z")


class Console:
    """`stream` is one of pexpect's (spawn, fdspawn), of bytes or of text. The console owns it and closes it."""

    def __init__(
        self, stream: Any, *, log: Path | None = None, user: str = "root", password: str | None = None
    ) -> None:
        self.stream = stream
        # pexpect's spawn waits 50 ms before each piece.
        self.stream.delaybeforesend = None
        self.user = user
        self.password = password
        self.log = Log(log)
        self.plain = Plain()
        # Called with all text as it comes, for those who want something of it without waiting for it.
        self.listeners: list[Callable[[str], None]] = []
        # What has arrived and was not waited for yet.
        self.text = ""
        self.facing: Facing | None = None
        # While a command runs in the shell, what its output ends with.
        self.sentinel: str | None = None

    def __enter__(self) -> "Console":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.log.note(f"{type(error).__name__}: {error}")
        self.close()

    def close(self) -> None:
        self.stream.close()
        self.log.close()

    # ---- waiting for text

    def expect(self, pattern: str | re.Pattern[str], timeout: float) -> tuple[str, re.Match[str]]:
        """Waits for `pattern`; returns what came before it and the match, and forgets both."""
        wanted = re.compile(pattern, re.MULTILINE) if isinstance(pattern, str) else pattern
        match = self._await(lambda text: wanted.search(text), timeout, f"{wanted.pattern!r} did not appear")
        return self._take(match), match

    def watch(self, seconds: float) -> str:
        """Returns what appears within `seconds`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)
        return self._take()

    def forget(self) -> None:
        """Forget what was shown and where we are: the machine was reset, or is about to be."""
        self._take()
        self.facing = None

    def poll(self) -> str:
        """Takes in what has come, without waiting, and returns all that has not been waited for."""
        while self._read(0):
            pass
        return self.text

    def _await(
        self,
        find: Callable[[str], re.Match[str] | None],
        timeout: float,
        complaint: str,
        silent: Callable[[], None] | None = None,
        silence: float | None = None,
    ) -> re.Match[str]:
        """Reads until `find` finds, and calls `silent` after each `silence` in which nothing was said.

        It is called in five times as long too, for a kernel may never be silent.
        """
        silence = silence or QUIET
        end = time.monotonic() + timeout
        asked = heard = time.monotonic()
        while True:
            if match := find(self.text):
                return match
            now = time.monotonic()
            if now >= end:
                self.log.note(f"nothing more is waited for: {complaint}")
                raise Timeout(f"{complaint} within {timeout:g} s; the console shows:", self._take() or "(nothing)")
            if silent is not None and (now - heard >= silence or now - asked >= 5 * silence):
                silent()
                asked = heard = now
            if self._read(min(end - now, max(0.05, heard + silence - now) if silent else end - now)):
                heard = time.monotonic()

    def _read(self, timeout: float) -> bool:
        """Takes in what there is, waiting for it for `timeout`; returns whether anything came."""
        fresh = self._receive(timeout)
        if fresh is None:
            return False
        self._check_crash(fresh)
        return True

    def _receive(self, timeout: float) -> int | None:
        """Returns where in `text` the new begins, or None."""
        try:
            data = self.stream.read_nonblocking(4096, timeout)
        except pexpect.TIMEOUT:
            return None
        except (pexpect.EOF, OSError) as error:
            said = self._take()
            self.log.note("closed by the other end")
            raise Closed("the console was closed by the other end; it showed last:", said or "(nothing)") from error
        text = self.plain.feed(data if isinstance(data, bytes) else data.encode("utf-8", "replace"))
        self.log.write("<", text)
        for listener in self.listeners:
            listener(text)
        start = len(self.text)
        self.text += text
        return start

    def _check_crash(self, fresh: int) -> None:
        # Patterns want a line's beginning, which may have come earlier.
        line = self.text.rfind("\n", max(0, fresh - LONGEST_LINE), fresh) + 1
        crash = CRASH.search(self.text, line)
        if crash is None:
            return
        sentinel = re.compile(re.escape(self.sentinel) + r"-\d+-end") if self.sentinel else None
        start = crash.start()
        end = time.monotonic() + TRACE_LONGEST
        while not (ended := sentinel and sentinel.search(self.text, start)) and time.monotonic() < end:
            if self._receive(TRACE_QUIET) is None:
                break
        # Where a command ends orderly, what it printed was a report of an earlier panic.
        if ended and PANIC.search(self.text, start):
            return
        first = self.text[start:].partition("\n")[0]
        said = self.text[start:]
        self.forget()
        self.log.note("the kernel has crashed")
        raise KernelCrash(f"the kernel has crashed: {first.strip()}", said)

    def _take(self, match: re.Match[str] | None = None) -> str:
        """Takes the text out, all of it or what stands before `match` (and `match` itself)."""
        if match is None:
            taken, self.text = self.text, ""
        else:
            taken, self.text = self.text[: match.start()], self.text[match.end() :]
        return taken

    # ---- sending

    def send(self, text: str, secret: bool = False) -> None:
        """Sends `text` in pieces that are small enough for a receiver without flow control."""
        self.log.write(">", "(a password)\n" if secret else text)
        for start in range(0, len(text), frame.PIECE):
            piece = text[start : start + frame.PIECE]
            try:
                self.stream.send(piece)
            except OSError as error:
                raise Closed(f"cannot write to the console: {error.strerror or error}", self._take()) from error

    def send_line(self, text: str, secret: bool = False) -> None:
        self.send(f"{text}\n", secret)

    # ---- where are we

    def find_out(self, timeout: float = 30.0, key: str = "\n") -> Facing:
        """Which prompt is the console at? After a silence one is asked for, by `key`.

        Where it may be U-Boot, whose empty line repeats the last command, CTRL_C is better. (It ends what runs.)
        """
        probe = Probe(self, key)
        self._await(probe.look, timeout, "the console shows no prompt that is known", silent=probe.ask)
        assert probe.found is not None
        self.facing = probe.found
        self._take()
        return self.facing

    def login(self, timeout: float = 180.0) -> None:
        """Gets to a shell from wherever the console is: boots from U-Boot, logs in, or finds a shell already."""
        if self.facing is Facing.SHELL:
            return
        end = time.monotonic() + timeout
        named = 0
        while (facing := self.find_out(max(0.1, end - time.monotonic()))) is not Facing.SHELL:
            if facing is Facing.UBOOT:
                self.log.note("U-Boot waits; it is told to boot")
                self.send_line("boot")
            elif facing is Facing.LOGIN:
                # Once more, because a kernel's message may have got between.
                if named == 2:
                    raise LoginRefused(f"{self.user} cannot log in at the console: user or password is wrong")
                named += 1
                self.send_line(self.user)
                self._await_answer()
            elif named:
                self._send_password()
                self._await_answer()
            else:
                # Somebody else's attempt.
                self.send_line("")
            self.facing = None
        self._prepare_shell(max(5.0, end - time.monotonic()))

    def _send_password(self) -> None:
        if self.password is None:
            # Not ^C, which would start the next attempt while we are gone.
            self.send_line("")
            raise LoginRefused(f"the console wants a password for {self.user}, and none was given")
        self.send_line(self.password, secret=True)

    def _await_answer(self) -> None:
        """A login takes its time. Who asked it for a prompt meanwhile would give it an empty password."""
        prompts = [PROMPTS[facing] for facing in (Facing.LOGIN, Facing.PASSWORD, Facing.SHELL)]
        end = time.monotonic() + LOGIN_TAKES
        while time.monotonic() < end and not any(prompt.search(self.text) for prompt in prompts):
            self._read(QUIET)

    def _prepare_shell(self, timeout: float) -> None:
        """Makes the shell quiet: no echo, no pagers, no colours, no messages of the kernel."""
        self.send_line("stty -echo rows 50 cols 250 2>/dev/null")
        self.facing = Facing.SHELL
        # By itself, so that it is not taken for input by what the first line has started.
        self._synchronise(timeout)
        self.send_line("export TERM=dumb PAGER=cat SYSTEMD_PAGER=cat SYSTEMD_COLORS=0 LC_ALL=C; dmesg -n 1 2>/dev/null")
        self._synchronise(timeout)

    def _synchronise(self, timeout: float) -> None:
        """Waits until the shell has dealt with all that it was sent."""
        mark = frame.fresh_mark()
        self.send_line(f"printf '%s\\n' {frame.split(mark)}-sync")
        self.expect(f"{mark}-sync", timeout)

    # ---- commands of the shell

    def run(self, command: str, timeout: float = 60.0) -> Result:
        """Runs `command` in a shell of its own and returns its exit status and what it wrote to either stream.

        Its input is empty. The output loses its last line ends. A command that takes longer is interrupted.
        """
        self.login()
        self.log.note(f"run: {command}")
        mark = frame.fresh_mark()
        self._take()
        encoded = frame.encode(command)
        for attempt in range(3):
            begin, end = f"{mark}-{attempt}-begin", f"{mark}-{attempt}"
            for line in frame.load(encoded):
                self.send_line(line)
            self.sentinel = end
            self.send_line(frame.start(encoded, begin, end))
            result = self._finish(command, begin, end, timeout)
            if result is not None:
                return result
            self.log.note("characters were lost on the line; once more")
        raise ConsoleError(f"the console loses characters: {command!r} never arrived whole")

    def check(self, command: str, timeout: float = 60.0) -> str:
        """Like run(), but a status other than zero is an error."""
        status, output = self.run(command, timeout)
        if status != 0:
            raise CommandFailed(f"{command!r} failed on the board with status {status}", output)
        return output

    def _finish(self, command: str, begin: str, end: str, timeout: float) -> Result | None:
        """Waits for the end; None if the command was not run because it arrived with characters missing."""
        sentinel = re.compile(rf"\n?{re.escape(end)}-(\d+|lost)-end\n?")

        def ask_again() -> None:
            # A kernel's message stands in the middle of the mark.
            if frame.MARK in self.text.partition(begin)[2]:
                self.send_line(frame.finish(end))

        try:
            match = self._await(
                sentinel.search, timeout, f"{command!r} did not end", silence=ASK_AGAIN, silent=self._watcher(ask_again)
            )
        except Timeout:
            self._interrupt()
            raise
        finally:
            self.sentinel = None
        output = self._take(match)
        if match[1] == "lost":
            return None
        return Result(int(match[1]), frame.trim(output, begin))

    def _watcher(self, ask_again: Callable[[], None]) -> Callable[[], None]:
        def watch() -> None:
            if PROMPTS[Facing.LOGIN].search(self.text) or PROMPTS[Facing.UBOOT].search(self.text):
                said = self._take()
                self.forget()
                raise Restarted("the machine was started anew, or logged us out, while a command ran", said)
            ask_again()

        return watch

    def _interrupt(self) -> None:
        """Ends what was started and did not end. Where that fails, the next command finds out where we are."""
        self.facing = None
        self.send(CTRL_C)
        try:
            self._synchronise(5.0)
            self.facing = Facing.SHELL
        except ConsoleError:
            self.log.note("the command could not be interrupted")

    def logout(self) -> None:
        """Leaves the login to the next who comes."""
        if self.facing is Facing.SHELL:
            self.send_line("exit")
        self.forget()

    # ---- U-Boot

    def catch_uboot(self, timeout: float) -> None:
        """Stops U-Boot's countdown: to be called when the board is about to be reset. Keys are sent all the time."""
        self.forget()
        end = time.monotonic() + timeout
        while not STOPPED.search(self.text):
            if time.monotonic() >= end:
                raise Timeout(f"U-Boot's prompt did not appear within {timeout:g} s; the console shows:", self._take())
            # Anything ends a countdown. This neither repeats U-Boot's last command nor ends a login.
            self.send(" ")
            self._read(0.1)
        shown = len(self.text)
        self.send(CTRL_C)
        # Its answer would be taken for that of the first command.
        answered = time.monotonic() + ANSWER
        while not STOPPED.search(self.text, shown) and time.monotonic() < answered:
            self._read(0.1)
        self._drain(0.5)
        self.facing = Facing.UBOOT

    def uboot(self, command: str, timeout: float = 30.0, errors: Sequence[str] = (), status: bool = True) -> str:
        """Runs a command of U-Boot and returns its output; its failure is an error.

        It has failed if its status says so, or if it prints what only failures do (`errors`, and what U-Boot's own
        commands print). Without `status` the output alone decides: some commands return nonsense.
        """
        if len(command) > UBOOT_LINE:
            raise ConsoleError(f"U-Boot takes lines of {UBOOT_LINE} characters; this one has {len(command)}: {command}")
        if self.facing is not Facing.UBOOT and self.find_out(key=CTRL_C) is not Facing.UBOOT:
            raise ConsoleError(f"the console is at {self.facing.value if self.facing else 'nothing'}, not at U-Boot")
        output = self._uboot_line(command, timeout)
        # It comes second also because U-Boot repeats its last command at an empty line, and this one does no harm.
        code = self._uboot_line(f"echo {frame.split('w158-status')}=$?", 10.0)
        ended = re.search(r"w158-status=(-?\d+)", code)
        faults = [fault for p in (UBOOT_ERRORS, *map(re.compile, errors)) if (fault := p.search(output))]
        if faults:
            first = min(faults, key=lambda fault: fault.start()).group().strip()
            raise CommandFailed(f"U-Boot's {command!r} failed: {first}", output)
        if status and ended and ended[1] != "0":
            raise CommandFailed(f"U-Boot's {command!r} failed with status {ended[1]}", output)
        return output

    def _uboot_line(self, command: str, timeout: float) -> str:
        self._take()
        self.send_line(command)
        prompt = PROMPTS[Facing.UBOOT]
        try:
            match = self._await(
                # Not the prompt that stands before the echo of the command.
                lambda text: prompt.search(text) if "\n" in text else None,
                timeout,
                f"U-Boot's {command!r} did not end",
                silent=self._uboot_watcher(command),
            )
        except ConsoleError:
            self.facing = None
            raise
        return self._take(match).partition("\n")[2]

    def _uboot_watcher(self, command: str) -> Callable[[], None]:
        def watch() -> None:
            if PROMPTS[Facing.LOGIN].search(self.text) or BOOTING.search(self.text):
                said = self._take()
                self.forget()
                raise Restarted(f"the board was started anew while U-Boot ran {command!r}", said)

        return watch

    def _drain(self, seconds: float) -> None:
        """Takes away what still comes, until it has been quiet for `seconds`."""
        while self._read(seconds):
            pass
        self._take()


class Probe:
    """Looks for prompts, and asks in turns for one, since each kind of silence breaks at another word."""

    def __init__(self, console: Console, key: str) -> None:
        self.console = console
        self.key = key
        self.mark = frame.fresh_mark()
        self.asked = 0
        self.found: Facing | None = None

    def look(self, text: str) -> re.Match[str] | None:
        if match := re.search(f"{self.mark}-here", text):
            self.found = Facing.SHELL
            return match
        for facing, prompt in PROMPTS.items():
            match = prompt.search(text)
            # What a kernel or a service prints may end like a prompt, so nothing may follow it for a moment.
            if match and not self.console._read(0.2):
                self.found = facing
                return match
        return None

    def ask(self) -> None:
        self.asked += 1
        if self.asked % 3 == 0:
            # A shell without a prompt, such as one whose prompt a kernel's message has pushed away.
            self.console.send_line(f"printf '%s\\n' {frame.split(self.mark)}-here")
        else:
            self.console.send(self.key)
