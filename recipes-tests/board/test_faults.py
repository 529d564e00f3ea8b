# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Bad days. Each ends with a service that listens again (conftest.py looks), without anybody's help."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from whisper158.board import soundcard
from whisper158.board.service import UNIT, Service
from whisper158.board.target import Failed, Target

pytestmark = [pytest.mark.destructive, pytest.mark.usefixtures("quick_start")]

# Above what an emulated processor makes of a moment's work.
WATCHDOG = 20
# Less than the service needs for itself; pages of the model can be had again and do not count.
TOO_LITTLE = "8M"
LIMITS = f"/run/systemd/system.control/{UNIT}.d"
DATA_ERROR = "65"
DAYS = 400


def test_killed(target: Target, service: Service) -> None:
    before = service.restarts()
    target.check(f"kill -KILL {service.pid()}")
    service.wait_restarted(before)


def test_stopped(target: Target, service: Service) -> None:
    """What does nothing any more, the watchdog ends."""
    with service.setting("90-test", f"WatchdogSec={WATCHDOG}"):
        service.restart()
        service.wait_listening()
        before, cursor = service.restarts(), service.cursor()
        target.check(f"kill -STOP {service.pid()}")
        service.wait_restarted(before)
    assert "watchdog" in service.journal_since(cursor).lower()
    service.restart()


def test_out_of_memory(target: Target, service: Service) -> None:
    """The limit strikes the service, and nobody else."""
    before, cursor = service.restarts(), service.cursor()
    with memory_limit(target):
        wait_for_journal(service, cursor, "oom-kill")
    service.wait_restarted(before)


@contextmanager
def memory_limit(target: Target) -> Iterator[None]:
    target.check(f"systemctl set-property --runtime {UNIT} MemoryMax={TOO_LITTLE}")
    try:
        yield
    finally:
        target.check(f"rm -f {LIMITS}/50-MemoryMax.conf; systemctl daemon-reload")


def wait_for_journal(service: Service, cursor: str, text: str) -> None:
    deadline = time.monotonic() + service.target.machine.budget.listening
    while text not in (said := service.journal_since(cursor)):
        if time.monotonic() > deadline:
            raise Failed(f"the journal does not say {text!r}", said)
        time.sleep(1)


@pytest.mark.needs("hotplug_microphone")
def test_microphone_unplugged(target: Target, service: Service) -> None:
    """It says so and waits, without a restart; when the microphone is back it is heard."""
    card = soundcard.find(target)
    if card is None:
        pytest.skip("no sound card here can be unplugged by software")
    pid = service.pid()
    service.wait_listening()
    with service.events() as events:
        card.unplug(target)
        try:
            while events.until("state", target.machine.budget.listening)[-1]["state"] != "waiting":
                pass
        finally:
            card.plug_in(target)
        while events.until("state", target.machine.budget.listening)[-1]["state"] != "open":
            pass
    assert service.pid() == pid


def test_disk_full(target: Target, service: Service) -> None:
    with full_disk(target):
        service.restart()
        service.wait_listening()


@contextmanager
def full_disk(target: Target) -> Iterator[None]:
    """Not a byte is left where the service may write."""
    fill = "/var/whisper158-test-fill"
    try:
        target.run(f"set -- $(df -Pk /var | tail -n 1); fallocate -l ${{4}}k {fill}")
        status, _ = target.run(f"dd if=/dev/zero of={fill}.rest bs=4k")
        assert status != 0
        yield
    finally:
        target.check(f"rm -f {fill} {fill}.rest; sync")


@pytest.mark.parametrize("damage", ["cut short", "a byte flipped"])
def test_damaged_model(target: Target, service: Service, babbler: Path, damage: str) -> None:
    """It says which file, and systemd does not try again and again."""
    content = bytearray(babbler.read_bytes())
    if damage == "cut short":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 0x10
    path = "/run/whisper158-test.w158"
    target.put(bytes(content), path)
    cursor = service.cursor()
    # The model that somebody chose in /etc/default would win, so that file is left out.
    with service.setting("90-test", f"EnvironmentFile=\nEnvironment=WHISPER158_MODEL={path}"):
        status, _ = target.run(f"systemctl restart {UNIT}", target.machine.budget.listening)
        state = service.show("ActiveState", "ExecMainStatus")
    target.check(f"rm {path}")
    assert status != 0
    assert state == {"ActiveState": "failed", "ExecMainStatus": DATA_ERROR}
    assert path in service.journal_since(cursor)
    service.restart()


def test_clock_jumps(target: Target, service: Service) -> None:
    """More than a year ahead, and back: nothing depends on the time of day."""
    target.run("systemctl stop systemd-timesyncd 2>/dev/null")
    pid = service.pid()
    try:
        target.check(f"date -s @$(($(date +%s) + {DAYS * 86400}))")
        service.wait_listening()
    finally:
        target.check(f"date -s @$(($(date +%s) - {DAYS * 86400}))")
    service.wait_listening()
    assert service.pid() == pid
