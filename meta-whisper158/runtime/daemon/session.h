/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The microphone's side of the daemon: what the source captures goes to the hearing, what that finds goes to the queue
 * as jobs, and what becomes of it to the bus as events.
 *
 * Source and hearing live in the source's thread, which never waits for anybody: it copies, and posts. All events are
 * published by the main thread.
 */
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

#include <stdbool.h>

#include "bus.h"
#include "hearing.h"
#include "loop.h"
#include "queue.h"
#include "source.h"
#include "stats.h"
#include "worker.h"

typedef struct Session Session;

typedef struct SessionOptions {
    Loop *loop;
    Bus *bus;
    Queue *queue;
    Worker *worker;
    Stats *stats;
    const whisper158_model *model;
    SourceOptions source;
    HearingOptions hearing;
    void (*ended)(void *user, int error); /* main thread: the input has, or cannot be read */
    void *user;
} SessionOptions;

/* -ENOENT: the model has no voice activity detector. */
int session_new(Session **out, const SessionOptions *options, whisper158_error *error);

/* Begins to listen. */
int session_start(Session *session, whisper158_error *error);

/* Hears no more; what was being said goes to the queue. */
void session_stop(Session *session);

/* Opens the microphone anew. */
void session_reopen(Session *session);

/* All jobs must be done, and all posts have been run. NULL is allowed. Returns NULL. */
Session *session_free(Session *session);

#endif
