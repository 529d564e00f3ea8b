# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Machines in QEMU: the image that needs no Yocto, and the one that kas built."""

from dataclasses import dataclass
from pathlib import Path

from whisper158.board import report, ssh
from whisper158.board.machine import Capability, Machine
from whisper158.board.options import Options
from whisper158.board.qemu import Bootable, Emulator
from whisper158.board.target import Facts, Target, Wires
from whisper158.build import emulator, kas
from whisper158.build.emulator.image import Image
from whisper158.data.audio import load
from whisper158.errors import die
from whisper158.evaluate.sounds import Clip
from whisper158.model import models


@dataclass(frozen=True)
class Deployed:
    """An image of kas's, as BitBake leaves it: a kernel that needs no initial RAM disk, and a root file system."""

    root: Path
    kernel: Path
    initrd: Path | None = None
    kernel_line: str = "root=/dev/vda rw"


class QemuBench:
    """Without `keys`, the guest's are read over its console, at each start."""

    def __init__(
        self, machine: Machine, image: Bootable, facts: Facts, keys: frozenset[str], identity: Path | None, out: Path
    ) -> None:
        self.machine = machine
        self.can: frozenset[Capability] = machine.can
        self.facts = facts
        self.keys = keys
        self.identity = identity
        self.log: Path | None = out / report.CONSOLE
        self.board = Emulator(image, log=self.log)
        self.state = self.board.folder / "state.qcow2"

    def start(self) -> Wires:
        self.board.boot(self.machine.budget.boot)
        return self._connect()

    def reboot(self, wires: Wires) -> Wires:
        if wires.ssh is not None:
            wires.ssh.close()
        self.board.console.login()
        self.board.console.send_line("systemctl reboot")
        self.board.console.expect("login: *$", self.machine.budget.boot)
        return self._connect()

    def cut_power(self, wires: Wires) -> Wires:
        wires.close()
        self.board.power_cut()
        return self.start()

    def save(self, wires: Wires) -> Wires:
        wires.close()
        self.board.save(self.state)
        return self.restore(wires)

    def restore(self, wires: Wires) -> Wires:
        wires.close()
        self.board.power_cut()
        self.board.power_on(state=self.state)
        return self._connect()

    def say(self, target: Target, clip: Clip) -> None:
        self.board.microphone.say(self.board.pid, load(clip.path))

    def close(self) -> None:
        self.board.close()

    def _connect(self) -> Wires:
        console = self.board.console
        console.forget()
        console.login(self.machine.budget.boot)
        address = ssh.Address("127.0.0.1", self.board.port("ssh"), identity=self.identity)
        keys = self.keys or ssh.fingerprints(console.check(ssh.PUBLIC_KEYS))
        return Wires(console, ssh.connect(address, keys, self.machine.budget.boot))


def debian(machine: Machine, options: Options, out: Path) -> QemuBench:
    """The image that is made without Yocto, now if need be."""
    image = Image(Path(options.image) if options.image else emulator.build(options.model or models.DEFAULT))
    if not image.root.is_file():
        die(f"--image: {image.folder} is no image for the emulator", "./inv build-image --machine emulator makes one")
    facts = image.facts
    _, _, key = image.known_hosts.read_text().partition(" ")
    expected = Facts(facts["version"], facts["model"]["sha256"])
    return QemuBench(machine, image, expected, ssh.fingerprints(key), image.key, out)


def deployed(machine: Machine, options: Options, out: Path) -> QemuBench:
    """The image that `./inv build-image` had kas build."""
    folder = Path(options.image) if options.image else kas.folders(machine.name).images(machine.name)
    roots = sorted(folder.glob(f"*-{machine.name}.rootfs.ext4")) or sorted(folder.glob(f"*-{machine.name}.ext4"))
    if not roots or not (folder / "Image").is_file():
        die(
            f"{folder} has no image for {machine.name}: a file Image and one *-{machine.name}.rootfs.ext4",
            f"./inv build-image --machine {machine.name} makes it",
        )
    image = Deployed(roots[0], folder / "Image")
    return QemuBench(machine, image, Facts.of_checkout(options.model), frozenset(), None, out)
