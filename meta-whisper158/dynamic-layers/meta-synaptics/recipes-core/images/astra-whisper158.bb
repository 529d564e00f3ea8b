# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# The flashing tool takes "astra" in an image's name as the sign that it is one for these boards, so that stays in it.
require recipes-bsp/images/astra-core.bb

SUMMARY = "Synaptics' lean image for Astra boards, with speech recognition"
DESCRIPTION = "astra-core of meta-synaptics, which has no desktop, and packagegroup-whisper158: it listens and transcribes."

# Not +=: astra-core may inherit its class, which sets the list, after this line.
IMAGE_INSTALL:append = " packagegroup-whisper158"
