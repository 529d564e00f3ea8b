/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What happens, as events, and those who want to know. All of it belongs to the main thread.
 *
 * An event is a plain structure that lives for the call only, and leaves the process in one form, a line of JSON (the
 * JSON socket, the page's stream).
 */
#ifndef DAEMON_BUS_H
#define DAEMON_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum EventKind {
    EVENT_LISTENING,    /* nobody speaks, the input is heard: after the start and after each utterance */
    EVENT_SPEECH_START, /* somebody began to speak */
    EVENT_PARTIAL,      /* text of an utterance that goes on; the next one, or the final one, takes its place */
    EVENT_FINAL,        /* text of an utterance; empty if no words were heard */
    EVENT_LEVEL,        /* ten times a second: how loud the input is */
    EVENT_STATE,        /* what became of the input: a card is waited for, lost, silent, clipped, ... */
    EVENT_DROPPED,      /* audio was lost: the queue was full, or the input was not read in time */
    EVENT_ERROR,        /* an utterance could not be transcribed, or something else went wrong */
    N_EVENTS,
} EventKind;

#define EVENT_MASK(kind) (1u << (kind))
#define EVENT_MASK_ALL (EVENT_MASK(N_EVENTS) - 1)
#define EVENT_MASK_USUAL (EVENT_MASK_ALL & ~EVENT_MASK(EVENT_LEVEL)) /* of a subscriber that has not said otherwise */

typedef struct Event {
    EventKind kind;
    double time;        /* seconds since 1970; set by bus_publish where it is 0 */
    uint64_t utterance; /* SPEECH_START, PARTIAL, FINAL, and of ERROR and DROPPED where it is about one; else 0 */
    double start, end;  /* SPEECH_START (start only), PARTIAL, FINAL: seconds since the source began */
    const char *text;   /* PARTIAL, FINAL: [length], UTF-8 not guaranteed. STATE, DROPPED, ERROR: a sentence */
    size_t length;
    const char *name;   /* STATE: which, such as "open"; FINAL: why it ended, such as "silence" */
    const char *language; /* PARTIAL, FINAL: code, or NULL where nothing was said */
    double confidence;  /* PARTIAL, FINAL: 0 to 1 */
    double rtf;         /* PARTIAL, FINAL: seconds of work by seconds of audio */
    double latency;     /* FINAL: seconds from the end of the speech to this event */
    double rms_db, peak_db, noise_db; /* LEVEL: dB below full scale */
    double speech;      /* LEVEL: probability that somebody speaks */
    double lost;        /* DROPPED: seconds of audio */
} Event;

typedef struct Bus Bus;
typedef struct Subscription Subscription;

/* "speech-start" etc.; static storage. */
const char *event_name(EventKind kind);

/* The kind of that name, or -EINVAL. */
int event_kind(const char *name);


int bus_new(Bus **out);

/* Subscriptions must have ended. Returns NULL. */
Bus *bus_free(Bus *bus);

/* Tells all whose mask has the event's bit, in the order of their subscription. They may unsubscribe meanwhile. */
void bus_publish(Bus *bus, const Event *event);

/* Returns NULL without memory. */
Subscription *bus_subscribe(Bus *bus, uint32_t mask, void (*on_event)(void *user, const Event *event), void *user);
void subscription_set_mask(Subscription *subscription, uint32_t mask);

/* NULL is allowed. Returns NULL. */
Subscription *bus_unsubscribe(Subscription *subscription);

/* An event as one line of JSON with its newline, made once for all its subscribers. The bus's, valid until the next
 * event; NULL without memory. */
const char *bus_line(Bus *bus, const Event *event, size_t *length);

/* The line of the last event of a kind that says how things are (LISTENING, STATE), for those who come late; NULL: there
 * was none yet. */
const char *bus_last_line(const Bus *bus, EventKind kind, size_t *length);

/* How many subscriptions want one of `mask`. */
size_t bus_count(const Bus *bus, uint32_t mask);

#endif
