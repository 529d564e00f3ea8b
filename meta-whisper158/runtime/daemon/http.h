/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * HTTP, for programs that speak to OpenAI's servers, and for browsers:
 *
 *     POST /v1/audio/transcriptions    a sound file in a form; the answer is its text
 *     GET  /v1/models                  the model
 *     GET  /health                     {"status": "ok"}
 *     GET  /events                     what is heard, as it is heard (http_events.h)
 *     GET  /                           a page that shows that
 *
 * libmicrohttpd runs within the main loop, through its epoll descriptor and without threads. While a file is decoded or
 * waits in the queue, its connection is suspended.
 *
 * A token, where there is one, must come with every request but those for the page, which asks for it, and /health. It
 * travels in the header Authorization only: not in an address, which would be logged, nor in a cookie, which a browser
 * would send along for any other page. That is why the page reads /events with fetch: EventSource can send no header.
 * Without a token only loopback can be listened to, and requests that name another host, or that a page of another origin
 * makes, are refused.
 */
#ifndef DAEMON_HTTP_H
#define DAEMON_HTTP_H

#include <stddef.h>

#include "bus.h"
#include "loop.h"
#include "queue.h"
#include "stats.h"
#include "whisper158.h"

typedef struct Http Http;

typedef struct HttpOptions {
    Loop *loop;
    Bus *bus;
    Queue *queue;
    Stats *stats;
    const whisper158_model *model;
    const char *address;    /* "[ADDRESS:]PORT"; without ADDRESS: loopback */
    const char *token_file; /* NULL: http-token of $CREDENTIALS_DIRECTORY, if there is one */
    size_t clients;         /* so many may have files transcribed at a time, and as many may read the events */
    size_t max_seconds;     /* of audio in a file */
    void (*subscribed)(void *user); /* somebody reads the events; may be NULL */
    void *user;
} HttpOptions;

/*
 * Listens. Strings are not kept. -EINVAL: the address or the token will not do, or a token is needed; others as of socket(2)
 * and open(2); all with a sentence.
 */
int http_new(Http **out, const HttpOptions *options, whisper158_error *error);

/* Accepts no more, and lets the requests under way be answered. */
void http_stop(Http *http);

/* No more events will come: their streams end, once what waits in them is sent. */
void http_end_events(Http *http);

/* Requests that still have to be answered, and streams that have not ended. */
size_t http_pending(const Http *http);

/* No job of its may be in the queue any more. NULL is allowed. Returns NULL. */
Http *http_free(Http *http);

#endif
