# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# Adds a package with tests where DISTRO_FEATURES asks for them.
PTEST_PATH = "${libdir}/${BPN}/ptest"
PTEST_ENABLED = "${@bb.utils.contains('DISTRO_FEATURES', 'ptest', '1', '0', d)}"
PTEST_ENABLED:class-native = ""
PACKAGES =+ "${@bb.utils.contains('PTEST_ENABLED', '1', '${PN}-ptest', '', d)}"
FILES:${PN}-ptest = "${PTEST_PATH}"

do_install_ptest() {
    :
}

do_install_ptest_base() {
    install -d ${D}${PTEST_PATH}
    install -m 0755 ${WORKDIR}/run-ptest ${D}${PTEST_PATH}/run-ptest
    do_install_ptest
}

python () {
    if d.getVar("PTEST_ENABLED") == "1":
        d.appendVar("do_install", "\n    do_install_ptest_base\n")
}
