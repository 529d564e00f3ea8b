/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "http_answer.h"
#include "http_decoder.h"
#include "http_events.h"
#include "http_request.h"
#include "json.h"
#include "listener.h"
#include "log.h"
#include "report.h"

enum {
    BODY_MAX = 25 << 20,  /* bytes of a request, as on OpenAI's servers */
    DRAIN_MAX = 1 << 20,  /* a refused request that is no longer is read to its end: who writes may not listen */
    RATE_MAX = 2 * 192000, /* samples a second, of all channels: silence at high rates is small, and takes long */
    BODIES_MAX = 48 << 20, /* bytes of all files that are on their way in, or wait to be decoded */
    GROW = 1 << 18,
    POST_BUFFER = 4096,
    CONNECTION_BYTES = 32 << 10, /* what libmicrohttpd may take for one, its headers included */
    CONNECTIONS = 128, /* far more than clients: who only connects must not keep out those who ask for something */
};

#define HEADER_SECONDS 10.0
#define BODY_SECONDS 120.0
#define READ_SECONDS 30.0 /* for a reader of events to take what there is; something is sent more often than that */
#define WARN_SECONDS 60.0 /* between two complaints about tokens */

/* Ends a connection whose client takes too long. libmicrohttpd has a timeout too, but that only minds a client that does
 * nothing at all, and counts time in which this process was stopped. */
typedef struct Deadline {
    Timer timer;
    int fd;
} Deadline;

typedef struct Request Request;

struct Http {
    HttpOptions options;
    char token[HTTP_TOKEN_MAX + 1];
    bool has_token;
    struct MHD_Daemon *daemon;
    int listening; /* -1: libmicrohttpd's own to close */
    Watch watch;
    Timer pump;
    HttpDecoder *decoder;
    EventStreams *events;
    Request *first;
    size_t bytes; /* of all files that are on their way in, or wait to be decoded */
    double warned, warned_full; /* 0: never */
};

/* A transcription under way. */
struct Request {
    Http *http;
    Request *next;
    struct MHD_Connection *connection;
    struct MHD_PostProcessor *post;
    HttpForm form;
    unsigned char *file; /* [size] */
    size_t size, room;   /* `room` counts until the file is decoded, whoever has it */
    bool complete; /* all of the body is here, and what became of it is decided */
    bool refused;  /* the answer is an error */
    Answer answer;
    HttpDecoding *decoding;
    Job *job;
    bool suspended;
    bool left; /* the client has closed its side: over TCP that is not told from one that only sends no more */
    double arrived;
    Watch gone; /* of a duplicate of the connection's descriptor, while it is suspended */
};

/* ----------------------------------------------------------------------------------------------------- libmicrohttpd */

static void pump(Http *http);

static void on_ready(Watch *watch, uint32_t events) {
    (void)events;
    pump(watch->user);
}

static void on_pump(Timer *timer) {
    pump(timer->user);
}

/* It does what there is to do, and says when it wants to be called again if nothing happens until then. */
static void pump(Http *http) {
    MHD_UNSIGNED_LONG_LONG ms;

    (void)MHD_run(http->daemon);
    if (MHD_get_timeout(http->daemon, &ms) == MHD_YES)
        loop_set_timer(http->options.loop, &http->pump, 1e-3 * (double)ms, on_pump, http);
    else
        timer_cancel(&http->pump);
}

/* A resumed connection is looked at when libmicrohttpd is run again, which nothing else would cause. */
static void pump_soon(void *user) {
    Http *const http = user;

    loop_set_timer(http->options.loop, &http->pump, 0.0, on_pump, http);
}

static void on_late(Timer *timer) {
    const Deadline *const deadline = timer->user;

    (void)shutdown(deadline->fd, SHUT_RDWR);
}

static void set_deadline(const Http *http, struct MHD_Connection *connection, double seconds) {
    const union MHD_ConnectionInfo *const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    Deadline *const deadline = info ? info->socket_context : NULL;

    if (deadline && seconds > 0.0)
        loop_set_timer(http->options.loop, &deadline->timer, seconds, on_late, deadline);
    else if (deadline)
        timer_cancel(&deadline->timer);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    const Http *const http = user;
    const union MHD_ConnectionInfo *const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    Deadline *deadline = *context;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (deadline)
            timer_cancel(&deadline->timer);
        free(deadline);
        *context = NULL;
        return;
    }
    deadline = info ? calloc(1, sizeof *deadline) : NULL;
    if (!deadline)
        return;
    deadline->fd = info->connect_fd;
    loop_set_timer(http->options.loop, &deadline->timer, HEADER_SECONDS, on_late, deadline);
    *context = deadline;
}

static const char *header(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* ------------------------------------------------------------------------------------------------ a request's two ends */

static void resume(Request *request) {
    const int fd = request->gone.fd;

    if (!request->suspended)
        return;
    request->suspended = false;
    if (request->gone.loop) {
        watch_remove(&request->gone);
        (void)close(fd);
    }
    set_deadline(request->http, request->connection, BODY_SECONDS); /* to take the answer */
    MHD_resume_connection(request->connection);
    pump_soon(request->http);
}

static void on_gone(Watch *watch, uint32_t events) {
    Request *const request = watch->user;
    const int fd = watch->fd;

    (void)events;
    watch_remove(watch);
    (void)close(fd);
    request->left = true;
    if (request->job)
        job_cancel(request->job);
    if (request->decoding)
        atomic_store(&request->decoding->cancelled, true);
}

/* Until resume; libmicrohttpd does not look at the connection meanwhile, so we see to it that nobody works for a client
 * that is gone. */
static void suspend(Request *request) {
    const union MHD_ConnectionInfo *const info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const int fd = info ? fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 3) : -1;

    if (fd >= 0 && loop_watch(request->http->options.loop, &request->gone, fd, EPOLLRDHUP, on_gone, request) < 0)
        (void)close(fd);
    set_deadline(request->http, request->connection, 0.0);
    request->suspended = true;
    MHD_suspend_connection(request->connection);
}

static void forget_file(Request *request) {
    request->http->bytes -= request->room;
    free(request->file);
    request->file = NULL;
    request->size = request->room = 0;
}

/* The first refusal counts. */
static void refuse(Request *request, unsigned status, const char *message, const char *param, const char *code) {
    if (request->refused)
        return;
    request->refused = true;
    request->answer = answer_error(status, message, param, code);
    forget_file(request);
}

static Request *request_new(Http *http, struct MHD_Connection *connection) {
    Request *const request = calloc(1, sizeof *request);

    if (!request)
        return NULL;
    request->http = http;
    request->connection = connection;
    request->next = http->first;
    http->first = request;
    return request;
}

static void request_free(Request *request) {
    Request **at = &request->http->first;

    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    if (request->decoding)
        request->decoding->user = NULL;
    if (request->job)
        request->job->user = NULL;
    if (request->post)
        (void)MHD_destroy_post_processor(request->post);
    forget_file(request);
    answer_drop(&request->answer);
    free(request);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code) {
    (void)user;
    (void)connection;
    (void)code;
    if (*context)
        request_free(*context);
    *context = NULL;
}

/* --------------------------------------------------------------------------------------------------- a file's way to text */

static void warn(double *warned, const char *sentence) {
    const double now = loop_now();

    if (*warned == 0.0 || now - *warned > WARN_SECONDS) {
        log_line(LOG_WARNING, "http: %s", sentence);
        *warned = now;
    }
}

static void refuse_cancelled(Request *request) {
    if (request->left)
        refuse(request, MHD_HTTP_BAD_REQUEST, "the connection was closed before the answer", NULL, NULL);
    else
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon is about to end", NULL, NULL);
}

static void on_done(Job *job) {
    Request *const request = job->user;

    if (request) {
        (void)stats_job(request->http->options.stats, job, "http");
        request->job = NULL;
        if (job->error == -ECANCELED)
            refuse_cancelled(request);
        else
            request->answer = answer_job(job, request->form.format);
        resume(request);
    }
    (void)job_free(job);
}

static Job *make_job(Request *request, Audio *audio) {
    Job *const job = job_new(JOB_REQUEST, NULL, 0);
    const HttpFormat format = request->form.format;

    if (!job)
        return NULL;
    free(job->samples);
    job->samples = audio->samples;
    job->count = audio->count;
    *audio = (Audio){0};
    (void)snprintf(job->language, sizeof job->language, "%s", request->form.language);
    if (request->form.given[FIELD_PROMPT] && !(job->prompt = strdup(request->form.prompt)))
        return job_free(job);
    job->timestamps = format == HTTP_JSON || format == HTTP_TEXT ? WHISPER158_TIMESTAMPS_AUTO : WHISPER158_TIMESTAMPS_ON;
    job->end = (double)job->count / WHISPER158_SAMPLE_RATE;
    job->heard = request->arrived;
    job->done = on_done;
    job->user = request;
    return job;
}

/* `cancelled`: its client went while it was decoded. */
static void enqueue(Request *request, Audio *audio, bool cancelled) {
    Job *const job = make_job(request, audio);
    const int r = job ? queue_put(request->http->options.queue, job) : -ENOMEM;

    if (r >= 0) {
        request->job = job;
        if (cancelled)
            job_cancel(job);
        return;
    }
    (void)job_free(job);
    if (r == -ENOSPC) {
        warn(&request->http->warned_full, "a request is refused: too much waits to be transcribed already");
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "too much waits to be transcribed already; try again later", NULL,
               "queue_full");
    } else {
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, r == -ESHUTDOWN ? "the daemon is about to end" : "out of memory",
               NULL, NULL);
    }
    resume(request);
}

static void refuse_audio(Request *request, const HttpDecoding *decoding) {
    char sentence[512];

    if (decoding->error == -EFBIG)
        (void)snprintf(sentence, sizeof sentence, "file is longer than %zu seconds; cut it into parts",
                       decoding->limits.max_seconds);
    else
        (void)snprintf(sentence, sizeof sentence, "file %s", decoding->sentence.text);
    refuse(request,
           decoding->error == -EFBIG    ? MHD_HTTP_CONTENT_TOO_LARGE
           : decoding->error == -ENOMEM ? MHD_HTTP_SERVICE_UNAVAILABLE
                                        : MHD_HTTP_BAD_REQUEST,
           sentence, "file", NULL);
}

static void on_decoded(HttpDecoding *decoding) {
    Request *const request = decoding->user;

    if (request) {
        request->decoding = NULL;
        forget_file(request);
        if (decoding->error >= 0) {
            enqueue(request, &decoding->audio, atomic_load(&decoding->cancelled));
        } else {
            if (decoding->error == -ECANCELED)
                refuse_cancelled(request);
            else
                refuse_audio(request, decoding);
            resume(request);
        }
    }
    (void)http_decoding_free(decoding);
}

static void decode(Request *request) {
    HttpDecoding *const decoding = calloc(1, sizeof *decoding);

    if (!decoding) {
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory", NULL, NULL);
        return;
    }
    decoding->data = request->file;
    decoding->size = request->size;
    decoding->limits.max_seconds = request->http->options.max_seconds;
    decoding->limits.max_rate = RATE_MAX;
    decoding->done = on_decoded;
    decoding->user = request;
    request->file = NULL;
    request->decoding = decoding;
    http_decoder_put(request->http->decoder, decoding);
    suspend(request);
}

/* ----------------------------------------------------------------------------------------------------------- its upload */

static bool take_file(Request *request, const char *bytes, size_t count, size_t offset) {
    if (offset == 0 && request->size > 0)
        return refuse(request, MHD_HTTP_BAD_REQUEST, "file is given twice", "file", NULL), false;
    if (count > request->room - request->size) {
        const size_t room = request->size + count + GROW;
        unsigned char *grown;

        if (room > BODY_MAX + GROW)
            return refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "the file is larger than 25 MiB", "file", NULL), false;
        grown = room - request->room <= BODIES_MAX - request->http->bytes ? realloc(request->file, room) : NULL;
        if (!grown)
            return refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "too many files are on their way; try again later", NULL,
                          "queue_full"),
                   false;
        request->file = grown;
        request->http->bytes += room - request->room;
        request->room = room;
    }
    if (count > 0)
        memcpy(request->file + request->size, bytes, count);
    request->size += count;
    return true;
}

static enum MHD_Result on_field(void *user, enum MHD_ValueKind kind, const char *key, const char *filename,
                                const char *type, const char *encoding, const char *bytes, uint64_t offset, size_t count) {
    Request *const request = user;
    const HttpField field = key ? http_field(key) : FIELD_IGNORED;
    whisper158_error error;

    (void)kind, (void)filename, (void)type, (void)encoding;
    if (field == FIELD_FILE)
        return take_file(request, bytes, count, (size_t)offset) ? MHD_YES : MHD_NO;
    if (http_form_add(&request->form, field, bytes, count, (size_t)offset, &error) >= 0)
        return MHD_YES;
    refuse(request, MHD_HTTP_BAD_REQUEST, error.text, http_field_name(field), NULL);
    return MHD_NO;
}

static void take_body(Request *request, const char *bytes, size_t count) {
    if (request->refused)
        return;
    if (MHD_post_process(request->post, bytes, count) != MHD_YES)
        refuse(request, MHD_HTTP_BAD_REQUEST, "the form is malformed", NULL, NULL);
}

/* All of the body is here. */
static void settle(Request *request) {
    whisper158_error error;
    int r;

    request->complete = true;
    request->arrived = loop_now();
    if (request->post && MHD_destroy_post_processor(request->post) != MHD_YES)
        refuse(request, MHD_HTTP_BAD_REQUEST, "the form is malformed or incomplete", NULL, NULL);
    request->post = NULL;
    if (request->refused)
        return;
    r = http_form_settle(&request->form, request->http->options.model, &error);
    if (r < 0)
        refuse(request, r == -ENOENT ? MHD_HTTP_NOT_FOUND : MHD_HTTP_BAD_REQUEST, error.text,
               http_field_name(request->form.bad), r == -ENOENT ? "model_not_found" : NULL);
    else if (request->size == 0)
        refuse(request, MHD_HTTP_BAD_REQUEST, "file is missing or empty", "file", NULL);
    else if (!http_is_audio(request->file, request->size))
        refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "file is not WAV, FLAC or Ogg", "file", NULL);
    else
        decode(request);
}

static enum MHD_Result go_on(Request *request, const char *bytes, size_t *count) {
    if (*count > 0) {
        take_body(request, bytes, *count);
        *count = 0;
        return MHD_YES;
    }
    if (!request->complete)
        settle(request);
    return request->suspended ? MHD_YES : answer_send(request->connection, &request->answer);
}

/* -------------------------------------------------------------------------------------------------- what is asked, and who */

typedef enum Route { ROUTE_PAGE, ROUTE_HEALTH, ROUTE_MODELS, ROUTE_EVENTS, ROUTE_TRANSCRIBE, ROUTES } Route;

static const struct {
    const char *path;
    const char *method;
    bool open; /* needs no token */
} routes[ROUTES] = {
    [ROUTE_PAGE] = {"/", MHD_HTTP_METHOD_GET, true},
    [ROUTE_HEALTH] = {"/health", MHD_HTTP_METHOD_GET, true},
    [ROUTE_MODELS] = {"/v1/models", MHD_HTTP_METHOD_GET, false},
    [ROUTE_EVENTS] = {"/events", MHD_HTTP_METHOD_GET, false},
    [ROUTE_TRANSCRIBE] = {"/v1/audio/transcriptions", MHD_HTTP_METHOD_POST, false},
};

static Route find_route(const char *path) {
    Route route = ROUTE_PAGE;

    while (route < ROUTES && strcmp(path, routes[route].path) != 0)
        route++;
    return route;
}

static Answer refuse_method(Route route) {
    const bool get = strcmp(routes[route].method, MHD_HTTP_METHOD_GET) == 0;
    const Answer answer = answer_error(MHD_HTTP_METHOD_NOT_ALLOWED,
                                       get ? "this is to be read with GET" : "this takes a POST", NULL, NULL);

    if (answer.response)
        (void)MHD_add_response_header(answer.response, MHD_HTTP_HEADER_ALLOW, get ? "GET, HEAD" : routes[route].method);
    return answer;
}

static Answer refuse_token(Http *http) {
    const Answer answer = answer_error(MHD_HTTP_UNAUTHORIZED, "this needs the header \"Authorization: Bearer TOKEN\"",
                                       NULL, "invalid_api_key");

    warn(&http->warned, "a request without the right token was refused");
    if (answer.response)
        (void)MHD_add_response_header(answer.response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    return answer;
}

/* Whether what a browser tells of a request makes it one that no page of ours has sent. */
static bool is_foreign(const Http *http, struct MHD_Connection *connection) {
    const char *const host = header(connection, MHD_HTTP_HEADER_HOST);
    const char *const origin = header(connection, MHD_HTTP_HEADER_ORIGIN);

    return (!http->has_token && !http_is_local_host(host)) || (origin && !http_is_own_origin(origin, host));
}

/* {0}: the request may go on. */
static Answer judge(Http *http, struct MHD_Connection *connection, Route route, const char *method) {
    const bool head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

    if (is_foreign(http, connection))
        return answer_error(MHD_HTTP_FORBIDDEN,
                            "the host or the origin that the request names is not this one; ask for localhost", NULL, NULL);
    if (route == ROUTES)
        return answer_error(MHD_HTTP_NOT_FOUND, "there is nothing here of that name", NULL, NULL);
    if (http->has_token && !routes[route].open &&
        !http_has_token(header(connection, MHD_HTTP_HEADER_AUTHORIZATION), http->token))
        return refuse_token(http);
    if (strcmp(method, routes[route].method) != 0 && !(head && route != ROUTE_EVENTS && route != ROUTE_TRANSCRIBE))
        return refuse_method(route);
    return (Answer){0};
}

/* Bytes of the body; 0 where nobody has said. */
static uint64_t body_length(struct MHD_Connection *connection) {
    const char *const length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return length ? strtoull(length, NULL, 10) : 0;
}

static bool has_body(struct MHD_Connection *connection) {
    return body_length(connection) > 0 || header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* Those that were refused, perhaps for want of a token, are here until the rest of them has come. */
static size_t count_requests(const Http *http, bool refused_too) {
    size_t count = 0;

    for (const Request *request = http->first; request; request = request->next)
        count += refused_too || !request->refused;
    return count;
}

/* Of an upload: {0}, and a post processor that takes it. */
static Answer judge_upload(Request *request) {
    struct MHD_Connection *const connection = request->connection;
    static const char form[] = "multipart/form-data";
    const char *const type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE);

    if (count_requests(request->http, false) > request->http->options.clients)
        return answer_error(MHD_HTTP_SERVICE_UNAVAILABLE, "too many others have files transcribed; try again later", NULL,
                            "queue_full");
    if (body_length(connection) > BODY_MAX + DRAIN_MAX)
        return answer_error(MHD_HTTP_CONTENT_TOO_LARGE, "the request is larger than 25 MiB", "file", NULL);
    if (!type || strncasecmp(type, form, sizeof form - 1) != 0)
        return answer_error(MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "the request is not a form (multipart/form-data)", NULL, NULL);
    request->post = MHD_create_post_processor(connection, POST_BUFFER, on_field, request);
    if (!request->post)
        return answer_error(MHD_HTTP_BAD_REQUEST, "the form has no boundary", NULL, NULL);
    return (Answer){0};
}

/* ------------------------------------------------------------------------------------------------------------- answers */

static Answer answer_models(const Http *http) {
    struct json_object *const object = json_object_new_object();
    struct json_object *const models = json_object_new_array();
    struct json_object *const model = json_object_new_object();
    char name[HTTP_FIELD + 1];

    http_model_name(http->options.model, name, sizeof name);
    json_put(model, "id", json_text(name, strlen(name)));
    json_put(model, "object", json_object_new_string("model"));
    json_put(model, "created", json_object_new_int64(0));
    json_put(model, "owned_by", json_object_new_string("whisper158"));
    if (models)
        (void)json_object_array_add(models, model);
    else
        (void)json_object_put(model);
    json_put(object, "object", json_object_new_string("list"));
    json_put(object, "data", models);
    return answer_json(MHD_HTTP_OK, object);
}

static Answer answer_health(void) {
    struct json_object *const object = json_object_new_object();

    json_put(object, "status", json_object_new_string("ok"));
    return answer_json(MHD_HTTP_OK, object);
}

/* A stream has room for more. */
static void on_reading(const void *user, struct MHD_Connection *connection) {
    set_deadline(user, connection, READ_SECONDS);
}

static Answer answer_events(const Http *http, struct MHD_Connection *connection) {
    struct MHD_Response *response;

    if (event_streams_count(http->events) >= http->options.clients)
        return answer_error(MHD_HTTP_SERVICE_UNAVAILABLE, "too many others read the events; try again later", NULL, NULL);
    response = event_streams_open(http->events, connection);
    if (!response)
        return (Answer){0};
    answer_add_headers(response, "text/event-stream");
    on_reading(http, connection);
    if (http->options.subscribed)
        http->options.subscribed(http->options.user);
    return (Answer){MHD_HTTP_OK, response};
}

static Answer answer_route(const Http *http, struct MHD_Connection *connection, Route route) {
    switch (route) {
    case ROUTE_PAGE:
        return answer_page();
    case ROUTE_HEALTH:
        return answer_health();
    case ROUTE_MODELS:
        return answer_models(http);
    case ROUTE_EVENTS:
        return answer_events(http, connection);
    case ROUTE_TRANSCRIBE:
    case ROUTES:
        break;
    }
    return (Answer){0};
}

/* The headers are here. */
static enum MHD_Result begin(Http *http, struct MHD_Connection *connection, const char *path, const char *method,
                             void **context) {
    const Route route = find_route(path);
    Answer answer = judge(http, connection, route, method);
    const bool good = !answer.status;
    Request *request;

    set_deadline(http, connection, BODY_SECONDS);
    if (good && route != ROUTE_TRANSCRIBE)
        answer = answer_route(http, connection, route);
    if (answer.status && (!has_body(connection) || body_length(connection) > DRAIN_MAX))
        return answer_send(connection, &answer);
    if (!answer.status && route != ROUTE_TRANSCRIBE)
        return MHD_NO;
    request = request_new(http, connection);
    if (!request) {
        answer_drop(&answer);
        return MHD_NO;
    }
    *context = request;
    if (good && route == ROUTE_TRANSCRIBE)
        answer = judge_upload(request);
    request->answer = answer;
    request->refused = answer.status != 0;
    if (request->refused && body_length(connection) > DRAIN_MAX)
        return answer_send(connection, &request->answer);
    return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *bytes, size_t *count, void **context) {
    (void)version;
    return *context ? go_on(*context, bytes, count) : begin(user, connection, path, method, context);
}

/* --------------------------------------------------------------------------------------------------------- start and end */

/* Reads the token, if there is one. */
static int read_token(Http *http, const char *path, bool optional, whisper158_error *error) {
    char text[HTTP_TOKEN_MAX + 64];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n;
    int r;

    if (fd < 0 && optional && errno == ENOENT)
        return 0;
    if (fd < 0)
        return fail(error, -errno, "the token %.200s cannot be opened: %s", path, strerror(errno));
    n = read(fd, text, sizeof text);
    r = n < 0 ? -errno : 0;
    (void)close(fd);
    if (r < 0)
        return fail(error, r, "the token %.200s cannot be read: %s", path, strerror(-r));
    r = http_read_token(http->token, text, (size_t)n, error);
    if (r < 0 || (r == 0 && !optional)) {
        const whisper158_error cause = *error;

        return fail(error, -EINVAL, "%.200s %.128s", path, r < 0 ? cause.text : "holds no token");
    }
    http->has_token = r > 0;
    return 0;
}

static int find_token(Http *http, whisper158_error *error) {
    const char *const folder = getenv("CREDENTIALS_DIRECTORY");
    char path[4096];

    if (http->options.token_file)
        return read_token(http, http->options.token_file, false, error);
    if (!folder || (size_t)snprintf(path, sizeof path, "%s/http-token", folder) >= sizeof path)
        return 0;
    return read_token(http, path, true, error);
}

static int listen_to(Http *http, whisper158_error *error) {
    char address[128];
    bool loopback = false;
    int fd;

    if (http_address(address, sizeof address, http->options.address) < 0)
        return fail(error, -EINVAL, "%.128s is not [ADDRESS:]PORT", http->options.address);
    fd = listener_bind(address, &loopback, error);
    if (fd < 0)
        return fd;
    if (!loopback && !http->has_token) {
        (void)close(fd);
        return fail(error, -EINVAL, "--http %.128s is more than loopback and needs a token: --http-token FILE",
                    http->options.address);
    }
    http->listening = fd;
    return 0;
}

static int start(Http *http, whisper158_error *error) {
    const union MHD_DaemonInfo *info;
    int r;

    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET,
        http->listening, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
    if (!http->daemon)
        return fail(error, -ENOMEM, "the server of --http cannot be started");
    http->listening = -1;
    info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    r = info ? loop_watch(http->options.loop, &http->watch, info->epoll_fd, EPOLLIN, on_ready, http) : -ENOTSUP;
    return r < 0 ? fail(error, r, "the server of --http cannot be watched: %s", strerror(-r)) : 0;
}

int http_new(Http **out, const HttpOptions *options, whisper158_error *error) {
    Http *const http = calloc(1, sizeof *http);
    int r;

    if (!http)
        return fail(error, -ENOMEM, "no memory for the server of --http");
    http->options = *options;
    http->listening = -1;
    r = find_token(http, error);
    if (r >= 0)
        r = listen_to(http, error);
    if (r >= 0 &&
        (http_decoder_new(&http->decoder, options->loop) < 0 ||
         event_streams_new(&http->events, options->loop, options->bus, options->model, pump_soon, on_reading, http) < 0))
        r = fail(error, -ENOMEM, "no memory for the server of --http");
    if (r >= 0)
        r = start(http, error);
    if (r < 0) {
        (void)http_free(http);
        return r;
    }
    *out = http;
    return 0;
}

void http_stop(Http *http) {
    const int fd = MHD_quiesce_daemon(http->daemon);

    if (fd >= 0)
        (void)close(fd);
    pump(http);
}

void http_end_events(Http *http) {
    event_streams_end(http->events);
    pump(http);
}

size_t http_pending(const Http *http) {
    return count_requests(http, true) + event_streams_count(http->events);
}

Http *http_free(Http *http) {
    if (!http)
        return NULL;
    http->decoder = http_decoder_free(http->decoder);
    for (Request *request = http->first; request; request = request->next) {
        request->answer = request->answer.status ? request->answer
                                                 : answer_error(MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon is about to end",
                                                                NULL, NULL);
        resume(request);
    }
    if (http->daemon) {
        event_streams_end(http->events);
        (void)MHD_run(http->daemon);
        watch_remove(&http->watch);
        timer_cancel(&http->pump);
        MHD_stop_daemon(http->daemon);
    }
    if (http->listening >= 0)
        (void)close(http->listening);
    http->events = event_streams_free(http->events);
    free(http);
    return NULL;
}
