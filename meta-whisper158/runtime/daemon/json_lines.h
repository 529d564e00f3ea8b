/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The socket for local programs: events as lines of JSON to any number of subscribers, and a few small commands from
 * them (json_command.h). The first line tells who speaks; the next ones, how things are. A subscriber that does not read
 * is dropped when its buffer is full.
 */
#ifndef DAEMON_JSON_LINES_H
#define DAEMON_JSON_LINES_H

#include <stddef.h>

#include "bus.h"
#include "loop.h"
#include "queue.h"
#include "stats.h"

typedef struct JsonLines JsonLines;

typedef struct JsonLinesOptions {
    Loop *loop;
    Bus *bus;
    Queue *queue;
    const Stats *stats;
    size_t clients; /* at most so many at a time */
    void (*subscribed)(void *user); /* there is a new subscriber; may be NULL */
    void *user;
} JsonLinesOptions;

int json_lines_new(JsonLines **out, const JsonLinesOptions *options);

/* Takes a listening socket, in any case. `path`: to be removed at the end, or NULL. */
int json_lines_listen(JsonLines *lines, int fd, const char *path);

/* How many bytes of events still have to be sent. */
size_t json_lines_pending(const JsonLines *lines);

/* Closes all connections. NULL is allowed. Returns NULL. */
JsonLines *json_lines_free(JsonLines *lines);

#endif
