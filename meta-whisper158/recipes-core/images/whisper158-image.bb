# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
SUMMARY = "A small image that listens and transcribes"
DESCRIPTION = "For any machine: what boots, a secure shell, and packagegroup-whisper158."
LICENSE = "MIT"

IMAGE_FEATURES += "ssh-server-dropbear"

inherit core-image features_check

REQUIRED_DISTRO_FEATURES = "alsa systemd"

IMAGE_INSTALL += "packagegroup-whisper158"
