/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"

struct Subscription {
    Bus *bus;
    uint32_t mask;
    bool ended; /* to be freed when no event is under way */
    void (*on_event)(void *user, const Event *event);
    void *user;
    Subscription *next;
};

struct Bus {
    Subscription *first;
    unsigned depth; /* of bus_publish: an event's subscriber may publish another */
    char *line;     /* of the event under way */
    size_t length;
    char *last[N_EVENTS];
    size_t last_length[N_EVENTS];
};

static const char *const names[N_EVENTS] = {
    [EVENT_LISTENING] = "listening", [EVENT_SPEECH_START] = "speech-start", [EVENT_PARTIAL] = "partial",
    [EVENT_FINAL] = "final",         [EVENT_LEVEL] = "level",               [EVENT_STATE] = "state",
    [EVENT_DROPPED] = "dropped",     [EVENT_ERROR] = "error",
};

const char *event_name(EventKind kind) {
    return names[kind];
}

int event_kind(const char *name) {
    for (int kind = 0; kind < N_EVENTS; kind++)
        if (strcmp(name, names[kind]) == 0)
            return kind;
    return -EINVAL;
}

/* --------------------------------------------------------------------------------------------------------------- JSON */

static void put_text(struct json_object *object, const char *key, const char *text) {
    json_put(object, key, text ? json_text(text, strlen(text)) : NULL);
}

static void put_words(struct json_object *object, const Event *event) {
    json_put(object, "start", json_number(event->start, "%.3f"));
    json_put(object, "end", json_number(event->end, "%.3f"));
    json_put(object, "text", json_text(event->length ? event->text : "", event->length));
    put_text(object, "language", event->language);
    json_put(object, "confidence", json_number(event->confidence, "%.3f"));
    json_put(object, "rtf", json_number(event->rtf, "%.3f"));
}

static void put_details(struct json_object *object, const Event *event) {
    switch (event->kind) {
    case EVENT_SPEECH_START:
        json_put(object, "start", json_number(event->start, "%.3f"));
        break;
    case EVENT_PARTIAL:
        put_words(object, event);
        break;
    case EVENT_FINAL:
        put_words(object, event);
        json_put(object, "latency", json_number(event->latency, "%.3f"));
        put_text(object, "why", event->name);
        break;
    case EVENT_LEVEL:
        json_put(object, "rms_db", json_number(event->rms_db, "%.1f"));
        json_put(object, "peak_db", json_number(event->peak_db, "%.1f"));
        json_put(object, "noise_db", json_number(event->noise_db, "%.1f"));
        json_put(object, "speech", json_number(event->speech, "%.3f"));
        break;
    case EVENT_STATE:
        put_text(object, "state", event->name);
        put_text(object, "text", event->text);
        break;
    case EVENT_DROPPED:
        json_put(object, "lost", json_number(event->lost, "%.3f"));
        put_text(object, "text", event->text);
        break;
    case EVENT_ERROR:
        put_text(object, "text", event->text);
        break;
    case EVENT_LISTENING:
    case N_EVENTS:
        break;
    }
}

/* {"event": NAME, "time": ..., ...}; NULL without memory. */
static struct json_object *event_to_json(const Event *event) {
    struct json_object *const object = json_object_new_object();

    put_text(object, "event", event_name(event->kind));
    json_put(object, "time", json_number(event->time, "%.3f"));
    if (event->utterance)
        json_put(object, "utterance", json_object_new_int64((int64_t)event->utterance));
    put_details(object, event);
    return object;
}

static char *make_line(const Event *event, size_t *length) {
    struct json_object *const object = event_to_json(event);
    const char *const text =
        object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
    char *line = NULL;

    if (text) {
        *length = strlen(text) + 1;
        line = malloc(*length + 1);
        if (line) {
            memcpy(line, text, *length - 1);
            memcpy(line + *length - 1, "\n", 2);
        }
    }
    (void)json_object_put(object);
    return line;
}

const char *bus_line(Bus *bus, const Event *event, size_t *length) {
    if (!bus->line)
        bus->line = make_line(event, &bus->length);
    *length = bus->line ? bus->length : 0;
    return bus->line;
}

const char *bus_last_line(const Bus *bus, EventKind kind, size_t *length) {
    *length = bus->last_length[kind];
    return bus->last[kind];
}

/* ---------------------------------------------------------------------------------------------------------------- bus */

int bus_new(Bus **out) {
    *out = calloc(1, sizeof **out);
    return *out ? 0 : -ENOMEM;
}

Bus *bus_free(Bus *bus) {
    if (!bus)
        return NULL;
    free(bus->line);
    for (size_t i = 0; i < N_EVENTS; i++)
        free(bus->last[i]);
    free(bus);
    return NULL;
}

static void forget_line(Bus *bus) {
    free(bus->line);
    bus->line = NULL;
}

/* Frees those who unsubscribed while an event was under way. */
static void sweep(Bus *bus) {
    for (Subscription **at = &bus->first; *at;) {
        Subscription *const s = *at;

        if (s->ended) {
            *at = s->next;
            free(s);
        } else {
            at = &s->next;
        }
    }
}

static void remember(Bus *bus, const Event *event) {
    free(bus->last[event->kind]);
    bus->last[event->kind] = make_line(event, &bus->last_length[event->kind]);
}

static double wall_clock(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void bus_publish(Bus *bus, const Event *given) {
    char *const outer = bus->line;
    const size_t outer_length = bus->length;
    Event event = *given;

    if (event.time == 0.0)
        event.time = wall_clock();
    bus->line = NULL;
    bus->depth++;
    if (event.kind == EVENT_LISTENING || event.kind == EVENT_STATE)
        remember(bus, &event);
    for (const Subscription *s = bus->first; s; s = s->next)
        if (!s->ended && (s->mask & EVENT_MASK(event.kind)))
            s->on_event(s->user, &event);
    forget_line(bus);
    bus->line = outer;
    bus->length = outer_length;
    if (--bus->depth == 0)
        sweep(bus);
}

Subscription *bus_subscribe(Bus *bus, uint32_t mask, void (*on_event)(void *user, const Event *event), void *user) {
    Subscription *const s = malloc(sizeof *s);
    Subscription **at = &bus->first;

    if (!s)
        return NULL;
    *s = (Subscription){.bus = bus, .mask = mask, .on_event = on_event, .user = user};
    while (*at)
        at = &(*at)->next;
    *at = s;
    return s;
}

void subscription_set_mask(Subscription *subscription, uint32_t mask) {
    subscription->mask = mask;
}

Subscription *bus_unsubscribe(Subscription *subscription) {
    if (!subscription)
        return NULL;
    subscription->ended = true;
    if (subscription->bus->depth == 0)
        sweep(subscription->bus);
    return NULL;
}

size_t bus_count(const Bus *bus, uint32_t mask) {
    size_t count = 0;

    for (const Subscription *s = bus->first; s; s = s->next)
        count += !s->ended && (s->mask & mask);
    return count;
}
