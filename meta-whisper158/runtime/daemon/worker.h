/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The thread that has the context: it takes jobs from the queue, transcribes them, and posts them back to the main
 * thread. It is the only one that computes for long, and so the one whose progress the watchdog is fed with.
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "queue.h"
#include "whisper158.h"

typedef struct Worker Worker;

typedef enum InterimPolicy { INTERIM_AUTO, INTERIM_NEVER, INTERIM_ALWAYS } InterimPolicy;

typedef struct WorkerOptions {
    const whisper158_model *model; /* borrowed, for the worker's life */
    whisper158_context_options context;
    whisper158_options listen; /* what all jobs have in common; its callbacks are not used */
    InterimPolicy interim;
    bool (*give_up)(void *user); /* asked while worker_new warms up, in that thread; may be NULL */
    void (*ended)(void *user); /* main thread: all jobs are done, after queue_close */
    void *user;
} WorkerOptions;

/*
 * Makes the context and transcribes a second of noise, so that the first answer is as fast as the later ones and the
 * policy of interim results knows what one costs. This takes as long as it takes. Returns 0, or a negative errno and a
 * sentence: -ECANCELED where give_up said so.
 */
int worker_new(Worker **out, const WorkerOptions *options, Queue *queue, Loop *loop, whisper158_error *error);

/* Starts the thread. */
int worker_start(Worker *worker);

/* Waits for the thread, which ends when the queue is closed and empty. */
void worker_join(Worker *worker);

/* Makes the thread drop what it does and what waits: those jobs are done with -ECANCELED. From any thread. */
void worker_cancel(Worker *worker);

/* The thread must have been joined. NULL is allowed. Returns NULL. */
Worker *worker_free(Worker *worker);

/* A number that grows whenever the worker got on, or had nothing to do. From any thread. */
uint64_t worker_progress(Worker *worker);

/* Whether an interim result of so much speech is worth its cost now (pace.h). From any thread. */
bool worker_wants_interim(Worker *worker, size_t samples);

#endif
