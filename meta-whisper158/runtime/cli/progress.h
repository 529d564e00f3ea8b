/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * How far a long file is: one line that is written over on a terminal, one line for every tenth elsewhere.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Progress {
    const char *file; /* borrowed */
    bool shown;
    bool terminal;
    unsigned tenths; /* of the file, that have been told */
    uint64_t done;   /* samples, at the last update */
    double started;  /* seconds of the monotonic clock */
} Progress;

/* Seconds of the monotonic clock. */
double now(void);

void progress_start(Progress *progress, const char *file, bool shown);

/* `done` of `total` samples at 16 kHz are transcribed. */
void progress_update(Progress *progress, uint64_t done, uint64_t total);

#endif
