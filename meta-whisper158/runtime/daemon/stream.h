/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_STREAM_H
#define DAEMON_STREAM_H

#include <stdbool.h>

#include "feed.h"

typedef struct StreamOptions {
    const char *path; /* "-": standard input */
    bool raw;
    bool real_time;
} StreamOptions;

/* Reads a file or pipe to its end, or until the source is stopped. Returns 0 or a negative errno, and always a sentence. */
int stream_run(Feed *feed, const StreamOptions *options, whisper158_error *sentence);

#endif
