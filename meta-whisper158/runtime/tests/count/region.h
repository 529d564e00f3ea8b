/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Divides the run of a program into regions, for the plugin that counts its instructions
 * (tools/whisper158/count/plugin.c): all that is executed from here on belongs to region `number`. The plugin sees a
 * system call that no kernel has; without the plugin nothing happens.
 */
#ifndef W158_REGION_H
#define W158_REGION_H

#include <unistd.h>

#define REGION_SYSCALL 158158L

static inline void region(long number) {
    (void)syscall(REGION_SYSCALL, number);
}

#endif
