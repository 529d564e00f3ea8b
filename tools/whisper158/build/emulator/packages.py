# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What of Debian is in the guest, and what of that is left out."""

# A board's user space: what boots, logs in and records, and the libraries that the runtime is linked against.
USERLAND = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "findutils", "grep", "gzip", "hostname"),
    *("kmod", "libc-bin", "libpam-modules", "libpam-runtime", "login", "mawk", "mount", "ncurses-base", "passwd"),
    *("procps", "sed", "tar", "tzdata", "udev", "util-linux"),
    # What dpkg wants to find.
    *("diffutils", "dpkg"),
    *("systemd", "systemd-sysv", "iproute2", "openssh-server", "e2fsprogs"),
    *("alsa-utils", "libasound2-data"),
    *("libjson-c5", "libmicrohttpd12", "libsamplerate0", "libsndfile1", "libxxhash0"),
)

# Names the newest kernel of the release.
KERNEL = "linux-image-arm64"
# For the initial RAM disk: one program without libraries.
BUSYBOX = "busybox-static"

# What only people, compilers and package managers look at: half of the packages' content. Relative to the root.
PRUNED = (
    *("etc/cron.*", "etc/init.d", "etc/rc?.d", "etc/sv", "usr/games", "usr/include", "usr/src"),
    *("usr/bin/perl*", "usr/lib/*/perl*", "usr/lib/*/libperl*", "usr/share/perl*", "usr/lib/*/gconv"),
    *("usr/lib/udev/hwdb.d", "usr/lib/systemd/catalog", "usr/share/bash-completion", "usr/share/bug"),
    *("usr/share/doc", "usr/share/i18n", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man"),
    *("usr/share/polkit-1", "usr/share/sounds", "usr/share/zsh", "usr/share/zoneinfo/[!E]*", "var/log/runit"),
)

# Modules that the running system may ask for, those that they need aside.
MODULES = (
    *("crc32c_generic", "ext4", "overlay", "virtio_blk", "virtio_mmio", "virtio_net", "virtio_pci", "virtio-rng"),
    *("snd-aloop", "snd-hda-codec-generic", "snd-hda-intel"),
)
# Those without which the root file system cannot be reached. ext4 asks for its checksum by the name of an algorithm.
BOOT_MODULES = ("virtio_mmio", "virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
