# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# The flashing tool takes "astra" in an image's name as the sign that it is one for these boards, so that stays in it.
# Not require: releases of meta-synaptics before 1.2 have no such image, and who only wants the packages would not even
# get their recipes parsed.
include recipes-bsp/images/astra-core.bb

SUMMARY = "Synaptics' lean image for Astra boards, with speech recognition"
DESCRIPTION = "astra-core of meta-synaptics, which has no desktop, and packagegroup-whisper158: it listens and transcribes."
LICENSE ?= "MIT"

python () {
    if not bb.utils.which(d.getVar("BBPATH"), "recipes-bsp/images/astra-core.bb"):
        raise bb.parse.SkipRecipe(
            "this meta-synaptics has no recipes-bsp/images/astra-core.bb, which our image extends; "
            "any image takes packagegroup-whisper158")
}

# Not +=: astra-core may inherit its class, which sets the list, after this line.
IMAGE_INSTALL:append = " packagegroup-whisper158"
