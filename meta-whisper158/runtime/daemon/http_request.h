/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What of an HTTP request is ours to read, libmicrohttpd having done the rest: who may ask (Host, Origin,
 * Authorization), and the fields of OpenAI's form. Every string comes from outside and is looked at, not believed.
 */
#ifndef DAEMON_HTTP_REQUEST_H
#define DAEMON_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "whisper158.h"

enum {
    HTTP_TOKEN_MIN = 16,
    HTTP_TOKEN_MAX = 256,
    HTTP_FIELD = 128, /* bytes of a form's field, but for its file and its prompt (WHISPER158_MAX_PROMPT) */
};

/* Whether "HOST[:PORT]" names this machine to itself. A page from elsewhere that has its name resolve to 127.0.0.1 (DNS
 * rebinding) still sends that name. NULL is no. */
bool http_is_local_host(const char *host);

/* Whether a page of `origin` ("http://HOST[:PORT]") was served under `host`, that is, by us. */
bool http_is_own_origin(const char *origin, const char *host);

/* Whether `authorization` is "Bearer TOKEN". How long it takes does not tell how much of it was right. */
bool http_has_token(const char *authorization, const char *token);

/* The token in the `length` bytes of a file: without white space around it, HTTP_TOKEN_MIN to HTTP_TOKEN_MAX printing
 * characters. Returns its length, or -EINVAL and a sentence; 0 if there is nothing but white space. */
int http_read_token(char token[HTTP_TOKEN_MAX + 1], const char *text, size_t length, whisper158_error *error);

/* "PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT" as the listener takes it, "tcp://...", without an ADDRESS on loopback.
 * Returns 0 or -ENAMETOOLONG. */
int http_address(char *out, size_t room, const char *text);

/* Whether these first bytes are those of WAV, FLAC or Ogg. */
bool http_is_audio(const void *bytes, size_t count);

typedef enum HttpField {
    FIELD_FILE,
    FIELD_MODEL,
    FIELD_LANGUAGE,
    FIELD_FORMAT,
    FIELD_TEMPERATURE,
    FIELD_GRANULARITY,
    FIELD_STREAM,
    FIELD_PROMPT,
    FIELD_IGNORED, /* what is not known here */
    FIELDS,
} HttpField;

typedef enum HttpFormat {
    HTTP_JSON, /* {"text": ...} */
    HTTP_TEXT,
    HTTP_VERBOSE,
    HTTP_SRT,
    HTTP_VTT,
} HttpFormat;

typedef struct HttpForm {
    char values[FIELDS][HTTP_FIELD + 1];
    char prompt[WHISPER158_MAX_PROMPT + 1];
    size_t lengths[FIELDS];
    bool given[FIELDS];
    HttpField bad; /* the field that the sentence of a failure is about */
    HttpFormat format;
    const char *language; /* code, owned by the model; "" leaves it to the daemon */
} HttpForm;

HttpField http_field(const char *name);
const char *http_field_name(HttpField field);

/* Bytes of a field other than FIELD_FILE, `offset` being how many have come before. -EINVAL and a sentence. */
int http_form_add(HttpForm *form, HttpField field, const char *bytes, size_t count, size_t offset,
                  whisper158_error *error);

/* Makes sense of all fields but the file. Returns 0; -ENOENT: there is no such model; -EINVAL: another field is wrong; both
 * with a sentence. */
int http_form_settle(HttpForm *form, const whisper158_model *model, whisper158_error *error);

/* The model's name, cut to `room` bytes. */
void http_model_name(const whisper158_model *model, char *out, size_t room);

#endif
