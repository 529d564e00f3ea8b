# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# Nothing is root's but by root, and nothing comes from shared state. This is done last, after the anonymous functions of all
# classes, some of which set the flags that are taken away here.
python hosttoolchain_tasks() {
    for task in list(d.keys()):
        if task.startswith("do_"):
            d.delVarFlag(task, "fakeroot")
        if task.endswith("_setscene"):
            d.delVarFlag(task, "depends")
}
addhandler hosttoolchain_tasks
hosttoolchain_tasks[eventmask] = "bb.event.RecipeTaskPreProcess"

# Meson hands it on to pkg-config.
do_write_config:append:class-target() {
    sed -i "s|^sys_root = .*|sys_root = '${HOSTTOOLCHAIN_SYSROOT}'|" ${WORKDIR}/meson.cross
}
do_write_config:append:class-native() {
    sed -i "s|'pkg-config-native'|'pkg-config'|" ${WORKDIR}/meson.native
}
