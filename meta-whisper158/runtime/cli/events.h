/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The daemon's events, line by line, for the subcommands that talk to it.
 */
#ifndef CLI_EVENTS_H
#define CLI_EVENTS_H

#include <stddef.h>

#include <json-c/json.h>

#include "whisper158.h"

enum { EVENTS_LINE = 256 * 1024 }; /* bytes, the longest line that is understood */

typedef struct Events {
    int fd;
    char *bytes; /* [EVENTS_LINE], of which `start` to `end` are not taken yet */
    size_t start, end;
} Events;

/* Connects, and sends `command`. `path`: as find_socket_path. Returns 0, or a negative errno and a sentence; then
 * nothing has to be closed. */
int events_open(Events *events, const char *path, const char *command, whisper158_error *error);

/*
 * The next line, NUL-terminated without its newline, valid until the next call, and the object that it holds, to be
 * released. Returns 1; 0 when the daemon has ended the connection; or a negative errno and a sentence.
 */
int events_next(Events *events, const char **line, struct json_object **object, whisper158_error *error);

void events_close(Events *events);

/* The string or number under `key`; "" and 0 where there is none. */
const char *events_text(struct json_object *object, const char *key);
double events_number(struct json_object *object, const char *key);

#endif
