# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
SUMMARY = "Speech recognition with ternary Whisper models"
SUMMARY:lib${BPN} = "${SUMMARY} - the library"
SUMMARY:${PN}-daemon = "${SUMMARY} - the daemon"
SUMMARY:${PN}-bash-completion = "${SUMMARY} - bash completes its command lines"
DESCRIPTION = "OpenAI's Whisper with 1.58-bit weights for the processors of small boards: a C library, \
               the program whisper158, and the daemon whisper158d, which listens to a microphone and serves what it \
               hears on a Unix socket, by the Wyoming protocol and by HTTP. Nothing of what is heard leaves the machine."
SECTION = "multimedia"
# PD is the recording that "whisper158 selftest" listens to. xxHash, under the BSD licence, is a header that the library is
# compiled with, so that no package of its own brings its notice into an image.
LICENSE = "MIT & BSD-2-Clause & PD"
LICENSE:${PN} = "MIT & PD"
LICENSE:lib${BPN} = "MIT & BSD-2-Clause"
LICENSE:${PN}-daemon = "MIT"
LICENSE:${PN}-bash-completion = "MIT"
LIC_FILES_CHKSUM = "file://../COPYING.MIT;md5=be5294a867a71b1baffa38bede893b26 \
                    file://../COPYING.xxhash;md5=64d0a6eb589940ecb514ea4a7b4cc89e \
                    file://selftest/speech.txt;md5=e395b831b66e1c06d5d7e0de1beb1cff"

DEPENDS = "xxhash"

# The sources are a folder of the layer. Fetched as file://, unlike with externalsrc, they are hashed file by file, and what
# was built of them can come from shared state.
FILESEXTRAPATHS:prepend := "${THISDIR}/../..:"
SRC_URI = "file://runtime \
           file://COPYING.MIT \
           file://COPYING.xxhash \
           file://run-ptest"
S = "${WORKDIR}/runtime"

inherit meson pkgconfig ptest systemd

PACKAGECONFIG ??= "cli daemon"
# The library alone: oe-core has no libsndfile1-native and no libsamplerate0-native.
PACKAGECONFIG:class-native ??= ""
PACKAGECONFIG[cli] = "-Dcli=enabled,-Dcli=disabled,json-c libsamplerate0 libsndfile1"
PACKAGECONFIG[daemon] = "-Ddaemon=enabled,-Ddaemon=disabled,alsa-lib libmicrohttpd"
# The pages need scdoc, which neither OpenEmbedded-Core nor meta-openembedded has for scarthgap.
PACKAGECONFIG[man] = "-Dman=enabled,-Dman=disabled,scdoc-native"
# Announces the daemon's Wyoming port to the network, which is wise where whisper158d-wyoming.socket is open to it only.
PACKAGECONFIG[avahi] = "-Davahiservicedir=${sysconfdir}/avahi/services"

# OpenEmbedded-Core has the first of these shells only.
EXTRA_OEMESON = "-Dcompletions=bash"
EXTRA_OEMESON += "-Dsystemdsystemunitdir=${systemd_system_unitdir} -Ddefaultsdir=${sysconfdir}/default"
EXTRA_OEMESON += "-Dtests=${@bb.utils.contains('PTEST_ENABLED', '1', 'true', 'false', d)}"

# What the project builds, counts and measures is -O3; the last one counts.
FULL_OPTIMIZATION:append = " -O3"

do_install:append() {
    # This file is the package whisper158-conf's, so that a product can have its own.
    rm -f ${D}${sysconfdir}/default/whisper158
    rmdir --ignore-fail-on-non-empty ${D}${sysconfdir}/default ${D}${sysconfdir} 2>/dev/null || true
}

# Those that a board can run with no more than the model that comes with whisper158 selftest.
PTESTS = "test_blob test_context test_memory test_pool test_sample test_tokens test_tuning test_vad"

do_install_ptest() {
    install -m 0755 ${B}/tests/check-kernels ${D}${PTEST_PATH}/
    for test in ${PTESTS}; do
        install -m 0755 ${B}/tests/$test ${D}${PTEST_PATH}/
    done
}

PACKAGE_BEFORE_PN = "lib${BPN} ${PN}-daemon ${PN}-bash-completion"

FILES:lib${BPN} = "${libdir}/libwhisper158${SOLIBS}"
FILES:${PN} = "${bindir}/whisper158 ${datadir}/whisper158/selftest"
FILES:${PN}-bash-completion = "${datadir}/bash-completion"
FILES:${PN}-daemon = "\
    ${bindir}/whisper158d \
    ${datadir}/whisper158/avahi \
    ${sysconfdir}/avahi/services/whisper158.service \
    ${systemd_system_unitdir} \
"
RDEPENDS:${PN}-daemon:class-target = "${@bb.utils.contains('PACKAGECONFIG', 'avahi', 'avahi-daemon', '', d)} whisper158-conf"
RDEPENDS:${PN}-bash-completion:class-target = "bash-completion"
RRECOMMENDS:${PN}:class-target = "whisper158-model"
RRECOMMENDS:${PN}-daemon:class-target = "whisper158-model"

# The daemon runs under a dynamic user, so there is none to add. Wyoming's socket is installed and not enabled.
SYSTEMD_PACKAGES = "${@bb.utils.contains('PACKAGECONFIG', 'daemon', '${PN}-daemon', '', d)}"
SYSTEMD_SERVICE:${PN}-daemon = "whisper158d.service whisper158d.socket"

# The names of packages on a board are those that stand here.
DEBIAN_NOAUTONAME:lib${BPN} = "1"

BBCLASSEXTEND = "native"
