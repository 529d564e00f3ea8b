# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
python () {
    for task in list(d.keys()):
        # Nothing is root's but by root, and nothing comes from shared state.
        if task.endswith("_setscene"):
            d.delVarFlag(task, "depends")
        if d.getVarFlag(task, "task", False):
            d.delVarFlag(task, "fakeroot")
}

# Meson hands it on to pkg-config.
do_write_config:append:class-target() {
    sed -i "s|^sys_root = .*|sys_root = '${HOSTTOOLCHAIN_SYSROOT}'|" ${WORKDIR}/meson.cross
}
