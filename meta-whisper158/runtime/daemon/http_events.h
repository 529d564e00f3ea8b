/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * GET /events: what the bus says, as server-sent events, for the page. A stream never ends by itself. A reader that is too
 * slow misses levels first, and then loses its connection; it comes back and is told how things are.
 */
#ifndef DAEMON_HTTP_EVENTS_H
#define DAEMON_HTTP_EVENTS_H

#include <stddef.h>

#include <microhttpd.h>

#include "bus.h"
#include "loop.h"
#include "whisper158.h"

typedef struct EventStreams EventStreams;

/* `resumed` is called whenever a connection was: libmicrohttpd must be run then, but not from within. `reading` is called
 * whenever a connection can be sent more, which is every few seconds where its client reads what it is sent. */
int event_streams_new(EventStreams **out, Loop *loop, Bus *bus, const whisper158_model *model,
                      void (*resumed)(void *user), void (*reading)(const void *user, struct MHD_Connection *connection),
                      void *user);

/* A response without end for the connection, or NULL without memory. */
struct MHD_Response *event_streams_open(EventStreams *streams, struct MHD_Connection *connection);

size_t event_streams_count(const EventStreams *streams);

/* Ends all of them, as soon as libmicrohttpd is run again. */
void event_streams_end(EventStreams *streams);

/* There must be none left. NULL is allowed. Returns NULL. */
EventStreams *event_streams_free(EventStreams *streams);

#endif
