# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The console before a real U-Boot: Debian's, in QEMU. It is not Synaptics', but it is no invention of ours either."""

from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from whisper158 import needs
from whisper158.board.console import CTRL_C, CommandFailed, Console, Timeout
from whisper158.board.flash import uboot
from whisper158.board.signs import Facing

PROGRAM = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
QEMU = ("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-m", "256", "-nographic", "-bios", PROGRAM)
# QEMU's own DHCP and TFTP servers, and nothing behind them.
NETWORK = ("-device", "virtio-net-pci,netdev=n,romfile=", "-netdev", "user,id=n,restrict=on,tftp=")
# Of an emulated machine on a busy one.
PATIENCE = 120.0


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    needs.debian("uboot")
    (tmp_path / "tftp" / "SYNAIMG").mkdir(parents=True)
    (tmp_path / "tftp" / "SYNAIMG" / "emmc_part_list").write_text("#GPT\n")
    command = [*QEMU, *NETWORK[:-1], f"{NETWORK[-1]}{tmp_path / 'tftp'}"]
    with Console(pexpect.spawn(command[0], command[1:], timeout=None), log=tmp_path / "log") as console:
        yield console


def test_from_the_countdown_to_a_reset(console: Console) -> None:
    console.catch_uboot(PATIENCE)
    assert console.uboot("version").startswith("U-Boot 20")
    assert console.uboot("echo 'a  b' $?") == "a  b 0"
    console.forget()
    assert console.find_out(PATIENCE) is Facing.UBOOT
    console.forget()
    assert console.find_out(PATIENCE, CTRL_C) is Facing.UBOOT
    console.send_line("reset")
    console.catch_uboot(PATIENCE)
    assert console.uboot("echo again") == "again"


def test_commands_that_fail(console: Console) -> None:
    console.catch_uboot(PATIENCE)
    for command, message in {
        "frobnicate": "Unknown command 'frobnicate'",
        "false": "failed with status 1",
        "run nothing": '## Error: "nothing" not defined',
        "test": "failed with status 1",
    }.items():
        with pytest.raises(CommandFailed, match=message):
            console.uboot(command)
    with pytest.raises(Timeout, match="'sleep 100' did not end within 2 s"):
        console.uboot("sleep 100", timeout=2)
    assert console.uboot("echo still here") == "still here"


def test_the_network_and_its_server(console: Console) -> None:
    """Its `dhcp` also looks for a program to load, and calls it a failure when there is none."""
    console.catch_uboot(PATIENCE)
    assert uboot.network(console) == "10.0.2.15"
    console.uboot("setenv serverip 10.0.2.2")
    console.uboot("tftpboot 0x40200000 SYNAIMG/emmc_part_list", PATIENCE)
    assert "#GPT" in console.uboot("md.b 0x40200000 5")
    with pytest.raises(CommandFailed) as caught:
        console.uboot("tftpboot 0x40200000 SYNAIMG/nothing", PATIENCE)
    assert "File not found" in caught.value.said
