# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Bad days, and a new program under one that runs. Each ends with a service that listens again (conftest.py looks),
without anybody's help."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from whisper158.board import soundcard
from whisper158.board.service import UNIT, Service
from whisper158.board.target import Failed, Target
from whisper158.build import layer

pytestmark = [pytest.mark.destructive, pytest.mark.usefixtures("arranged")]

DEFAULT = str(layer.INSTALLED_MODELS / layer.DEFAULT_MODEL)
# A link, so that tests can give the service another model.
MODEL = "/run/whisper158-test.w158"
QUICK = "/run/whisper158-test-quick.w158"
# Seconds, instead of the minutes that the slowest model on the slowest board may need.
WATCHDOG = 15
DROP_IN = "90-test"
# Less than the service has of its own while it does nothing; pages of the model can be had again and do not count.
TOO_LITTLE = "256K"
DATA_ERROR = "65"
DAYS = 400
# Seconds in which some gigabytes of an eMMC are written.
FILLS = 600.0


@pytest.fixture(scope="module")
def arranged(healthy: Target, babbler: Path) -> Iterator[None]:
    """A service that takes its model from MODEL, and whose watchdog is impatient.

    Where a model takes long to start, it is a small one: these tests start it again and again, and are not about words.
    """
    service = Service(healthy)
    options = service.options()
    if "real_time" not in healthy.can:
        healthy.put(babbler.read_bytes(), QUICK)
        # Its window is shorter than what was set for the other.
        options = " ".join(word for word in options.split() if not word.startswith("--audio-context"))
    give_model(healthy, normal_model(healthy))
    environment = f'Environment=WHISPER158_MODEL={MODEL} "WHISPER158D_OPTIONS={options}"'
    service.configure(DROP_IN, f"EnvironmentFile=\n{environment}\nWatchdogSec={WATCHDOG}")
    yield
    if "snapshot" in healthy.can:
        healthy.restore()
    else:
        service.configure(DROP_IN, "")
    service.wait_listening()


def normal_model(target: Target) -> str:
    return DEFAULT if "real_time" in target.can else QUICK


def give_model(target: Target, path: str) -> None:
    target.check(f"ln -sf {path} {MODEL}")


def test_killed(target: Target, service: Service) -> None:
    before = service.restarts()
    target.check(f"kill -KILL {service.pid()}")
    service.wait_restarted(before)


def test_stopped(target: Target, service: Service) -> None:
    """What does nothing any more, the watchdog ends."""
    before, cursor = service.restarts(), service.cursor()
    target.check(f"kill -STOP {service.pid()}")
    service.wait_restarted(before)
    assert "watchdog" in service.journal_since(cursor).lower()


def test_out_of_memory(target: Target, service: Service) -> None:
    """The limit strikes the service, and nobody else."""
    before, cursor = service.restarts(), service.cursor()
    with memory_limit(target, service):
        wait_for_journal(service, cursor, "oom-kill")
    service.wait_restarted(before)


@contextmanager
def memory_limit(target: Target, service: Service) -> Iterator[None]:
    usual = service.show("MemoryMax")["MemoryMax"]
    target.check(f"systemctl set-property --runtime {UNIT} MemoryMax={TOO_LITTLE}")
    try:
        yield
    finally:
        target.check(f"systemctl set-property --runtime {UNIT} MemoryMax={usual}")


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
        # BusyBox of OpenEmbedded's has no fallocate; then all of it is written.
        target.run(
            f"set -- $(df -Pk /var | tail -n 1); fallocate -l ${{4}}k {fill} || dd if=/dev/zero of={fill} bs=1M", FILLS
        )
        status, _ = target.run(f"dd if=/dev/zero of={fill}.rest bs=4k", FILLS)
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
    path = "/run/whisper158-test-damaged.w158"
    target.put(bytes(content), path)
    cursor = service.cursor()
    give_model(target, path)
    try:
        status, _ = target.run(f"systemctl restart {UNIT}", target.machine.budget.listening)
        state = service.show("ActiveState", "ExecMainStatus")
    finally:
        give_model(target, normal_model(target))
        target.check(f"rm {path}")
    assert status != 0
    assert state == {"ActiveState": "failed", "ExecMainStatus": DATA_ERROR}
    assert MODEL in service.journal_since(cursor)
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


def test_program_replaced(target: Target, service: Service) -> None:
    """What runs goes on as it was; a restart takes the new one."""
    pid = service.pid()
    for name in ("whisper158", "whisper158d"):
        replace(target, target.check(f"command -v {name}"))
    assert target.check(f"readlink /proc/{pid}/exe").endswith("(deleted)")
    assert service.stats()["event"] == "stats"
    assert service.pid() == pid
    service.restart()
    assert not target.check(f"readlink /proc/{service.pid()}/exe").endswith("(deleted)")


def test_model_replaced(target: Target, service: Service) -> None:
    """The one that is mapped stays whole; a restart takes the new one."""
    path = target.check(f"readlink -f {MODEL}")
    replace(target, path)
    maps = f"grep {path} /proc/$(systemctl show {UNIT} -p MainPID --value)/maps"
    assert all(line.endswith("(deleted)") for line in target.check(maps).splitlines())
    assert service.stats()["event"] == "stats"
    service.restart()
    assert not any(line.endswith("(deleted)") for line in target.check(maps).splitlines())


def replace(target: Target, path: str) -> None:
    """In the way of every package manager: written anew, then renamed."""
    status, said = target.run(f"cp -p {path} {path}.new && mv {path}.new {path}")
    if "Read-only" in said:
        pytest.skip("the root file system is read-only: such an image is upgraded as a whole")
    assert status == 0, said
