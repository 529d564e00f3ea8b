/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The Wyoming protocol, as Home Assistant speaks it, over TCP or a Unix socket: a client sends audio of any rate, width
 * and number of channels, gets its transcript, and the connection is closed.
 */
#ifndef DAEMON_WYOMING_H
#define DAEMON_WYOMING_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"
#include "queue.h"
#include "stats.h"
#include "whisper158.h"

enum {
    WYOMING_SECONDS = 120,     /* of audio, at most, that a client may send */
    WYOMING_ALL_SECONDS = 300, /* likewise, all clients together, before it is in the queue: 19 MB */
};

typedef struct Wyoming Wyoming;

typedef struct WyomingOptions {
    Loop *loop;
    Queue *queue;
    Stats *stats;
    const whisper158_model *model;
    size_t clients; /* at most so many at a time */
    bool streaming; /* send a transcript in pieces, too, as they come: transcript-start, -chunk, -stop */
} WyomingOptions;

int wyoming_new(Wyoming **out, const WyomingOptions *options);

/* Takes a listening socket, in any case. `path`: to be removed at the end, or NULL. */
int wyoming_listen(Wyoming *wyoming, int fd, const char *path);

/* Accepts no more, and closes what no answer is owed to. */
void wyoming_stop(Wyoming *wyoming);

/* Clients that are still connected. */
size_t wyoming_clients(const Wyoming *wyoming);

/* All jobs must be done. NULL is allowed. Returns NULL. */
Wyoming *wyoming_free(Wyoming *wyoming);

#endif
