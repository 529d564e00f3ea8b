/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where the daemon's audio comes from: a microphone, or a file or pipe in its place.
 *
 * A source has one thread. It opens the microphone once and keeps it; a card that is absent or was pulled out is waited
 * for, and what else can befall a card is recovered from. Whatever the card or file holds arrives at the listener as
 * mono floats at 16 kHz. All callbacks are made in the source's thread, one at a time, and delay capture as long as they
 * take: a card's buffer is a second or less.
 */
#ifndef DAEMON_SOURCE_H
#define DAEMON_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "source_listener.h"
#include "whisper158.h"

typedef struct Source Source;

#define SOURCE_RECORD_BYTES ((uint64_t)256 << 20)
#define SOURCE_MIN_RECORD_BYTES ((uint64_t)1 << 20)

/* All strings are copied. */
typedef struct SourceOptions {
    const char *device;     /* an ALSA PCM, or the id of a card; NULL: the first USB card that can record */
    const char *input;      /* a file in the microphone's place; "-": standard input; NULL: the microphone */
    bool input_raw;         /* it has no header: 16 kHz, mono, 16 bits, little-endian */
    bool real_time;         /* pass it on as fast as it was spoken, and not as fast as the listener takes it */
    const char *record_dir; /* keep what was heard there, in WAV files; NULL: do not */
    uint64_t record_bytes;  /* that are no larger than this together; 0: SOURCE_RECORD_BYTES; SOURCE_MIN_RECORD_BYTES */
    const struct AlsaDriver *driver; /* alsa.h; NULL: the system's sound cards */
} SourceOptions;

/* Makes a source that does nothing yet. -EINVAL: options that exclude each other; -EMFILE, -ENOMEM. */
int source_new(Source **out, const SourceOptions *options, const SourceListener *listener, whisper158_error *error);

/* Starts the thread. What goes wrong from here on, the listener is told. */
int source_start(Source *source, whisper158_error *error);

/* Ends the thread, within a fraction of a second, and waits for it; not for the source's own callbacks to call. */
void source_stop(Source *source);

/* Closes the microphone and opens it again, by the same choice; files go on. Any thread may call. */
void source_reopen(Source *source);

/* Stops the source and frees it. NULL is allowed. Returns NULL. */
Source *source_free(Source *source);

#endif
