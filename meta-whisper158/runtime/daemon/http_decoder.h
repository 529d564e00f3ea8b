/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A thread that turns sound files, which clients have sent, into samples: decoding and converting to 16 kHz take too long
 * for the main thread, and the worker has better things to do.
 */
#ifndef DAEMON_HTTP_DECODER_H
#define DAEMON_HTTP_DECODER_H

#include <stdatomic.h>
#include <stddef.h>

#include "audio.h"
#include "loop.h"
#include "whisper158.h"

typedef struct Decoder Decoder;
typedef struct Decoding Decoding;

/* One file. Whoever made it with malloc gets it back in `done`, in the main thread, and frees it with decoding_free. */
struct Decoding {
    unsigned char *data; /* [size], owned */
    size_t size;
    size_t max_seconds;
    void (*done)(Decoding *decoding);
    void *user;
    atomic_bool cancelled; /* leave it, if it was not begun */

    Audio audio; /* the result, or a negative errno and a sentence as of audio_read_memory */
    int error;
    whisper158_error sentence;

    Decoding *next;
    Post post;
};

/* NULL is allowed. Returns NULL. */
Decoding *decoding_free(Decoding *decoding);

int decoder_new(Decoder **out, Loop *loop);

/* In the order in which they came. */
void decoder_put(Decoder *decoder, Decoding *decoding);

/* Waits for the one in hand and leaves the others, with -ECANCELED; `done` of all is called from within. NULL is allowed.
 * Returns NULL. */
Decoder *decoder_free(Decoder *decoder);

#endif
