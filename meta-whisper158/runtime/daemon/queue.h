/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Audio on its way to the worker: a bounded queue of jobs, and beside it one place for an interim one.
 *
 * A job is what somebody wants transcribed: an utterance of the microphone, or what a client sent. Jobs are answered in
 * the order of their arrival. What was accepted is answered, whatever comes later; what does not fit any more, the
 * newest, is refused and counted. Clients may fill only half of the queue, so that there is room for what was spoken.
 *
 * An interim job (speech that goes on) is worth something only while nothing else waits: a newer one takes its place,
 * and any job that arrives makes the worker drop it.
 *
 * Life of a job: whoever wants something makes it with job_new, fills it, and gives it to queue_put. The worker fills in
 * the result and posts it to the main thread, where `done` is called, exactly once; from then on it is the caller's
 * again, to be freed with job_free. Whoever loses interest calls job_cancel and still gets `done`, with -ECANCELED or
 * with the result, whichever was first.
 */
#ifndef DAEMON_QUEUE_H
#define DAEMON_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "transcript.h"
#include "whisper158.h"

enum { JOB_LANGUAGE = 16 };

typedef enum JobKind {
    JOB_UTTERANCE, /* of the microphone, complete */
    JOB_INTERIM,   /* of the microphone, still going on */
    JOB_REQUEST,   /* of a client */
} JobKind;

typedef struct Job Job;

struct Job {
    /* What is wanted. */
    JobKind kind;
    float *samples; /* [count], owned */
    size_t count;
    char language[JOB_LANGUAGE]; /* code; empty: as the daemon was told */
    char *prompt; /* NULL: as the daemon was told; owned */
    whisper158_timestamps timestamps;
    uint64_t utterance; /* its number, from 1; 0 for requests */
    double start, end;  /* seconds since the source began, or since the audio of the client did */
    double heard;       /* loop_now() when the last of it had been spoken or had arrived; latency counts from here */
    const char *why;    /* an utterance ended: static storage */
    double noise_db;    /* of the background of an utterance, below full scale */
    void (*segment)(Job *job, const char *text); /* main thread, for each segment before `done`; may be NULL */
    void (*done)(Job *job);                      /* main thread */
    void *user;

    /* What became of it, for `done`. */
    int error;                  /* 0, or a negative errno and a sentence */
    whisper158_error sentence;
    Transcript transcript;      /* text, segments, tokens, language, timings, duration and seconds of work */
    double waited;              /* seconds in the queue */
    uint64_t peak_rss;          /* bytes, of the process so far */

    /* The queue's and the worker's own. */
    atomic_bool cancelled;
    double put;
    Job *next;
    Post post;
};

/* A job with `count` samples copied from `samples`, or NULL without memory. */
Job *job_new(JobKind kind, const float *samples, size_t count);

/* NULL is allowed. Returns NULL. */
Job *job_free(Job *job);

/* From any thread, between queue_put and `done`. */
void job_cancel(Job *job);

/* The model's certainty from 0 to 1: the geometric mean of its tokens' probabilities. 0 where nothing was said. */
double job_confidence(const Job *job);

/* Work seconds by seconds of audio. */
double job_rtf(const Job *job);

typedef struct Queue Queue;

typedef struct QueueLimits {
    size_t jobs;    /* of both kinds together */
    size_t samples; /* likewise */
} QueueLimits;

typedef struct QueueCounts {
    size_t jobs, samples;        /* that wait now */
    uint64_t dropped[2];         /* utterances, and requests, that were refused */
    uint64_t dropped_samples[2]; /* their audio */
} QueueCounts;

int queue_new(Queue **out, const QueueLimits *limits);

/* Frees the jobs that are left, without a call. NULL is allowed. Returns NULL. */
Queue *queue_free(Queue *queue);

/*
 * From any thread. On success the job is the queue's. -ENOSPC: the queue is full; -ESHUTDOWN: it was closed. Then the job
 * stays the caller's; both are counted as dropped.
 */
int queue_put(Queue *queue, Job *job);

/* False if a later queue_put of the job may succeed where one now would not. */
bool queue_has_room(Queue *queue, const Job *job);

/* Takes an interim job in any case; it is freed (without a call) if it is not wanted any more. */
void queue_put_interim(Queue *queue, Job *job);

/* No interim result of the speech so far is wanted any more: it has ended. */
void queue_drop_interim(Queue *queue);

/* No further jobs. The worker still gets those that wait. */
void queue_close(Queue *queue);

void queue_get_counts(Queue *queue, QueueCounts *out);

/* For the worker: the next job in *out; -EAGAIN after `seconds` without one, -ESHUTDOWN at the end of a closed queue. */
int queue_take(Queue *queue, double seconds, Job **out);

/* For the worker, before it posts a job that it took: the queue does not look at it any more. */
void queue_finish(Queue *queue);

#endif
