/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

double now(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_start(Progress *progress, const char *file, bool shown) {
    *progress = (Progress){.file = file, .shown = shown, .terminal = isatty(STDERR_FILENO) == 1, .started = now()};
}

typedef struct Clock {
    char text[24]; /* 1:02:03, or 2:03 */
} Clock;

static Clock clock_of(uint64_t samples) {
    const unsigned long long s = samples / WHISPER158_SAMPLE_RATE;
    Clock clock;

    if (s >= 3600)
        (void)snprintf(clock.text, sizeof clock.text, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else
        (void)snprintf(clock.text, sizeof clock.text, "%llu:%02llu", s / 60, s % 60);
    return clock;
}

void progress_update(Progress *progress, uint64_t done, uint64_t total) {
    const double elapsed = now() - progress->started;
    const double speed = elapsed > 0.0 ? (double)done / WHISPER158_SAMPLE_RATE / elapsed : 0.0;
    const unsigned tenths = total ? (unsigned)(10 * done / total) : 10;
    const unsigned percent = total ? (unsigned)(100 * done / total) : 100;
    void (*const say)(const char *, ...) = progress->terminal ? report_transient : report;

    if (!progress->shown || done == progress->done || (!progress->terminal && tenths <= progress->tenths))
        return;
    progress->done = done;
    progress->tenths = tenths;
    say("%3u %% (%s of %s, %.1fx real time) %s", percent, clock_of(done).text, clock_of(total).text, speed,
        progress->file);
}
