/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct Queue {
    QueueLimits limits;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t filled;
    Job *first, **last;
    Job *interim;
    Job *interim_taken; /* by the worker; only looked at to cancel it */
    size_t requests, request_samples;
    QueueCounts counts;
    bool closed;
};

/* ---------------------------------------------------------------------------------------------------------------- job */

Job *job_new(JobKind kind, const float *samples, size_t count) {
    Job *const job = calloc(1, sizeof *job);

    if (!job)
        return NULL;
    job->kind = kind;
    job->count = count;
    job->samples = count <= SIZE_MAX / sizeof *samples ? malloc((count ? count : 1) * sizeof *samples) : NULL;
    if (!job->samples)
        return job_free(job);
    if (count)
        memcpy(job->samples, samples, count * sizeof *samples);
    return job;
}

Job *job_free(Job *job) {
    if (!job)
        return NULL;
    transcript_free(&job->transcript);
    free(job->samples);
    free(job->prompt);
    free(job);
    return NULL;
}

void job_cancel(Job *job) {
    atomic_store(&job->cancelled, true);
}

double job_confidence(const Job *job) {
    const Transcript *const t = &job->transcript;
    double sum = 0.0;
    size_t tokens = 0;

    for (const Segment *s = t->segments; s != t->segments + t->n_segments; s++) {
        sum += (double)s->avg_logprob * (double)s->n_tokens;
        tokens += s->n_tokens;
    }
    return tokens ? fmin(exp(sum / (double)tokens), 1.0) : 0.0;
}

double job_rtf(const Job *job) {
    return job->count ? job->transcript.seconds * WHISPER158_SAMPLE_RATE / (double)job->count : 0.0;
}

/* -------------------------------------------------------------------------------------------------------------- queue */

int queue_new(Queue **out, const QueueLimits *limits) {
    Queue *const queue = calloc(1, sizeof *queue);
    pthread_condattr_t attributes;

    if (!queue)
        return -ENOMEM;
    queue->limits = *limits;
    queue->last = &queue->first;
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&queue->filled, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    *out = queue;
    return 0;
}

Queue *queue_free(Queue *queue) {
    if (!queue)
        return NULL;
    for (Job *job = queue->first, *next; job; job = next) {
        next = job->next;
        (void)job_free(job);
    }
    (void)job_free(queue->interim);
    (void)pthread_cond_destroy(&queue->filled);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue);
    return NULL;
}

static void cancel_interim(Queue *queue) {
    queue->interim = job_free(queue->interim);
    if (queue->interim_taken)
        job_cancel(queue->interim_taken);
}

static bool fits(const Queue *queue, const Job *job) {
    const QueueLimits *const all = &queue->limits;
    const QueueCounts *const now = &queue->counts;

    if (job->kind == JOB_REQUEST &&
        (queue->requests >= all->jobs / 2 || job->count > all->samples / 2 - queue->request_samples))
        return false;
    return now->jobs < all->jobs && job->count <= all->samples - now->samples;
}

static int append(Queue *queue, Job *job) {
    QueueCounts *const counts = &queue->counts;
    const bool request = job->kind == JOB_REQUEST;

    if (queue->closed || !fits(queue, job)) {
        counts->dropped[request]++;
        counts->dropped_samples[request] += job->count;
        return queue->closed ? -ESHUTDOWN : -ENOSPC;
    }
    job->put = loop_now();
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
    counts->jobs++;
    counts->samples += job->count;
    queue->requests += request;
    queue->request_samples += request ? job->count : 0;
    cancel_interim(queue);
    (void)pthread_cond_signal(&queue->filled);
    return 0;
}

int queue_put(Queue *queue, Job *job) {
    int r;

    (void)pthread_mutex_lock(&queue->lock);
    r = append(queue, job);
    (void)pthread_mutex_unlock(&queue->lock);
    return r;
}

bool queue_has_room(Queue *queue, const Job *job) {
    bool room;

    (void)pthread_mutex_lock(&queue->lock);
    room = queue->closed || queue->counts.jobs == 0 || fits(queue, job);
    (void)pthread_mutex_unlock(&queue->lock);
    return room;
}

void queue_put_interim(Queue *queue, Job *job) {
    (void)pthread_mutex_lock(&queue->lock);
    if (queue->closed || queue->first) {
        (void)job_free(job);
    } else {
        (void)job_free(queue->interim);
        job->put = loop_now();
        queue->interim = job;
        (void)pthread_cond_signal(&queue->filled);
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_drop_interim(Queue *queue) {
    (void)pthread_mutex_lock(&queue->lock);
    cancel_interim(queue);
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_close(Queue *queue) {
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    cancel_interim(queue);
    (void)pthread_cond_broadcast(&queue->filled);
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_get_counts(Queue *queue, QueueCounts *out) {
    (void)pthread_mutex_lock(&queue->lock);
    *out = queue->counts;
    (void)pthread_mutex_unlock(&queue->lock);
}

/* ------------------------------------------------------------------------------------------------- the worker's side */

static struct timespec after(double seconds) {
    struct timespec t;
    const time_t whole = (time_t)seconds;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += whole;
    t.tv_nsec += (long)(1e9 * (seconds - (double)whole));
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

static Job *take_first(Queue *queue) {
    Job *const job = queue->first;
    const bool request = job->kind == JOB_REQUEST;

    queue->first = job->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->counts.jobs--;
    queue->counts.samples -= job->count;
    queue->requests -= request;
    queue->request_samples -= request ? job->count : 0;
    return job;
}

int queue_take(Queue *queue, double seconds, Job **out) {
    const struct timespec until = after(seconds);
    int r = 0;

    (void)pthread_mutex_lock(&queue->lock);
    queue->interim_taken = NULL;
    while (!queue->first && !queue->interim && !queue->closed && r == 0)
        r = pthread_cond_timedwait(&queue->filled, &queue->lock, &until);
    r = 0;
    if (queue->first) {
        *out = take_first(queue);
    } else if (queue->interim) {
        *out = queue->interim_taken = queue->interim;
        queue->interim = NULL;
    } else {
        r = queue->closed ? -ESHUTDOWN : -EAGAIN;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return r;
}

void queue_finish(Queue *queue) {
    (void)pthread_mutex_lock(&queue->lock);
    queue->interim_taken = NULL;
    (void)pthread_mutex_unlock(&queue->lock);
}
