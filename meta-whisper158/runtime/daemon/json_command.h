/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a client of the JSON socket may say, a line at a time:
 *
 *     {"subscribe": ["final", "level"]}    these events only; "all" is all of them
 *     {"stats": true}                      send one line with the counts, once
 *     {"ping": "any text"}                 send one line with the text
 */
#ifndef DAEMON_JSON_COMMAND_H
#define DAEMON_JSON_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

enum {
    JSON_COMMAND_BYTES = 4096, /* a longer line is refused */
    JSON_COMMAND_PING = 128,
};

typedef struct JsonCommand {
    bool subscribe;
    uint32_t mask; /* of the events that are subscribed to */
    bool stats;
    bool ping;
    char text[JSON_COMMAND_PING];
} JsonCommand;

/* Any bytes. Returns 0, or -EINVAL or -ENOMEM and a sentence. */
int json_command_parse(JsonCommand *out, const char *line, size_t length, whisper158_error *error);

#endif
