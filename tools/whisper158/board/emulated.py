# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Machines in QEMU: the image that needs no Yocto, and the one that kas built."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from whisper158.board import packages, report, ssh, state
from whisper158.board.machine import EMULATOR, Capability, Machine
from whisper158.board.options import Options
from whisper158.board.qemu import Emulator, Hardware
from whisper158.board.service import Service
from whisper158.board.target import Facts, Target, Upgrade, Wires
from whisper158.build import emulator, kas
from whisper158.build.emulator import upgrade
from whisper158.build.emulator.image import Image
from whisper158.build.report import OURS
from whisper158.cache import make_entry
from whisper158.console import step
from whisper158.data.audio import load
from whisper158.errors import die
from whisper158.evaluate.sounds import Clip
from whisper158.model import models

Newer = Callable[[Path], Upgrade]


@dataclass(frozen=True)
class Deployed:
    """An image of kas's, as BitBake leaves it: a kernel that needs no initial RAM disk, and a root file system."""

    root: Path
    kernel: Path
    initrd: Path | None = None
    kernel_line: str = "root=/dev/vda rw"


@dataclass(frozen=True)
class Access:
    """How the guest and we know each other. Without `keys`, the guest's are read over its console, at each start."""

    keys: frozenset[str] = frozenset()
    identity: Path | None = None


class QemuBench:
    """Without `access`, the machine has nothing but its console.

    States are kept in the folder `store`, by default with the machine's other files, which go when it does.
    """

    def __init__(
        self,
        machine: Machine,
        board: Emulator,
        facts: Facts,
        access: Access | None,
        store: Path | None = None,
        newer: Newer | None = None,
    ) -> None:
        self.machine = machine
        self.can: frozenset[Capability] = machine.can - without("ssh", access) - without("upgrade", newer)
        self.facts = facts
        self.access = access
        self.board = board
        self.log: Path | None = board.console_log
        self.store = store or board.folder
        self.newer = newer

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
        """Where a state of this machine is kept already, that one serves as well."""
        make_entry(self.entry(), lambda folder: self.keep(wires, folder))
        return self.restore(wires)

    def keep(self, wires: Wires, folder: Path) -> None:
        if wires.ssh is not None:
            wires.ssh.close()
        state.save(self.board, folder)

    def restore(self, wires: Wires) -> Wires:
        wires.close()
        self.board.power_cut()
        self.board.power_on(state=state.file(self.entry()))
        return self._connect()

    def say(self, target: Target, clip: Clip) -> None:
        self.board.microphone.say(self.board.pid, load(clip.path))

    def upgrade(self, out: Path) -> Upgrade:
        assert self.newer is not None, "tests that upgrade are marked needs('upgrade')"
        return self.newer(out)

    def close(self) -> None:
        self.board.close()

    def entry(self) -> Path:
        """Where its state is kept, or would be."""
        return self.store / state.name(self.board)

    def _connect(self) -> Wires:
        console = self.board.console
        console.forget()
        console.login(self.machine.budget.boot)
        if self.access is None:
            return Wires(console, None)
        address = ssh.Address("127.0.0.1", self.board.port("ssh"), identity=self.access.identity)
        keys = self.access.keys or ssh.fingerprints(console.check(ssh.PUBLIC_KEYS, self.machine.budget.boot))
        return Wires(console, ssh.connect(address, keys, self.machine.budget.boot))


def without(name: Capability, means: object) -> frozenset[Capability]:
    """What a machine lacks that has not the means for it."""
    return frozenset() if means else frozenset((name,))


def at_console(image: Image, hardware: Hardware | None = None) -> QemuBench:
    """A machine with the image that is made without Yocto, for who needs no more than its console."""
    return QemuBench(EMULATOR, Emulator(image, hardware=hardware), facts_of(image), None, image.folder)


def facts_of(image: Image) -> Facts:
    return Facts(image.facts["version"], image.facts["model"]["sha256"])


def debian(options: Options, out: Path) -> QemuBench:
    """The image that is made without Yocto, now if need be. Newer packages are made of this checkout and the model."""
    model = options.model or models.DEFAULT
    image = Image(Path(options.image) if options.image else emulator.build(model))
    if not image.root.is_file():
        die(f"--image: {image.folder} is no image for the emulator", "./inv build-image --machine emulator makes one")
    _, _, key = image.known_hosts.read_text().partition(" ")
    access = Access(ssh.fingerprints(key), image.key)
    board = Emulator(image, log=out / report.CONSOLE)

    def newer(folder: Path) -> Upgrade:
        debs, digest = upgrade.newer(models.ensure(model), folder)
        return Upgrade(tuple(debs), upgrade.foreign(debs[0], folder), digest)

    return QemuBench(EMULATOR, board, facts_of(image), access, image.folder, newer)


def deployed(machine: Machine, options: Options, out: Path) -> QemuBench:
    """The image that `./inv build-image` had kas build."""
    folder = Path(options.image) if options.image else kas.folders(machine.name).images(machine.name)
    roots = sorted(folder.glob(f"*-{machine.name}.rootfs.ext4")) or sorted(folder.glob(f"*-{machine.name}.ext4"))
    # Beside ours there may be others, such as one that was built to see whether the machine boots at all.
    roots = [root for root in roots if root.name.startswith(OURS)] or roots
    if len(roots) > 1:
        die(f"{folder} has several images: {', '.join(root.name for root in roots)}", "move all but one elsewhere")
    if not roots or not (folder / "Image").is_file():
        die(
            f"{folder} has no image for {machine.name}: a file Image and one *-{machine.name}.rootfs.ext4",
            f"./inv build-image --machine {machine.name} makes it",
        )
    board = Emulator(Deployed(roots[0], folder / "Image"), log=out / report.CONSOLE)
    newer = (lambda _: packages.in_folder(Path(options.packages))) if options.packages else None
    return QemuBench(machine, board, Facts.of_checkout(options.model), Access(), newer=newer)


def ready(image: Path, hardware: Hardware | None = None) -> Path:
    """The state (Emulator.power_on) of a machine that waits at its login and listens; made at first use."""
    machine = at_console(Image(image), hardware)
    target = Target(EMULATOR, machine)

    def fill(folder: Path) -> None:
        with step("Starting the emulator for the first time"):
            target.start()
            Service(target).wait_listening()
            machine.keep(target.wires, folder)

    try:
        # It belongs to the image and goes with it.
        return state.file(make_entry(machine.entry(), fill))
    finally:
        target.close()
