# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
SUMMARY = "Options of the speech recognition daemon"
DESCRIPTION = "The file that whisper158d.service reads its options from. A product that wants others appends to this \
               recipe alone, with a whisper158.default of its own."
SECTION = "multimedia"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://whisper158.default;beginline=1;endline=2;md5=1c6aca01cc4143015e6bdb084db6b36a"

FILESEXTRAPATHS:prepend := "${THISDIR}/../../runtime/daemon/systemd:"
SRC_URI = "file://whisper158.default"
S = "${WORKDIR}"

inherit allarch

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0644 ${S}/whisper158.default ${D}${sysconfdir}/default/whisper158
}

CONFFILES:${PN} = "${sysconfdir}/default/whisper158"
