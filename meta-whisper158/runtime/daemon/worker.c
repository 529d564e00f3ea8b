/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pace.h"
#include "report.h"

#define IDLE_SECONDS 1.0 /* at most, between two signs of life */

struct Worker {
    WorkerOptions options;
    whisper158_context *context;
    Queue *queue;
    Loop *loop;
    pthread_t thread;
    bool started, warm;
    atomic_uint_fast64_t progress;
    atomic_bool cancelled;
    pthread_mutex_t lock; /* of the pace */
    Pace pace;
    Post end;
};

/* A job under way: what the callbacks of the library need. */
typedef struct Work {
    Worker *worker;
    Job *job;
    bool no_memory;
} Work;

/* A segment on its way to the main thread. */
typedef struct SegmentPost {
    Post post;
    Job *job;
    char text[];
} SegmentPost;

/* ---------------------------------------------------------------------------------------------------------- callbacks */

static int on_progress(void *user, uint64_t done, uint64_t total) {
    const Work *const work = user;
    const WorkerOptions *const options = &work->worker->options;

    (void)done;
    (void)total;
    atomic_fetch_add(&work->worker->progress, 1);
    if (!work->worker->warm && options->give_up && options->give_up(options->user))
        return 1;
    return atomic_load(&work->worker->cancelled) || atomic_load(&work->job->cancelled);
}

static void deliver_segment(Post *post) {
    SegmentPost *const segment = (SegmentPost *)post;

    segment->job->segment(segment->job, segment->text);
    free(segment);
}

static int post_segment(const Work *work, const char *text) {
    const size_t size = strlen(text) + 1;
    SegmentPost *const segment = malloc(sizeof *segment + size);

    if (!segment)
        return -ENOMEM;
    segment->job = work->job;
    memcpy(segment->text, text, size);
    loop_post(work->worker->loop, &segment->post, deliver_segment);
    return 0;
}

static int on_segment(void *user, const whisper158_segment *segment) {
    Work *const work = user;
    int r = transcript_add(&work->job->transcript, segment);

    if (r >= 0 && work->job->segment)
        r = post_segment(work, segment->text);
    work->no_memory = r < 0;
    return r;
}

/* --------------------------------------------------------------------------------------------------------------- jobs */

static uint64_t peak_rss(void) {
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static int transcribe(Worker *worker, Job *job) {
    Work work = {.worker = worker, .job = job};
    whisper158_options options = worker->options.listen;
    int r;

    options.progress = on_progress;
    options.user = &work;
    if (*job->language)
        options.language = job->language;
    if (job->prompt)
        options.prompt = job->prompt;
    options.timestamps = job->timestamps;
    if (on_progress(&work, 0, 0))
        return fail(&job->sentence, -ECANCELED, "nobody waits for it any more");
    r = whisper158_transcribe(worker->context, job->samples, job->count, &options, on_segment, &work, &job->sentence);
    if (work.no_memory)
        return fail(&job->sentence, -ENOMEM, "no memory for the text");
    return r;
}

static double frames_of(const Worker *worker, size_t samples) {
    return pace_frames(worker->options.model, worker->options.listen.audio_context, samples);
}

static void run_job(Worker *worker, Job *job) {
    const double frames = frames_of(worker, job->count);
    const double started = loop_now();
    double ended;

    job->waited = started - job->put;
    job->error = transcribe(worker, job);
    ended = loop_now();
    job->transcript.duration = (double)job->count / WHISPER158_SAMPLE_RATE;
    job->transcript.seconds = ended - started;
    whisper158_context_get_timings(worker->context, &job->transcript.timings);
    job->peak_rss = peak_rss();
    /* Digital silence is passed over, which says nothing of the next one. */
    if (job->error >= 0 && job->transcript.timings.windows > 0) {
        (void)pthread_mutex_lock(&worker->lock);
        pace_measure(&worker->pace, frames, ended - started, ended);
        (void)pthread_mutex_unlock(&worker->lock);
    }
}

static void deliver(Post *post) {
    Job *const job = (Job *)((char *)post - offsetof(Job, post));

    job->done(job);
}

static void end(Post *post) {
    const Worker *const worker = (Worker *)((char *)post - offsetof(Worker, end));

    worker->options.ended(worker->options.user);
}

static void *work(void *user) {
    Worker *const worker = user;
    int r;

    do {
        Job *job;

        r = queue_take(worker->queue, IDLE_SECONDS, &job);
        atomic_fetch_add(&worker->progress, 1);
        if (r >= 0) {
            run_job(worker, job);
            queue_finish(worker->queue);
            loop_post(worker->loop, &job->post, deliver);
        }
    } while (r != -ESHUTDOWN);
    loop_post(worker->loop, &worker->end, end);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------------- worker */

/* A second of soft noise, the same each time: digital silence would be passed over. */
static int warm_up(Worker *worker, whisper158_error *error) {
    Job *const job = job_new(JOB_UTTERANCE, NULL, 0);
    float *const noise = job ? realloc(job->samples, WHISPER158_SAMPLE_RATE * sizeof *noise) : NULL;
    uint32_t random = 1;
    int r;

    if (!noise) {
        (void)job_free(job);
        return fail(error, -ENOMEM, "no memory for a second of audio");
    }
    job->samples = noise;
    job->count = WHISPER158_SAMPLE_RATE;
    for (size_t i = 0; i < job->count; i++) {
        random = 1664525 * random + 1013904223;
        noise[i] = 0.002f * ((float)(random >> 8) / (float)(1 << 24) - 0.5f);
    }
    job->put = loop_now();
    run_job(worker, job);
    r = job->error;
    *error = job->sentence;
    (void)job_free(job);
    worker->warm = true;
    return r;
}

int worker_new(Worker **out, const WorkerOptions *options, Queue *queue, Loop *loop, whisper158_error *error) {
    Worker *const worker = calloc(1, sizeof *worker);
    int r;

    if (!worker)
        return fail(error, -ENOMEM, "no memory for a worker");
    worker->options = *options;
    worker->queue = queue;
    worker->loop = loop;
    (void)pthread_mutex_init(&worker->lock, NULL);
    r = whisper158_context_new(&worker->context, options->model, &options->context, error);
    if (r >= 0)
        r = warm_up(worker, error);
    if (r < 0) {
        (void)worker_free(worker);
        return r;
    }
    *out = worker;
    return 0;
}

int worker_start(Worker *worker) {
    const int r = pthread_create(&worker->thread, NULL, work, worker);

    worker->started = r == 0;
    return -r;
}

void worker_join(Worker *worker) {
    if (worker->started)
        (void)pthread_join(worker->thread, NULL);
    worker->started = false;
}

void worker_cancel(Worker *worker) {
    atomic_store(&worker->cancelled, true);
}

Worker *worker_free(Worker *worker) {
    if (!worker)
        return NULL;
    (void)whisper158_context_free(worker->context);
    (void)pthread_mutex_destroy(&worker->lock);
    free(worker);
    return NULL;
}

uint64_t worker_progress(Worker *worker) {
    return atomic_load(&worker->progress);
}

bool worker_wants_interim(Worker *worker, size_t samples) {
    Pace pace;

    (void)pthread_mutex_lock(&worker->lock);
    pace = worker->pace;
    (void)pthread_mutex_unlock(&worker->lock);
    switch (worker->options.interim) {
    case INTERIM_NEVER:
        return false;
    case INTERIM_ALWAYS:
        return true;
    case INTERIM_AUTO:
        break;
    }
    return pace_allows_interim(&pace, frames_of(worker, samples), loop_now());
}
