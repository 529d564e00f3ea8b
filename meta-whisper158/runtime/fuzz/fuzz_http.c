/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * daemon/http_request.c under hostile strings. The input is lines: Host, Origin, Authorization, the file of a token, an
 * address, and then fields of a form as NAME=VALUE; a value comes in pieces of as many bytes as its name is long.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_request.h"

enum { MAX_SIZE = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise) {
    if (!promise)
        abort();
}

/* Cuts the next line off, in place. */
static char *next_line(char **rest) {
    char *const line = *rest;
    char *const end = strchr(line, '\n');

    *rest = end ? end + 1 : line + strlen(line);
    if (end)
        *end = '\0';
    return line;
}

static void try_headers(char **rest) {
    const char *const host = next_line(rest);
    const char *const origin = next_line(rest);
    const char *const authorization = next_line(rest);
    const char *const file = next_line(rest);
    const char *const address = next_line(rest);
    char token[HTTP_TOKEN_MAX + 1];
    char place[64];
    whisper158_error error;
    int r;

    if (http_is_local_host(host))
        require(*host == '[' || strncasecmp(host, "localhost", 9) == 0 || strncmp(host, "127.", 4) == 0);
    if (http_is_own_origin(origin, host))
        require(strlen(origin) == strlen(host) + (strncasecmp(origin, "https", 5) == 0 ? 8 : 7));
    r = http_read_token(token, file, strlen(file), &error);
    require(r == 0 || r == -EINVAL || (r >= HTTP_TOKEN_MIN && r <= HTTP_TOKEN_MAX && strlen(token) == (size_t)r));
    if (r < 0)
        require(error.text[0] != '\0');
    if (r > 0)
        require(http_has_token(authorization, token) ==
                (strncasecmp(authorization, "Bearer ", 7) == 0 && strcmp(authorization + 7, token) == 0));
    r = http_address(place, sizeof place, address);
    require(r == -ENAMETOOLONG || (r == 0 && strncmp(place, "tcp://", 6) == 0));
    (void)http_is_audio(authorization, strlen(authorization));
}

static int add_field(HttpForm *form, char *line, whisper158_error *error) {
    char *const sign = strchr(line, '=');
    const char *const value = sign ? sign + 1 : "";
    const size_t piece = sign && sign > line ? (size_t)(sign - line) : 1;
    const size_t length = strlen(value);
    size_t offset = 0;
    int r;

    if (sign)
        *sign = '\0';
    do {
        const size_t count = length - offset < piece ? length - offset : piece;

        r = http_field(line) == FIELD_FILE ? 0
                                           : http_form_add(form, http_field(line), value + offset, count, offset, error);
        offset += count;
    } while (r >= 0 && offset < length);
    return r;
}

static void try_form(char *rest) {
    static whisper158_model *model;
    HttpForm form = {0};
    whisper158_error error = {.text = ""};
    int r = 0;

    if (!model)
        require(whisper158_model_open(&model, GOLDEN, NULL) == 0);
    while (r >= 0 && *rest)
        r = add_field(&form, next_line(&rest), &error);
    if (r >= 0)
        r = http_form_settle(&form, model, &error);
    require(r == 0 || r == -EINVAL || r == -ENOENT);
    if (r < 0)
        require(error.text[0] != '\0' && http_field_name(form.bad) != NULL);
    else
        require(form.format <= HTTP_VTT && strlen(form.language) <= 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text, *rest;

    if (size > MAX_SIZE)
        return 0;
    text = malloc(size + 1);
    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    rest = text;
    try_headers(&rest);
    try_form(rest);
    free(text);
    return 0;
}
