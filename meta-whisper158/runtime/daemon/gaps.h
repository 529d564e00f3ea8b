/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the log says of input that was lost. A machine that cannot keep up loses some every second, for as long as that
 * lasts: the first gap is told of at once, and so is a long one; others all together, a minute later.
 */
#ifndef DAEMON_GAPS_H
#define DAEMON_GAPS_H

#include <stdint.h>

#include "loop.h"

#define GAPS_PAUSE 60.0
#define GAPS_LONG 1.0

/* Of the main thread. */
typedef struct Gaps {
    Loop *loop;
    double pause;   /* seconds between two lines, at least */
    Timer quiet;    /* set: a line was written less than that ago */
    uint64_t count; /* of gaps that no line has told of yet ... */
    double seconds; /* ... and how long they were */
} Gaps;

void gaps_add(Gaps *gaps, double seconds);

/* Tells of what is left. Nothing may be added afterwards. */
void gaps_end(Gaps *gaps);

#endif
