/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The frames of the Wyoming protocol: a line of JSON, then as many bytes of JSON as its data_length says, then as many
 * bytes of payload as its payload_length says. What stands in the data block counts before what stands in the line.
 *
 * The parser takes bytes in pieces of any size. Lengths that a peer names are only counted down, nothing is reserved by
 * them; a line, a block or a payload beyond the limits below is an error.
 */
#ifndef DAEMON_WYOMING_PARSER_H
#define DAEMON_WYOMING_PARSER_H

#include <stddef.h>

#include <json-c/json.h>

#include "whisper158.h"

enum {
    WYOMING_HEADER_BYTES = 8 * 1024,
    WYOMING_DATA_BYTES = 16 * 1024,
    WYOMING_PAYLOAD_BYTES = 16 * 1024 * 1024,
    WYOMING_TYPE = 32,
};

/* Each returns 0, or a negative errno, which ends the parsing. */
typedef struct WyomingSink {
    /* An event's line and data are complete. `data` is an object, or NULL; the parser's. */
    int (*event)(void *user, const char *type, struct json_object *data);
    /* Some of the payload of that event. */
    int (*payload)(void *user, const unsigned char *bytes, size_t count);
    void *user;
} WyomingSink;

typedef enum WyomingStage { WYOMING_HEADER, WYOMING_DATA, WYOMING_PAYLOAD } WyomingStage;

/* All zero at the start. */
typedef struct WyomingParser {
    WyomingStage stage;
    char block[WYOMING_DATA_BYTES]; /* [length] of the line, or of the data */
    size_t length;
    size_t data_length, payload_left;
    char type[WYOMING_TYPE];  /* empty: too long to be one that is known */
    struct json_object *data; /* what stands in the line */
} WyomingParser;

/* Returns 0, what the sink returned, or -EBADMSG, -EMSGSIZE or -ENOMEM and a sentence. After a failure the parser is of
 * no more use. */
int wyoming_parse(WyomingParser *parser, const unsigned char *bytes, size_t count, const WyomingSink *sink,
                  whisper158_error *error);

/* Frees what the parser holds. */
void wyoming_parser_end(WyomingParser *parser);

/* A whole number from `min` to `max` under `key` of an object or NULL; -EINVAL otherwise. */
int wyoming_get_number(struct json_object *data, const char *key, int min, int max);

/* A string under `key`, the object's, or NULL. */
const char *wyoming_get_text(struct json_object *data, const char *key);

#endif
