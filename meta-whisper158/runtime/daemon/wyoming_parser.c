/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "wyoming_parser.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

enum { DEPTH = 8 };

int wyoming_get_number(struct json_object *data, const char *key, int min, int max) {
    struct json_object *value;
    int64_t number;

    if (!json_object_object_get_ex(data, key, &value) || !json_object_is_type(value, json_type_int))
        return -EINVAL;
    number = json_object_get_int64(value);
    return number >= min && number <= max ? (int)number : -EINVAL;
}

const char *wyoming_get_text(struct json_object *data, const char *key) {
    struct json_object *value;

    if (!json_object_object_get_ex(data, key, &value) || !json_object_is_type(value, json_type_string))
        return NULL;
    return json_object_get_string(value);
}

/* The JSON object that the block holds, or NULL and a sentence. */
static struct json_object *parse_block(const WyomingParser *p, const char *what, whisper158_error *error) {
    struct json_tokener *const tokener = json_tokener_new_ex(DEPTH);
    struct json_object *object;

    if (!tokener)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    object = json_tokener_parse_ex(tokener, p->block, (int)p->length);
    if (!object || json_tokener_get_error(tokener) != json_tokener_success || !json_object_is_type(object, json_type_object)) {
        (void)fail(error, 0, "the %s of an event is not a JSON object", what);
        (void)json_object_put(object);
        object = NULL;
    }
    json_tokener_free(tokener);
    return object;
}

/* A length of the header: 0 where it is absent or null. */
static int get_length(struct json_object *header, const char *key, int max, size_t *out, whisper158_error *error) {
    struct json_object *value = NULL;
    int length;

    *out = 0;
    if (!json_object_object_get_ex(header, key, &value) || !value)
        return 0;
    length = wyoming_get_number(header, key, 0, max);
    if (length < 0)
        return fail(error, -EMSGSIZE, "the %s of an event is not a number from 0 to %d", key, max);
    *out = (size_t)length;
    return 0;
}

static int read_header(WyomingParser *p, struct json_object *header, whisper158_error *error) {
    const char *const type = wyoming_get_text(header, "type");
    struct json_object *data;
    int r;

    if (!type)
        return fail(error, -EBADMSG, "an event has no type");
    (void)snprintf(p->type, sizeof p->type, "%s", strlen(type) < sizeof p->type ? type : "");
    r = get_length(header, "data_length", WYOMING_DATA_BYTES, &p->data_length, error);
    if (r >= 0)
        r = get_length(header, "payload_length", WYOMING_PAYLOAD_BYTES, &p->payload_left, error);
    if (r >= 0 && json_object_object_get_ex(header, "data", &data) && json_object_is_type(data, json_type_object))
        p->data = json_object_get(data);
    return r;
}

/* Line and data are there: hands the event over. */
static int hand_over(WyomingParser *p, const WyomingSink *sink) {
    int r;

    p->length = 0;
    p->stage = p->payload_left > 0 ? WYOMING_PAYLOAD : WYOMING_HEADER;
    r = sink->event(sink->user, p->type, p->data);
    (void)json_object_put(p->data);
    p->data = NULL;
    return r;
}

static int end_header(WyomingParser *p, const WyomingSink *sink, whisper158_error *error) {
    struct json_object *const header = parse_block(p, "line", error);
    int r;

    if (!header)
        return -EBADMSG;
    r = read_header(p, header, error);
    (void)json_object_put(header);
    p->length = 0;
    if (r < 0)
        return r;
    p->stage = WYOMING_DATA;
    return p->data_length > 0 ? 0 : hand_over(p, sink);
}

static int end_data(WyomingParser *p, const WyomingSink *sink, whisper158_error *error) {
    struct json_object *const block = parse_block(p, "data", error);

    if (!block)
        return -EBADMSG;
    if (p->data) {
        json_object_object_foreach(p->data, key, value) {
            if (!json_object_object_get_ex(block, key, NULL))
                (void)json_object_object_add(block, key, json_object_get(value));
        }
        (void)json_object_put(p->data);
    }
    p->data = block;
    return hand_over(p, sink);
}

/* Each takes what it can of *bytes. */
static int take_header(WyomingParser *p, const unsigned char **bytes, size_t *count, const WyomingSink *sink,
                       whisper158_error *error) {
    const unsigned char *const end = memchr(*bytes, '\n', *count);
    const size_t n = end ? (size_t)(end - *bytes) : *count;

    if (n > WYOMING_HEADER_BYTES - p->length)
        return fail(error, -EMSGSIZE, "the line of an event is longer than %d bytes", WYOMING_HEADER_BYTES);
    memcpy(p->block + p->length, *bytes, n);
    p->length += n;
    *bytes += n + (end ? 1 : 0);
    *count -= n + (end ? 1 : 0);
    return end ? end_header(p, sink, error) : 0;
}

static int take_data(WyomingParser *p, const unsigned char **bytes, size_t *count, const WyomingSink *sink,
                     whisper158_error *error) {
    const size_t missing = p->data_length - p->length;
    const size_t n = *count < missing ? *count : missing;

    memcpy(p->block + p->length, *bytes, n);
    p->length += n;
    *bytes += n;
    *count -= n;
    return n == missing ? end_data(p, sink, error) : 0;
}

static int take_payload(WyomingParser *p, const unsigned char **bytes, size_t *count, const WyomingSink *sink) {
    const size_t n = *count < p->payload_left ? *count : p->payload_left;
    const unsigned char *const piece = *bytes;

    p->payload_left -= n;
    *bytes += n;
    *count -= n;
    if (p->payload_left == 0)
        p->stage = WYOMING_HEADER;
    return sink->payload(sink->user, piece, n);
}

int wyoming_parse(WyomingParser *p, const unsigned char *bytes, size_t count, const WyomingSink *sink,
                  whisper158_error *error) {
    int r = 0;

    while (count > 0 && r >= 0)
        switch (p->stage) {
        case WYOMING_HEADER:
            r = take_header(p, &bytes, &count, sink, error);
            break;
        case WYOMING_DATA:
            r = take_data(p, &bytes, &count, sink, error);
            break;
        case WYOMING_PAYLOAD:
            r = take_payload(p, &bytes, &count, sink);
            break;
        }
    return r;
}

void wyoming_parser_end(WyomingParser *p) {
    (void)json_object_put(p->data);
    p->data = NULL;
}
