# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
inherit image
IMAGE_INSTALL ?= "packagegroup-core-boot"
