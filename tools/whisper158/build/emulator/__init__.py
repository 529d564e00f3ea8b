# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The image for the emulator: Debian's arm64 around our runtime, units, configuration and model, without Yocto."""

from whisper158.build.emulator.image import build as build
