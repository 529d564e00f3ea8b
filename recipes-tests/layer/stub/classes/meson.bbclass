# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# Runs Meson, for the processor and with the libraries of STUB_CROSS_FILE. It is of the kind that OpenEmbedded-Core's writes:
# a build type of "plain", and the flags of the distribution. A native recipe is built for the machine at hand.

B = "${WORKDIR}/build"
MESON_CROSS:class-target = "--cross-file ${STUB_CROSS_FILE}"
MESON_CROSS ??= ""

meson_do_configure() {
    meson setup ${B} ${S} --buildtype plain --prefix ${prefix} --bindir bin --libdir lib --includedir include \
        --datadir share --mandir share/man --sysconfdir ${sysconfdir} --wrap-mode nodownload ${MESON_CROSS} \
        -Dc_args="${STUB_CFLAGS} ${FULL_OPTIMIZATION}" ${EXTRA_OEMESON} ${PACKAGECONFIG_CONFARGS}
}

meson_do_compile() {
    ninja -C ${B} -j${STUB_JOBS}
}

meson_do_install() {
    DESTDIR=${D} meson install -C ${B} --no-rebuild --quiet
}

EXPORT_FUNCTIONS do_configure do_compile do_install
