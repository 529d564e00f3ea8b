/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_CLOCK_H
#define W158_CLOCK_H

#include <time.h>

/* What a clock of clock_gettime(2) shows, in seconds; 0 for one that cannot be read. */
static inline double clock_seconds(clockid_t clock) {
    struct timespec t;

    return clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}

#endif
