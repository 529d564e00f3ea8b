/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a client of the Wyoming socket sent: the first byte says how it is cut into pieces, which must make no difference.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wyoming_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Heard {
    uint64_t hash;
    uint64_t payload;
} Heard;

static void mix(Heard *heard, const char *text) {
    for (; *text; text++)
        heard->hash = heard->hash * 1099511628211u + (unsigned char)*text;
}

static int on_event(void *user, const char *type, struct json_object *data) {
    static const char *const keys[] = {"rate", "width", "channels"};
    Heard *const heard = user;

    mix(heard, type);
    if (data)
        mix(heard, json_object_to_json_string(data));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        heard->hash += (uint64_t)wyoming_get_number(data, keys[i], 0, 1000000);
    if (wyoming_get_text(data, "language"))
        mix(heard, wyoming_get_text(data, "language"));
    return 0;
}

static int on_payload(void *user, const unsigned char *bytes, size_t count) {
    Heard *const heard = user;

    heard->payload += count;
    for (size_t i = 0; i < count; i++)
        heard->hash = heard->hash * 31 + bytes[i];
    return 0;
}

static int parse(Heard *heard, const uint8_t *data, size_t size, size_t piece) {
    const WyomingSink sink = {.event = on_event, .payload = on_payload, .user = heard};
    WyomingParser *const parser = calloc(1, sizeof *parser);
    whisper158_error error = {{0}};
    int r = 0;

    if (!parser)
        abort();
    for (size_t i = 0; i < size && r >= 0; i += piece) {
        const size_t n = size - i < piece ? size - i : piece;
        uint8_t *const copy = malloc(n); /* so that a sanitizer sees a read beyond it */

        if (!copy)
            abort();
        memcpy(copy, data + i, n);
        r = wyoming_parse(parser, copy, n, &sink, &error);
        free(copy);
    }
    if (r < 0 && !*error.text)
        abort();
    wyoming_parser_end(parser);
    free(parser);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Heard whole = {0}, cut = {0};

    if (size < 2)
        return 0;
    if (parse(&whole, data + 1, size - 1, size) != parse(&cut, data + 1, size - 1, (size_t)*data + 1))
        abort();
    if (memcmp(&whole, &cut, sizeof whole) != 0)
        abort();
    return 0;
}
