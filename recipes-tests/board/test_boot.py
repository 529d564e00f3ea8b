# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""It boots, everything that was to start has, and it stays that way over a reboot and a power cut."""

from collections.abc import Callable

import pytest

from whisper158.board.service import UNIT, Service
from whisper158.board.target import Target
from whisper158.build import layer

Record = Callable[[str, object], None]

# Where a product keeps what has to last. The root file system may be read-only, /var is not.
KEPT = "/var/lib/whisper158-test"


def test_boots_to_a_running_state(target: Target, record_property: Record) -> None:
    """systemd has finished, and nothing has failed."""
    status, state = target.run("systemctl is-system-running --wait", target.machine.budget.boot)
    failed = target.check("systemctl --failed --no-legend --plain")
    assert (status, state, failed) == (0, "running", "")
    took = target.check("systemd-analyze time 2>/dev/null || cut -d' ' -f1 /proc/uptime")
    record_property("boot", took.splitlines()[0])


def test_the_service_starts_by_itself(target: Target, service: Service) -> None:
    assert target.check(f"systemctl is-enabled {UNIT}") == "enabled"
    assert service.show("ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"}
    assert service.restarts() == 0, service.journal(20)


def test_the_kernel_has_nothing_to_complain_about(target: Target) -> None:
    complaints = r"\bOops\b|\bBUG:|Call trace:|I/O error|Out of memory|undefined instruction"
    _, found = target.run(f"dmesg | grep -E '{complaints}'")
    assert found == ""


@pytest.mark.slow
@pytest.mark.needs("reboot")
def test_comes_back_after_a_reboot(target: Target, service: Service) -> None:
    """What was written stays, and the service listens without anybody's help."""
    earlier = target.check("cat /proc/sys/kernel/random/boot_id")
    target.check(f"mkdir -p {KEPT} && echo kept > {KEPT}/word")
    target.reboot()
    assert target.check("cat /proc/sys/kernel/random/boot_id") != earlier
    service.wait_listening()
    assert target.check(f"cat {KEPT}/word; rm -r {KEPT}") == "kept"
    assert target.check("systemctl --failed --no-legend --plain") == ""


@pytest.mark.slow
@pytest.mark.destructive
@pytest.mark.needs("power_cut")
def test_survives_a_power_cut_while_it_writes(target: Target, service: Service) -> None:
    """What was synced before is whole; of what was being replaced there is the old or the new; it listens again."""
    model = layer.INSTALLED_MODELS / layer.DEFAULT_MODEL
    before = target.check(f"sha256sum < {model}")
    target.check(f"mkdir -p {KEPT}; echo old > {KEPT}/word; sync")
    target.check(
        f"cd {KEPT}; (while :; do dd if=/dev/urandom of=noise bs=64k count=8; echo new > draft; sync draft;"
        " mv draft word; done) >/dev/null 2>&1 & sleep 1"
    )
    target.cut_power()
    service.wait_listening()
    assert target.check(f"cat {KEPT}/word; rm -r {KEPT}") in ("old", "new")
    assert target.check(f"sha256sum < {model}") == before
    assert target.check("systemctl --failed --no-legend --plain") == ""
