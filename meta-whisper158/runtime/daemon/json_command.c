/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "json_command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "bus.h"
#include "report.h"

enum { DEPTH = 4 };

static int parse_subscribe(JsonCommand *out, struct json_object *value, whisper158_error *error) {
    if (!json_object_is_type(value, json_type_array))
        return fail(error, -EINVAL, "\"subscribe\" wants an array of events, such as [\"final\"]");
    out->subscribe = true;
    out->mask = 0;
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        struct json_object *const item = json_object_array_get_idx(value, i);
        const char *const name = json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
        const int kind = event_kind(name);

        if (kind < 0 && strcmp(name, "all") != 0)
            return fail(error, -EINVAL, "there is no event \"%.40s\"", name);
        out->mask |= kind < 0 ? EVENT_MASK_ALL : EVENT_MASK((unsigned)kind);
    }
    return 0;
}

static int parse_key(JsonCommand *out, const char *key, struct json_object *value, whisper158_error *error) {
    if (strcmp(key, "subscribe") == 0)
        return parse_subscribe(out, value, error);
    if (strcmp(key, "stats") == 0) {
        out->stats = json_object_get_boolean(value);
        return 0;
    }
    if (strcmp(key, "ping") == 0) {
        out->ping = true;
        (void)snprintf(out->text, sizeof out->text, "%s",
                       json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "");
        return 0;
    }
    return fail(error, -EINVAL, "there is no command \"%.40s\"; there are subscribe, stats and ping", key);
}

static int parse_object(JsonCommand *out, struct json_object *object, whisper158_error *error) {
    if (!json_object_is_type(object, json_type_object))
        return fail(error, -EINVAL, "a command is a JSON object, such as {\"stats\": true}");
    json_object_object_foreach(object, key, value) {
        const int r = parse_key(out, key, value, error);

        if (r < 0)
            return r;
    }
    return 0;
}

int json_command_parse(JsonCommand *out, const char *line, size_t length, whisper158_error *error) {
    struct json_tokener *tokener;
    struct json_object *object;
    int r;

    *out = (JsonCommand){0};
    if (length > JSON_COMMAND_BYTES)
        return fail(error, -EINVAL, "a command is at most %d bytes long", JSON_COMMAND_BYTES);
    tokener = json_tokener_new_ex(DEPTH);
    if (!tokener)
        return fail(error, -ENOMEM, "no memory for a command");
    /* Strict also forbids what follows the object, and bytes that are no UTF-8. */
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    object = json_tokener_parse_ex(tokener, line, (int)length);
    if (object && json_tokener_get_error(tokener) == json_tokener_success)
        r = parse_object(out, object, error);
    else
        r = fail(error, -EINVAL, "a command is a JSON object on one line, such as {\"stats\": true}");
    (void)json_object_put(object);
    json_tokener_free(tokener);
    return r;
}
