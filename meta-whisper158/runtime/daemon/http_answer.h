/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Answers to HTTP requests: libmicrohttpd's responses with the headers that all of ours have, and errors in OpenAI's form.
 */
#ifndef DAEMON_HTTP_ANSWER_H
#define DAEMON_HTTP_ANSWER_H

#include <stddef.h>

#include <json-c/json.h>
#include <microhttpd.h>

#include "http_request.h"
#include "queue.h"

/* A response and its status. {0}: none. */
typedef struct Answer {
    unsigned status;
    struct MHD_Response *response; /* owned */
} Answer;

/* Releases the object, which may be NULL. This one and those below return {0} without memory. */
Answer answer_json(unsigned status, struct json_object *object);

/* {"error": {"message", "type", "param", "code"}}; `param` and `code` may be NULL. */
Answer answer_error(unsigned status, const char *message, const char *param, const char *code);

/* What a job that was done says. */
Answer answer_job(const Job *job, HttpFormat format);

/* The page at "/". */
Answer answer_page(void);

/* What every response of ours needs; for those that are not made here. */
void answer_add_headers(struct MHD_Response *response, const char *type);

/* Hands it to the connection, and gives it up. Without a response the connection is closed. */
enum MHD_Result answer_send(struct MHD_Connection *connection, Answer *answer);

void answer_drop(Answer *answer);

#endif
