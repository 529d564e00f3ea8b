/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "gaps.h"

#include <inttypes.h>

#include "log.h"

static void tell(Gaps *gaps) {
    if (gaps->count == 1)
        log_line(LOG_WARNING, "%.2f s of the input were not captured", gaps->seconds);
    else if (gaps->count > 1)
        log_line(LOG_WARNING, "%.2f s of the input were not captured, in %" PRIu64 " places", gaps->seconds,
                 gaps->count);
    gaps->count = 0;
    gaps->seconds = 0.0;
}

static void tell_more(Timer *timer);

static void tell_and_be_quiet(Gaps *gaps) {
    tell(gaps);
    loop_set_timer(gaps->loop, &gaps->quiet, gaps->pause, tell_more, gaps);
}

static void tell_more(Timer *timer) {
    Gaps *const gaps = timer->user;

    if (gaps->count > 0)
        tell_and_be_quiet(gaps);
}

void gaps_add(Gaps *gaps, double seconds) {
    gaps->count++;
    gaps->seconds += seconds;
    if (!gaps->quiet.loop || seconds >= GAPS_LONG)
        tell_and_be_quiet(gaps);
}

void gaps_end(Gaps *gaps) {
    timer_cancel(&gaps->quiet);
    tell(gaps);
}
