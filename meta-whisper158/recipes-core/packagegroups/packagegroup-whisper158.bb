# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
SUMMARY = "Speech recognition on a board: program, daemon, model and configuration"
DESCRIPTION = "What an image installs to listen to a microphone and transcribe what is said."

# It recommends parts of alsa-utils and of the kernel, which are not the same for all architectures.
PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup features_check

# Without systemd nothing would start the daemon, and without ALSA it would hear nothing.
REQUIRED_DISTRO_FEATURES = "alsa systemd"

RDEPENDS:${PN} = "\
    whisper158 \
    whisper158-conf \
    whisper158-daemon \
    whisper158-model \
"
# To look after a microphone; and the driver of those on USB, where the kernel has it as a module.
RRECOMMENDS:${PN} = "\
    alsa-utils-alsactl \
    alsa-utils-amixer \
    alsa-utils-aplay \
    kernel-module-snd-usb-audio \
"
