# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# Units that are to be enabled must be in a package that there is. Of each, the files are added to its package.
SYSTEMD_PACKAGES ??= "${PN}"
SYSTEMD_PACKAGES:class-native = ""

python () {
    for package in d.getVar("SYSTEMD_PACKAGES").split():
        units = d.getVar(f"SYSTEMD_SERVICE:{package}")
        if package not in d.getVar("PACKAGES").split():
            bb.fatal(f"SYSTEMD_PACKAGES has {package}, and PACKAGES has not")
        if not units:
            bb.fatal(f"SYSTEMD_SERVICE:{package} is not set")
        d.appendVar(f"FILES:{package}", "".join(f" ${{systemd_system_unitdir}}/{unit}" for unit in units.split()))
}
