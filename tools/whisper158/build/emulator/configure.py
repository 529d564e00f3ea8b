# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the packages' own scripts would have done, without running a program of the guest's; and what makes the
guest our board: its network, its keys, its services.
"""

import hashlib
import shutil
from pathlib import Path

from whisper158.build import layer
from whisper158.build.emulator import keys
from whisper158.run import run

HOST_NAME = "whisper158"
# How QEMU's user network calls a guest and itself. It answers DHCP, too, but later.
ADDRESS, GATEWAY = "10.0.2.15", "10.0.2.2"
# The emulated sound card, as alsa-lib calls it. It sits on PCI, and on its own the daemon takes USB's only.
CARD = "Intel"

FOLDERS = ("dev", "home", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "var/log", "var/tmp")

LINKS = {"var/run": "/run", "var/lock": "/run/lock", "usr/bin/sh": "dash", "usr/bin/awk": "mawk"}

PAM = {
    "auth": "auth required pam_unix.so nullok",
    "account": "account required pam_unix.so",
    "password": "password required pam_unix.so",
    "session": "session required pam_unix.so",
    "session-noninteractive": "session required pam_unix.so",
}

# Users and groups of packages that have no sysusers.d of their own: sshd's, and those of udev's rules.
SYSUSERS = 'u sshd - "sshd privilege separation" /run/sshd\ng input -\ng kvm -\ng render -\ng sgx -\n'

FILES = {
    "etc/hostname": f"{HOST_NAME}\n",
    "etc/hosts": f"127.0.0.1 localhost {HOST_NAME}\n::1 localhost\n",
    "etc/machine-id": hashlib.sha256(b"whisper158 emulator").hexdigest()[:32] + "\n",
    "etc/environment": "",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/fstab": "# The root file system was mounted by the initial RAM disk.\n",
    "etc/systemd/network/10-qemu.network": (
        f"[Match]\nName=eth*\n\n[Network]\nAddress={ADDRESS}/24\nGateway={GATEWAY}\nLinkLocalAddressing=no\n"
        "IPv6AcceptRA=no\n"
    ),
    # Keys only: the console, which lets root in without a password, is reached by whoever started QEMU and nobody else.
    "etc/ssh/sshd_config.d/emulator.conf": "PasswordAuthentication no\nUsePAM no\nUseDNS no\n",
    # As on the board: what was logged is gone with the power.
    "etc/systemd/journald.conf.d/emulator.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n",
    # Every device that udev looks at costs the emulator a tenth of a second: only those that something waits for.
    "etc/systemd/system/systemd-udev-trigger.service.d/emulator.conf": (
        "[Service]\nExecStart=\n"
        "ExecStart=-udevadm trigger --action=add --sysname-match=ttyAMA0 --sysname-match=vd* --sysname-match=eth*\n"
        "ExecStart=-udevadm trigger --action=add --subsystem-match=sound --subsystem-match=net"
        " --subsystem-match=virtio --subsystem-match=pci\n"
    ),
    # QEMU's user network hands connections of the host's on as coming from its gateway.
    "etc/systemd/system/whisper158d-wyoming.socket.d/emulator.conf": (
        f"[Socket]\nListenStream=\nListenStream={layer.WYOMING_PORT}\n"
        f"IPAddressDeny=any\nIPAddressAllow=localhost {GATEWAY}\n"
    ),
}

# Beside what packages enable themselves.
ENABLED = ("systemd-networkd.service", "ssh.service", "whisper158d-wyoming.socket")

# What an emulated machine has no use for; each costs seconds of a start.
MASKED = (
    *("alsa-restore.service", "alsa-state.service", "dev-hugepages.mount", "dev-mqueue.mount"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "getty-static.service"),
    *("ldconfig.service", "kmod-static-nodes.service", "proc-sys-fs-binfmt_misc.automount"),
    *("sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-debug.mount"),
    *("sys-kernel-tracing.mount", "systemd-ask-password-console.path", "systemd-ask-password-wall.path"),
    *("systemd-binfmt.service", "systemd-boot-system-token.service", "systemd-firstboot.service"),
    *("systemd-fsck-root.service", "systemd-hwdb-update.service", "systemd-journal-catalog-update.service"),
    *("systemd-journal-flush.service", "systemd-logind.service", "systemd-machine-id-commit.service"),
    *("systemd-network-generator.service", "systemd-networkd-wait-online.service", "systemd-pcrmachine.service"),
    *("systemd-pcrphase-sysinit.service", "systemd-pcrphase.service", "systemd-random-seed.service"),
    *("systemd-remount-fs.service", "systemd-repart.service", "systemd-sysusers.service"),
    *("systemd-tmpfiles-clean.timer", "systemd-update-done.service", "systemd-update-utmp-runlevel.service"),
    "systemd-update-utmp.service",
)


def configure(tree: Path, key_folder: Path, options: tuple[str, ...]) -> None:
    """Makes the unpacked root file system `tree`, which has our runtime in it, one that boots.

    `options` are whisper158d's, besides those that the emulated machine needs whatever the model.
    """
    folders(tree)
    users(tree)
    files(tree)
    ssh(tree, key_folder)
    services(tree)
    with (tree / layer.INSTALLED_CONFIGURATION.relative_to("/")).open("a") as file:
        file.write(f'WHISPER158D_OPTIONS="{" ".join([f"--device={CARD}", *options])}"\n')


def folders(tree: Path) -> None:
    for name in FOLDERS:
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "root").chmod(0o700)
    for name in ("tmp", "var/tmp"):
        (tree / name).chmod(0o1777)
    for name, target in LINKS.items():
        link(tree / name, target)


def link(path: Path, target: str) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def users(tree: Path) -> None:
    """Root needs no password on the console; others cannot log in."""
    masters = tree / "usr" / "share" / "base-passwd"
    root, *others = (masters / "passwd.master").read_text().splitlines()
    fields = root.split(":")
    root = ":".join([fields[0], "x", *fields[2:-1], "/bin/bash"])
    (tree / "etc" / "passwd").write_text("\n".join([root, *others]) + "\n")
    shutil.copyfile(masters / "group.master", tree / "etc" / "group")
    names = [line.partition(":")[0] for line in others]
    shadow = ["root::19000:0:99999:7:::", *(f"{name}:*:19000:0:99999:7:::" for name in names)]
    (tree / "etc" / "shadow").write_text("\n".join(shadow) + "\n")
    (tree / "etc" / "gshadow").write_text("")
    for name in ("shadow", "gshadow"):
        (tree / "etc" / name).chmod(0o640)
    (tree / "usr" / "lib" / "sysusers.d" / "emulator.conf").write_text(SYSUSERS)
    run(["systemd-sysusers", f"--root={tree}"])


def files(tree: Path) -> None:
    for name, line in PAM.items():
        write(tree / "etc" / "pam.d" / f"common-{name}", f"{line}\n")
    shutil.copyfile(tree / "usr" / "share" / "base-files" / "profile", tree / "etc" / "profile")
    for path, text in FILES.items():
        write(tree / path, text)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def ssh(tree: Path, key_folder: Path) -> None:
    target = tree / "etc" / "ssh"
    shutil.copyfile(tree / "usr" / "share" / "openssh" / "sshd_config", target / "sshd_config")
    for name in (keys.HOST, f"{keys.HOST}.pub"):
        shutil.copyfile(key_folder / name, target / name)
    (target / keys.HOST).chmod(0o600)
    authorized = tree / "root" / ".ssh" / "authorized_keys"
    authorized.parent.mkdir(mode=0o700)
    shutil.copyfile(key_folder / f"{keys.OWNER}.pub", authorized)
    authorized.chmod(0o600)


def services(tree: Path) -> None:
    systemctl = ["systemctl", f"--root={tree}", "--quiet"]
    run([*systemctl, "set-default", "multi-user.target"])
    run([*systemctl, "enable", *ENABLED])
    run([*systemctl, "mask", *MASKED])
