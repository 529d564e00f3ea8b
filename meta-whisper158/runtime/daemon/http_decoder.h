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

typedef struct HttpDecoder HttpDecoder;
typedef struct HttpDecoding HttpDecoding;

/* One file. Whoever made it with malloc gets it back in `done`, in the main thread, and frees it with http_decoding_free. */
struct HttpDecoding {
    unsigned char *data; /* [size], owned */
    size_t size;
    AudioLimits limits; /* `cancelled` is the decoder's */
    void (*done)(HttpDecoding *decoding);
    void *user;
    atomic_bool cancelled; /* leave it */

    Audio audio; /* the result, or a negative errno and a sentence as of audio_read_memory */
    int error;
    whisper158_error sentence;

    HttpDecoding *next;
    Post post;
};

/* NULL is allowed. Returns NULL. */
HttpDecoding *http_decoding_free(HttpDecoding *decoding);

int http_decoder_new(HttpDecoder **out, Loop *loop);

/* In the order in which they came. */
void http_decoder_put(HttpDecoder *decoder, HttpDecoding *decoding);

/* Leaves all that is not done, with -ECANCELED; `done` of all is called from within. NULL is allowed.
 * Returns NULL. */
HttpDecoder *http_decoder_free(HttpDecoder *decoder);

#endif
