/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "http_decoder.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "report.h"

struct HttpDecoder {
    Loop *loop;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t filled;
    HttpDecoding *first, **last;
    HttpDecoding *in_hand;
    bool stopped;
};

HttpDecoding *http_decoding_free(HttpDecoding *decoding) {
    if (!decoding)
        return NULL;
    audio_free(&decoding->audio);
    free(decoding->data);
    free(decoding);
    return NULL;
}

static HttpDecoding *take(HttpDecoder *decoder) {
    HttpDecoding *decoding;

    (void)pthread_mutex_lock(&decoder->lock);
    while (!decoder->first && !decoder->stopped)
        (void)pthread_cond_wait(&decoder->filled, &decoder->lock);
    decoding = decoder->first;
    if (decoding) {
        decoder->first = decoding->next;
        if (!decoder->first)
            decoder->last = &decoder->first;
        if (decoder->stopped)
            atomic_store(&decoding->cancelled, true);
    }
    decoder->in_hand = decoding;
    (void)pthread_mutex_unlock(&decoder->lock);
    return decoding;
}

/* It is whoever made it who may use it from now on. */
static void put_down(HttpDecoder *decoder) {
    (void)pthread_mutex_lock(&decoder->lock);
    decoder->in_hand = NULL;
    (void)pthread_mutex_unlock(&decoder->lock);
}

static void finished(Post *post) {
    HttpDecoding *const decoding = (HttpDecoding *)(void *)((char *)post - offsetof(HttpDecoding, post));

    decoding->done(decoding);
}

static void *run(void *user) {
    HttpDecoder *const decoder = user;
    HttpDecoding *d;

    while ((d = take(decoder))) {
        d->limits.cancelled = &d->cancelled;
        d->error = audio_read_memory(&d->audio, d->data, d->size, &d->limits, &d->sentence);
        put_down(decoder);
        /* The samples are larger than the file: both need not be held while they wait. */
        free(d->data);
        d->data = NULL;
        loop_post(decoder->loop, &d->post, finished);
    }
    return NULL;
}

int http_decoder_new(HttpDecoder **out, Loop *loop) {
    HttpDecoder *const decoder = calloc(1, sizeof *decoder);
    int r;

    if (!decoder)
        return -ENOMEM;
    decoder->loop = loop;
    decoder->last = &decoder->first;
    (void)pthread_mutex_init(&decoder->lock, NULL);
    (void)pthread_cond_init(&decoder->filled, NULL);
    r = pthread_create(&decoder->thread, NULL, run, decoder);
    if (r != 0) {
        (void)pthread_cond_destroy(&decoder->filled);
        (void)pthread_mutex_destroy(&decoder->lock);
        free(decoder);
        return -r;
    }
    *out = decoder;
    return 0;
}

void http_decoder_put(HttpDecoder *decoder, HttpDecoding *decoding) {
    (void)pthread_mutex_lock(&decoder->lock);
    decoding->next = NULL;
    *decoder->last = decoding;
    decoder->last = &decoding->next;
    (void)pthread_cond_signal(&decoder->filled);
    (void)pthread_mutex_unlock(&decoder->lock);
}

HttpDecoder *http_decoder_free(HttpDecoder *decoder) {
    if (!decoder)
        return NULL;
    (void)pthread_mutex_lock(&decoder->lock);
    decoder->stopped = true;
    if (decoder->in_hand)
        atomic_store(&decoder->in_hand->cancelled, true);
    (void)pthread_cond_signal(&decoder->filled);
    (void)pthread_mutex_unlock(&decoder->lock);
    (void)pthread_join(decoder->thread, NULL);
    loop_run_posts(decoder->loop);
    (void)pthread_cond_destroy(&decoder->filled);
    (void)pthread_mutex_destroy(&decoder->lock);
    free(decoder);
    return NULL;
}
