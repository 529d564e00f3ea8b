# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# The variant of a recipe for the machine that builds.
CLASSOVERRIDE = "class-native"

python native_virtclass_handler () {
    if d.getVar("PN").endswith("-native"):
        return
    d.setVar("PN", d.getVar("PN", False) + "-native")
}
addhandler native_virtclass_handler
native_virtclass_handler[eventmask] = "bb.event.RecipePreFinalise"
