/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 character at `s` (Unicode 15, table 3-7), 0 if there is none. */
static size_t utf8_character(const unsigned char *s, size_t left) {
    const unsigned char first = s[0];
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    unsigned char low = 0x80, high = 0xbf;

    if (length == 1)
        return 1;
    if (first < 0xc2 || first > 0xf4 || length > left)
        return 0;
    if (first == 0xe0)
        low = 0xa0; /* shorter forms exist */
    else if (first == 0xed)
        high = 0x9f; /* surrogates */
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return length;
}

struct json_object *json_text(const char *bytes, size_t length) {
    static const char replacement[] = "\xef\xbf\xbd";
    char *const clean = malloc(3 * length + 1);
    struct json_object *object;
    size_t n = 0;

    if (!clean)
        return NULL;
    for (size_t i = 0; i < length;) {
        const size_t character = utf8_character((const unsigned char *)bytes + i, length - i);

        memcpy(clean + n, character ? bytes + i : replacement, character ? character : 3);
        n += character ? character : 3;
        i += character ? character : 1;
    }
    object = json_object_new_string_len(clean, (int)n);
    free(clean);
    return object;
}

struct json_object *json_number(double value, const char *format) {
    struct json_object *object;

    if (!isfinite(value))
        return NULL;
    object = json_object_new_double(value);
    if (object)
        json_object_set_serializer(object, json_object_double_to_json_string, (void *)(size_t)format, NULL);
    return object;
}

void json_put(struct json_object *object, const char *key, struct json_object *value) {
    if (object)
        (void)json_object_object_add(object, key, value);
    else
        (void)json_object_put(value);
}

int json_print(FILE *stream, struct json_object *object) {
    const char *const text =
        json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

    if (text)
        (void)fprintf(stream, "%s\n", text);
    (void)json_object_put(object);
    return text ? 0 : -ENOMEM;
}
