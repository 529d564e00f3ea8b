/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "http_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http_request.h"
#include "json.h"

enum {
    ROOM = 1 << 16,   /* bytes that may wait in a stream */
    LEVELS = 1 << 12, /* once so many do, no further levels are added */
};

/* So often something is sent, if only a comment: a peer that went without a word is noticed, and proxies stay calm. */
#define BEAT_SECONDS 15.0

typedef struct EventStream EventStream;

struct EventStream {
    EventStreams *streams;
    EventStream *next;
    struct MHD_Connection *connection;
    Subscription *subscription;
    char *bytes; /* [ROOM], of which `start` to `end` are to be sent */
    size_t start, end;
    bool suspended;
    bool ended; /* once what waits is sent */
};

struct EventStreams {
    Loop *loop;
    Bus *bus;
    const whisper158_model *model;
    void (*resumed)(void *user);
    void (*reading)(const void *user, struct MHD_Connection *connection);
    void *user;
    EventStream *first;
    Timer beat;
};

static void wake(EventStream *stream) {
    if (!stream->suspended)
        return;
    stream->suspended = false;
    MHD_resume_connection(stream->connection);
    stream->streams->resumed(stream->streams->user);
}

static bool append(EventStream *stream, const char *bytes, size_t count) {
    if (stream->start > 0) {
        memmove(stream->bytes, stream->bytes + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
    }
    if (count > ROOM - stream->end)
        return false;
    memcpy(stream->bytes + stream->end, bytes, count);
    stream->end += count;
    return true;
}

/* One event: a line of JSON, without its newline. */
static void send_line(EventStream *stream, const char *line, size_t length) {
    static const char head[] = "data: ";

    if (stream->ended || !line)
        return;
    /* An event that does not fit whole ends the stream, and no reader takes a half one: its empty line is missing. */
    stream->ended = !append(stream, head, sizeof head - 1) || !append(stream, line, length) || !append(stream, "\n\n", 2);
    wake(stream);
}

static void on_event(void *user, const Event *event) {
    EventStream *const stream = user;
    size_t length = 0;
    const char *line;

    if (event->kind == EVENT_LEVEL && stream->end - stream->start > LEVELS)
        return;
    line = bus_line(stream->streams->bus, event, &length);
    send_line(stream, line, length - 1);
}

static void send_hello(EventStream *stream) {
    struct json_object *const object = json_object_new_object();
    char name[128];
    const char *text;

    http_model_name(stream->streams->model, name, sizeof name);
    json_put(object, "event", json_object_new_string("hello"));
    json_put(object, "version", json_object_new_string(whisper158_version()));
    json_put(object, "model", json_text(name, strlen(name)));
    text = object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN) : NULL;
    send_line(stream, text, text ? strlen(text) : 0);
    (void)json_object_put(object);
}

/* How things are, for one that comes late. */
static void send_state(EventStream *stream) {
    static const EventKind kinds[] = {EVENT_STATE, EVENT_LISTENING};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = 0;
        const char *const line = bus_last_line(stream->streams->bus, kinds[i], &length);

        send_line(stream, line, length - 1);
    }
}

static void beat(Timer *timer) {
    EventStreams *const streams = timer->user;
    static const char comment[] = ":\n\n";

    for (EventStream *s = streams->first; s; s = s->next) {
        if (!s->ended && s->start == s->end)
            (void)append(s, comment, sizeof comment - 1);
        wake(s);
    }
    if (streams->first)
        loop_set_timer(streams->loop, timer, BEAT_SECONDS, beat, streams);
}

/* --------------------------------------------------------------------------------------------- libmicrohttpd's questions */

static ssize_t on_read(void *user, uint64_t position, char *to, size_t room) {
    EventStream *const stream = user;
    const size_t waiting = stream->end - stream->start;
    const size_t count = waiting < room ? waiting : room;

    (void)position;
    stream->streams->reading(stream->streams->user, stream->connection);
    if (count > 0) {
        memcpy(to, stream->bytes + stream->start, count);
        stream->start += count;
        return (ssize_t)count;
    }
    if (stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    stream->suspended = true;
    MHD_suspend_connection(stream->connection);
    return 0;
}

static void on_free(void *user) {
    EventStream *const stream = user;
    EventStream **at = &stream->streams->first;

    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    (void)bus_unsubscribe(stream->subscription);
    free(stream->bytes);
    free(stream);
}

struct MHD_Response *event_streams_open(EventStreams *streams, struct MHD_Connection *connection) {
    EventStream *const stream = calloc(1, sizeof *stream);
    struct MHD_Response *response = NULL;

    if (!stream)
        return NULL;
    *stream = (EventStream){.streams = streams, .next = streams->first, .connection = connection, .bytes = malloc(ROOM)};
    streams->first = stream;
    stream->subscription = bus_subscribe(streams->bus, EVENT_MASK_ALL, on_event, stream);
    if (stream->bytes && stream->subscription)
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, on_read, stream, on_free);
    if (!response) {
        on_free(stream);
        return NULL;
    }
    send_hello(stream);
    send_state(stream);
    if (!streams->beat.loop)
        loop_set_timer(streams->loop, &streams->beat, BEAT_SECONDS, beat, streams);
    return response;
}

/* ------------------------------------------------------------------------------------------------------------------ all */

int event_streams_new(EventStreams **out, Loop *loop, Bus *bus, const whisper158_model *model,
                      void (*resumed)(void *user), void (*reading)(const void *user, struct MHD_Connection *connection),
                      void *user) {
    *out = malloc(sizeof **out);
    if (!*out)
        return -ENOMEM;
    **out = (EventStreams){
        .loop = loop, .bus = bus, .model = model, .resumed = resumed, .reading = reading, .user = user};
    return 0;
}

size_t event_streams_count(const EventStreams *streams) {
    size_t count = 0;

    for (const EventStream *s = streams->first; s; s = s->next)
        count++;
    return count;
}

void event_streams_end(EventStreams *streams) {
    for (EventStream *s = streams->first; s; s = s->next) {
        s->ended = true;
        wake(s);
    }
}

EventStreams *event_streams_free(EventStreams *streams) {
    if (streams)
        timer_cancel(&streams->beat);
    free(streams);
    return NULL;
}
