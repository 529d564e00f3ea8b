/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "http_answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_page.h"
#include "json.h"

void answer_add_headers(struct MHD_Response *response, const char *type) {
    static const char *const headers[][2] = {
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},
        /* One request a connection: then one deadline is enough for all that a client can be slow with. */
        {MHD_HTTP_HEADER_CONNECTION, "close"},
    };

    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        (void)MHD_add_response_header(response, headers[i][0], headers[i][1]);
}

/* What happens to `bytes` is libmicrohttpd's `mode`. */
static Answer answer_bytes(unsigned status, const char *type, void *bytes, size_t count,
                           enum MHD_ResponseMemoryMode mode) {
    struct MHD_Response *const response = MHD_create_response_from_buffer(count, bytes, mode);

    if (!response) {
        if (mode == MHD_RESPMEM_MUST_FREE)
            free(bytes);
        return (Answer){0};
    }
    answer_add_headers(response, type);
    return (Answer){status, response};
}

Answer answer_json(unsigned status, struct json_object *object) {
    const char *const text =
        object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
    Answer answer = {0};

    if (text)
        answer = answer_bytes(status, "application/json", (void *)(size_t)text, strlen(text), MHD_RESPMEM_MUST_COPY);
    (void)json_object_put(object);
    return answer;
}

Answer answer_error(unsigned status, const char *message, const char *param, const char *code) {
    struct json_object *const object = json_object_new_object();
    struct json_object *const error = json_object_new_object();

    json_put(error, "message", json_text(message, strlen(message)));
    json_put(error, "type", json_object_new_string(status < 500 ? "invalid_request_error" : "server_error"));
    json_put(error, "param", param ? json_object_new_string(param) : NULL);
    json_put(error, "code", code ? json_object_new_string(code) : NULL);
    json_put(object, "error", error);
    return answer_json(status, object);
}

/* ---------------------------------------------------------------------------------------------------------------- jobs */

static Answer answer_transcript(const Job *job, Form form, const char *type) {
    char *bytes = NULL;
    size_t count = 0;
    FILE *const stream = open_memstream(&bytes, &count);
    bool good;

    if (!stream)
        return (Answer){0};
    good = transcript_write(stream, &job->transcript, form, NULL) >= 0;
    good = fclose(stream) == 0 && good;
    if (good)
        return answer_bytes(MHD_HTTP_OK, type, bytes, count, MHD_RESPMEM_MUST_FREE);
    free(bytes);
    return (Answer){0};
}

static Answer answer_text(const Job *job) {
    struct json_object *const object = json_object_new_object();
    size_t length;
    const char *const text = transcript_text(&job->transcript, &length);

    json_put(object, "text", json_text(text, length));
    return answer_json(MHD_HTTP_OK, object);
}

Answer answer_job(const Job *job, HttpFormat format) {
    if (job->error < 0)
        return answer_error(job->error == -EINVAL ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_INTERNAL_SERVER_ERROR,
                            job->sentence.text, NULL, NULL);
    switch (format) {
    case HTTP_TEXT:
        return answer_transcript(job, FORM_TEXT, "text/plain; charset=utf-8");
    case HTTP_VERBOSE:
        return answer_transcript(job, FORM_VERBOSE, "application/json");
    case HTTP_SRT:
        return answer_transcript(job, FORM_SRT, "application/x-subrip; charset=utf-8");
    case HTTP_VTT:
        return answer_transcript(job, FORM_VTT, "text/vtt; charset=utf-8");
    case HTTP_JSON:
        break;
    }
    return answer_text(job);
}

Answer answer_page(void) {
    const Answer answer = answer_bytes(MHD_HTTP_OK, "text/html; charset=utf-8", (void *)(size_t)http_page,
                                       http_page_length, MHD_RESPMEM_PERSISTENT);

    if (answer.response)
        (void)MHD_add_response_header(answer.response, "Content-Security-Policy", http_page_policy);
    return answer;
}

/* ------------------------------------------------------------------------------------------------------------- sending */

void answer_drop(Answer *answer) {
    if (answer->response)
        MHD_destroy_response(answer->response);
    *answer = (Answer){0};
}

enum MHD_Result answer_send(struct MHD_Connection *connection, Answer *answer) {
    const enum MHD_Result result =
        answer->response ? MHD_queue_response(connection, answer->status, answer->response) : MHD_NO;

    answer_drop(answer);
    return result;
}
