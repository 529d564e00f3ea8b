/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "http_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "report.h"

enum { HOST_MAX = 256 };

/* ----------------------------------------------------------------------------------------------------------- who asks */

static bool is_port(const char *text) {
    const size_t length = strlen(text);

    return length >= 1 && length <= 5 && strspn(text, "0123456789") == length;
}

/* Splits "HOST[:PORT]" or "[HOST][:PORT]" into a host without brackets and whether it had them. */
static bool split_host(const char *text, char host[HOST_MAX], bool *brackets) {
    const char *end;
    size_t length;

    *brackets = *text == '[';
    text += *brackets;
    end = text + strcspn(text, *brackets ? "]" : ":");
    length = (size_t)(end - text);
    if (length == 0 || length >= HOST_MAX || (*brackets && *end != ']'))
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    end += *brackets;
    return *end == '\0' || (*end == ':' && is_port(end + 1));
}

bool http_is_local_host(const char *text) {
    char host[HOST_MAX];
    bool brackets;
    struct in_addr four;
    struct in6_addr six;

    if (!text || !split_host(text, host, &brackets))
        return false;
    if (brackets)
        return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0;
}

bool http_is_own_origin(const char *origin, const char *host) {
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; host && i < sizeof schemes / sizeof *schemes; i++) {
        const size_t length = strlen(schemes[i]);

        if (strncasecmp(origin, schemes[i], length) == 0)
            return strcasecmp(origin + length, host) == 0;
    }
    return false;
}

bool http_has_token(const char *authorization, const char *token) {
    static const char scheme[] = "Bearer ";
    const size_t length = strlen(token);
    const char *given;
    size_t n_given;
    volatile unsigned char difference;

    if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    given = authorization + sizeof scheme - 1;
    n_given = strlen(given);
    difference = n_given != length;
    for (size_t i = 0; i < n_given; i++)
        difference = (unsigned char)(difference | (given[i] ^ token[i % length]));
    return difference == 0;
}

int http_read_token(char token[HTTP_TOKEN_MAX + 1], const char *text, size_t length, whisper158_error *error) {
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) && text[length - 1] != '\0')
        length--;
    while (length > 0 && strchr(" \t\r\n", *text) && *text != '\0') {
        text++;
        length--;
    }
    if (length == 0)
        return 0;
    if (length < HTTP_TOKEN_MIN || length > HTTP_TOKEN_MAX)
        return fail(error, -EINVAL, "holds a token of %zu characters; it must have %d to %d", length, HTTP_TOKEN_MIN,
                    HTTP_TOKEN_MAX);
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return fail(error, -EINVAL, "holds a token with a character that is no ASCII letter, digit or sign");
    memcpy(token, text, length);
    token[length] = '\0';
    return (int)length;
}

int http_address(char *out, size_t room, const char *text) {
    const int n = snprintf(out, room, "tcp://%s%s", is_port(text) ? "127.0.0.1:" : "", text);

    return n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
}

bool http_is_audio(const void *bytes, size_t count) {
    static const char *const magic[] = {"RIFF", "RIFX", "RF64", "fLaC", "OggS"};

    for (size_t i = 0; count >= 4 && i < sizeof magic / sizeof *magic; i++)
        if (memcmp(bytes, magic[i], 4) == 0)
            return true;
    return false;
}

/* --------------------------------------------------------------------------------------------------------------- form */

static const char *const fields[FIELDS] = {
    [FIELD_FILE] = "file",
    [FIELD_MODEL] = "model",
    [FIELD_LANGUAGE] = "language",
    [FIELD_FORMAT] = "response_format",
    [FIELD_TEMPERATURE] = "temperature",
    [FIELD_GRANULARITY] = "timestamp_granularities[]",
    [FIELD_STREAM] = "stream",
    [FIELD_PROMPT] = "prompt",
    [FIELD_IGNORED] = "",
};

HttpField http_field(const char *name) {
    for (HttpField field = FIELD_FILE; field < FIELD_IGNORED; field++)
        if (strcmp(name, fields[field]) == 0)
            return field;
    return FIELD_IGNORED;
}

const char *http_field_name(HttpField field) {
    return fields[field];
}

int http_form_add(HttpForm *form, HttpField field, const char *bytes, size_t count, size_t offset,
                  whisper158_error *error) {
    char *const value = field == FIELD_PROMPT ? form->prompt : form->values[field];
    const size_t room = field == FIELD_PROMPT ? WHISPER158_MAX_PROMPT : HTTP_FIELD;

    if (field == FIELD_IGNORED)
        return 0;
    form->bad = field;
    if (offset == 0) {
        /* A value may begin with an empty piece, and so come with offset 0 again. */
        if (form->lengths[field] > 0 && field != FIELD_GRANULARITY)
            return fail(error, -EINVAL, "%s is given twice", fields[field]);
        form->lengths[field] = 0;
    }
    form->given[field] = true;
    if (count > room - form->lengths[field])
        return fail(error, -EINVAL, "%s is longer than %zu bytes", fields[field], room);
    if (memchr(bytes, '\0', count))
        return fail(error, -EINVAL, "%s holds a zero byte", fields[field]);
    if (count > 0)
        memcpy(value + form->lengths[field], bytes, count);
    form->lengths[field] += count;
    value[form->lengths[field]] = '\0';
    /* The one field that may come twice is judged at once: its earlier values are not kept. */
    if (field == FIELD_GRANULARITY && strncmp("segment", value, form->lengths[field]) != 0)
        return fail(error, -EINVAL, "timestamp_granularities[] can only be segment");
    return 0;
}

void http_model_name(const whisper158_model *model, char *out, size_t room) {
    const char *name = "";
    const int length = whisper158_model_get_provenance(model, "name", &name);
    const size_t copied = length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;

    memcpy(out, name, copied);
    out[copied] = '\0';
}

static int settle_model(HttpForm *form, const whisper158_model *model, whisper158_error *error) {
    const char *const wanted = form->values[FIELD_MODEL];
    char name[HTTP_FIELD + 1];

    form->bad = FIELD_MODEL;
    http_model_name(model, name, sizeof name);
    /* OpenAI's own name for its model is what programs send that know of no other. */
    if (*wanted == '\0' || strcmp(wanted, "whisper-1") == 0 || strcmp(wanted, name) == 0)
        return 0;
    return fail(error, -ENOENT, "there is no model %s; here is %s, and whisper-1 means it too", wanted, name);
}

static int settle_language(HttpForm *form, const whisper158_model *model, whisper158_error *error) {
    const char *const wanted = form->values[FIELD_LANGUAGE];
    const char *known;

    form->bad = FIELD_LANGUAGE;
    form->language = "";
    if (*wanted == '\0' || strcasecmp(wanted, "auto") == 0)
        return 0;
    for (uint32_t i = 0; (known = whisper158_model_get_language(model, i)); i++)
        if (strcasecmp(wanted, known) == 0) {
            form->language = known;
            return 0;
        }
    return fail(error, -EINVAL, "the model does not know the language %s; codes such as en are wanted", wanted);
}

static int settle_format(HttpForm *form, whisper158_error *error) {
    static const char *const names[] = {
        [HTTP_JSON] = "json", [HTTP_TEXT] = "text", [HTTP_VERBOSE] = "verbose_json", [HTTP_SRT] = "srt", [HTTP_VTT] = "vtt",
    };
    const char *const wanted = form->values[FIELD_FORMAT];

    form->bad = FIELD_FORMAT;
    for (size_t i = 0; *wanted && i < sizeof names / sizeof *names; i++)
        if (strcmp(wanted, names[i]) == 0) {
            form->format = (HttpFormat)i;
            return 0;
        }
    return *wanted ? fail(error, -EINVAL, "response_format can be json, text, verbose_json, srt or vtt, not %s", wanted) : 0;
}

static int settle_temperature(HttpForm *form, whisper158_error *error) {
    const char *const wanted = form->values[FIELD_TEMPERATURE];
    char *end;
    const double value = strtod(wanted, &end);

    form->bad = FIELD_TEMPERATURE;
    if (*wanted == '\0' || (end != wanted && *end == '\0' && value == 0.0))
        return 0;
    return fail(error, -EINVAL, "temperature can only be 0: the likeliest text is what is written");
}

static int settle_stream(HttpForm *form, whisper158_error *error) {
    const char *const wanted = form->values[FIELD_STREAM];

    form->bad = FIELD_STREAM;
    if (*wanted == '\0' || strcasecmp(wanted, "false") == 0 || strcmp(wanted, "0") == 0)
        return 0;
    return fail(error, -EINVAL, "stream can only be false: the text is sent when all of it is known");
}

static int settle_granularity(HttpForm *form, whisper158_error *error) {
    form->bad = FIELD_GRANULARITY;
    if (!form->given[FIELD_GRANULARITY] || strcmp(form->values[FIELD_GRANULARITY], "segment") == 0)
        return 0;
    return fail(error, -EINVAL, "timestamp_granularities[] can only be segment");
}

int http_form_settle(HttpForm *form, const whisper158_model *model, whisper158_error *error) {
    int r = settle_language(form, model, error);

    if (r >= 0)
        r = settle_format(form, error);
    if (r >= 0)
        r = settle_temperature(form, error);
    if (r >= 0)
        r = settle_stream(form, error);
    if (r >= 0)
        r = settle_granularity(form, error);
    return r < 0 ? r : settle_model(form, model, error);
}
