# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
python () {
    missing = set((d.getVar("REQUIRED_DISTRO_FEATURES") or "").split()) - set(d.getVar("DISTRO_FEATURES").split())
    if missing:
        raise bb.parse.SkipRecipe(f"DISTRO_FEATURES lacks {' '.join(sorted(missing))}")
}
