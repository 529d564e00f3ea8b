/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What microphones and files have in common, inside of source.c: their audio is converted, judged, recorded and handed to
 * the listener; and they end, or begin anew, when another thread says so.
 */
#ifndef DAEMON_FEED_H
#define DAEMON_FEED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alsa.h"
#include "convert.h"
#include "judge.h"
#include "recorder.h"
#include "source_listener.h"

typedef struct Feed {
    const AlsaDriver *driver; /* for its clock, at least */
    SourceListener listener;
    Recorder *recorder; /* NULL: nothing is recorded */
    Converter *converter;
    Judge judge;
    SourceState state;         /* that was told last */
    whisper158_error sentence; /* with it; empty: none was */
    whisper158_error about;    /* what is open ... */
    bool told;                 /* ... and whether the listener knows */
    int wake_fd;               /* can be read when one of these two was set */
    atomic_bool stop, reopen;
} Feed;

/* Prepares for audio of this kind. With the first of it the listener is told where it comes from, `about`. */
int feed_open(Feed *feed, SampleFormat format, uint32_t rate, uint32_t channels, const char *about,
              whisper158_error *error);

/* Returns 0 or a negative errno. */
int feed_push(Feed *feed, const void *data, size_t frames);

/* The end of a file. */
int feed_flush(Feed *feed);

/* So much was lost, in samples at 16 kHz. */
void feed_gap(Feed *feed, uint64_t samples);

/* Tells the listener, but for what it was told last. */
void feed_state(Feed *feed, SourceState state, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Waits so long, or until another thread wants something. */
void feed_pause(Feed *feed, uint64_t nanoseconds);

/* To be called when wake_fd could be read. */
void feed_woken(Feed *feed);

void feed_close(Feed *feed);

/* Writes what is left and tells what was wrong with it; the source's thread must have ended. */
void feed_end_recording(Feed *feed);

#endif
