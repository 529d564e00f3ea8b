/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* What a source of audio tells whoever listens to it. */
#ifndef DAEMON_SOURCE_LISTENER_H
#define DAEMON_SOURCE_LISTENER_H

#include <stddef.h>
#include <stdint.h>

/* What is known about the input. The first three are about the card, the others about what it delivers. */
typedef enum SourceState {
    SOURCE_WAITING, /* there is no card to record from; one is waited for */
    SOURCE_OPEN,    /* audio is coming */
    SOURCE_LOST,    /* the card is gone or broken; it is waited for */
    SOURCE_SILENT,  /* nothing but zeros, or one other number */
    SOURCE_CLIPPED, /* too loud: full scale is often reached */
    SOURCE_QUIET,   /* so quiet that speech could not be heard in it */
    SOURCE_FINE,    /* none of these three any more */
} SourceState;

#define SOURCE_STATES 7

/* "waiting", "open", ...; static storage. */
const char *source_state_name(SourceState state);

typedef struct SourceListener {
    /* Audio, in order. */
    void (*samples)(void *user, const float *samples, size_t count);
    /* What lies between the samples before and those to come was not captured. */
    void (*gap)(void *user, uint64_t samples_lost);
    /* `sentence` is for a person, valid during the call. The same state may come twice, with another sentence. */
    void (*state)(void *user, SourceState state, const char *sentence);
    /* The last call: a file or pipe has ended (0), or the input cannot be read (a negative errno, and why). A microphone
     * never ends. */
    void (*ended)(void *user, int error, const char *sentence);
    /* Something that is to be logged, and takes nothing from the audio: what is recorded of it. May be NULL. */
    void (*warning)(void *user, const char *sentence);
    void *user;
} SourceListener;

#endif
