/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * daemon/queue.c and daemon/worker.c: what is accepted is answered in order, what is not is counted, and interim jobs
 * make room.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pace.h"
#include "queue.h"
#include "stats.h"
#include "worker.h"

enum { SECOND = WHISPER158_SAMPLE_RATE };

static Job *make(JobKind kind, size_t count) {
    float *const silence = calloc(count ? count : 1, sizeof *silence);
    Job *const job = job_new(kind, silence, count);

    assert(silence && job && job->count == count);
    free(silence);
    return job;
}

static Queue *make_queue(size_t jobs, size_t samples) {
    Queue *queue;

    assert(queue_new(&queue, &(QueueLimits){.jobs = jobs, .samples = samples}) == 0);
    return queue;
}

static Job *take(Queue *queue) {
    Job *job = NULL;

    assert(queue_take(queue, 0.0, &job) == 0 && job);
    return job;
}

static void test_overflow_drops_the_newest(void) {
    Queue *const queue = make_queue(3, 100 * SECOND);
    Job *jobs[4];
    QueueCounts counts;
    Job *none;

    for (size_t i = 0; i < 4; i++) {
        jobs[i] = make(JOB_UTTERANCE, SECOND + i);
        assert(queue_has_room(queue, jobs[i]) == (i < 3));
        assert(queue_put(queue, jobs[i]) == (i < 3 ? 0 : -ENOSPC));
    }
    (void)job_free(jobs[3]);
    queue_get_counts(queue, &counts);
    assert(counts.jobs == 3 && counts.samples == 3 * SECOND + 3);
    assert(counts.dropped[0] == 1 && counts.dropped_samples[0] == SECOND + 3 && counts.dropped[1] == 0);
    for (size_t i = 0; i < 3; i++) {
        Job *const job = take(queue);

        assert(job == jobs[i]);
        (void)job_free(job);
    }
    assert(queue_take(queue, 0.0, &none) == -EAGAIN);
    queue_get_counts(queue, &counts);
    assert(counts.jobs == 0 && counts.samples == 0);
    (void)queue_free(queue);
}

static void test_audio_is_bounded(void) {
    Queue *const queue = make_queue(100, 10 * SECOND);
    Job *const large = make(JOB_UTTERANCE, 11 * SECOND), *const fits = make(JOB_UTTERANCE, 10 * SECOND);
    Job *const more = make(JOB_UTTERANCE, 1);

    assert(queue_has_room(queue, large)); /* it never will */
    assert(queue_put(queue, large) == -ENOSPC);
    assert(queue_put(queue, fits) == 0);
    assert(!queue_has_room(queue, more));
    assert(queue_put(queue, more) == -ENOSPC);
    (void)job_free(large);
    (void)job_free(more);
    (void)queue_free(queue); /* and what waits */
}

/* Clients can fill half of the queue, and what is spoken still finds room. */
static void test_clients_leave_room(void) {
    Queue *const queue = make_queue(4, 10 * SECOND);
    Job *const refused[] = {make(JOB_REQUEST, SECOND), make(JOB_REQUEST, 5 * SECOND + 1)};

    assert(queue_put(queue, refused[1]) == -ENOSPC);
    assert(queue_put(queue, make(JOB_REQUEST, SECOND)) == 0);
    assert(queue_put(queue, make(JOB_REQUEST, SECOND)) == 0);
    assert(queue_put(queue, refused[0]) == -ENOSPC);
    assert(queue_put(queue, make(JOB_UTTERANCE, 4 * SECOND)) == 0);
    assert(queue_put(queue, make(JOB_UTTERANCE, 4 * SECOND)) == 0);
    (void)job_free(refused[0]);
    (void)job_free(refused[1]);
    (void)queue_free(queue);
}

static void test_interim_makes_room(void) {
    Queue *const queue = make_queue(4, 10 * SECOND);
    Job *const older = make(JOB_INTERIM, 10), *const newer = make(JOB_INTERIM, 20);
    Job *const utterance = make(JOB_UTTERANCE, 30);
    Job *none;

    queue_put_interim(queue, older); /* freed by the newer one; the sanitizer sees it if not */
    queue_put_interim(queue, newer);
    assert(take(queue) == newer && !atomic_load(&newer->cancelled));
    assert(queue_put(queue, utterance) == 0);
    assert(atomic_load(&newer->cancelled)); /* the one under way is given up */
    queue_finish(queue);
    queue_put_interim(queue, make(JOB_INTERIM, 40)); /* behind a job that waits: not worth anything */
    assert(take(queue) == utterance);
    assert(queue_take(queue, 0.0, &none) == -EAGAIN);

    queue_put_interim(queue, make(JOB_INTERIM, 50));
    queue_drop_interim(queue);
    assert(queue_take(queue, 0.0, &none) == -EAGAIN);
    (void)job_free(newer);
    (void)job_free(utterance);
    (void)queue_free(queue);
}

static void test_closed(void) {
    Queue *const queue = make_queue(4, 10 * SECOND);
    Job *const late = make(JOB_REQUEST, 7), *const accepted = make(JOB_UTTERANCE, 5);
    QueueCounts counts;
    Job *none;

    assert(queue_put(queue, accepted) == 0);
    queue_close(queue);
    assert(queue_put(queue, late) == -ESHUTDOWN);
    queue_put_interim(queue, make(JOB_INTERIM, 1));
    assert(take(queue) == accepted);
    assert(queue_take(queue, 60.0, &none) == -ESHUTDOWN);
    queue_get_counts(queue, &counts);
    assert(counts.dropped[1] == 1 && counts.dropped_samples[1] == 7);
    (void)job_free(late);
    (void)job_free(accepted);
    (void)queue_free(queue);
}

/* ------------------------------------------------------------------------------------------------------------- worker */

typedef struct Done {
    size_t count, cancelled, failed;
    Loop *loop;
    Job *last;
} Done;

static void done(Job *job) {
    Done *const d = job->user;

    d->count++;
    d->cancelled += job->error == -ECANCELED;
    d->failed += job->error < 0 && job->error != -ECANCELED;
    assert(job->error == 0 || *job->sentence.text);
    (void)job_free(d->last);
    d->last = job;
}

static void ended(void *user) {
    loop_quit(((Done *)user)->loop, 0);
}

static Job *noise(JobKind kind, size_t count, Done *d) {
    Job *const job = make(kind, count);

    for (size_t i = 0; i < count; i++)
        job->samples[i] = 0.1f * (float)((int)(i * 7919 % 201) - 100) / 100.0f;
    job->done = done;
    job->user = d;
    return job;
}

/* To be given up when it was asked so often. */
typedef struct Patience {
    int calls, most;
} Patience;

static bool lose_patience(void *user) {
    Patience *const patience = user;

    return ++patience->calls == patience->most;
}

static void test_warming_up_can_be_given_up(const char *golden) {
    Queue *const queue = make_queue(8, 100 * SECOND);
    Patience patience = {.most = 1};
    WorkerOptions options = {.listen = WHISPER158_OPTIONS_DEFAULT, .give_up = lose_patience, .user = &patience};
    whisper158_model *model;
    whisper158_error error;
    Worker *worker;
    Loop *loop;

    assert(loop_new(&loop) == 0);
    assert(whisper158_model_open(&model, golden, &error) == 0);
    options.model = model;
    for (; worker_new(&worker, &options, queue, loop, &error) < 0; patience.most++, patience.calls = 0)
        assert(patience.calls == patience.most);
    assert(patience.calls + 1 == patience.most && patience.most > 6); /* before each block and each token */
    (void)worker_free(worker);
    (void)queue_free(queue);
    (void)whisper158_model_close(model);
    (void)loop_free(loop);
}

static void test_worker(const char *golden) {
    Queue *const queue = make_queue(8, 100 * SECOND);
    Done d = {0};
    WorkerOptions options = {.listen = WHISPER158_OPTIONS_DEFAULT, .interim = INTERIM_ALWAYS, .ended = ended, .user = &d};
    whisper158_model *model;
    whisper158_error error;
    Worker *worker;
    uint64_t progress;
    Job *job;

    assert(loop_new(&d.loop) == 0);
    assert(whisper158_model_open(&model, golden, &error) == 0);
    options.model = model;
    assert(worker_new(&worker, &options, queue, d.loop, &error) == 0);
    assert(worker_wants_interim(worker, SECOND));
    progress = worker_progress(worker);
    assert(worker_start(worker) == 0);

    assert(queue_put(queue, noise(JOB_UTTERANCE, 2 * SECOND, &d)) == 0);
    job = noise(JOB_REQUEST, SECOND, &d);
    job_cancel(job); /* the client has gone */
    assert(queue_put(queue, job) == 0);
    job = noise(JOB_REQUEST, SECOND, &d);
    memcpy(job->language, "klingon", 8);
    assert(queue_put(queue, job) == 0);
    assert(queue_put(queue, noise(JOB_REQUEST, SECOND, &d)) == 0);
    queue_close(queue);
    assert(loop_run(d.loop) == 0);
    worker_join(worker);

    assert(d.count == 4 && d.cancelled == 1 && d.failed == 1);
    assert(d.last->error == 0 && d.last->transcript.timings.windows >= 1);
    assert(d.last->transcript.duration == 1.0 && job_rtf(d.last) > 0.0 && d.last->peak_rss > 0);
    assert(worker_progress(worker) > progress);
    (void)job_free(d.last);
    (void)worker_free(worker);
    (void)queue_free(queue);
    (void)whisper158_model_close(model);
    (void)loop_free(d.loop);
}

/* --------------------------------------------------------------------------------------------------- policy and counts */

static void test_pace(void) {
    Pace pace = {0};

    assert(!pace_allows_interim(&pace, 100, 0.0)); /* nothing is known yet */
    pace_measure(&pace, 100, 0.5, 10.0);
    assert(pace_expected(&pace, 200) == 1.0);
    assert(!pace_allows_interim(&pace, 100, 10.4)); /* it rests as long as it worked */
    assert(pace_allows_interim(&pace, 100, 10.6));
    assert(pace_allows_interim(&pace, 200, 10.6));
    assert(!pace_allows_interim(&pace, 201, 10.6)); /* too long to wait for */
    for (int i = 0; i < 20; i++)
        pace_measure(&pace, 100, 5.0, 20.0);
    assert(!pace_allows_interim(&pace, 100, 100.0)); /* a slow model */
    for (int i = 0; i < 20; i++)
        pace_measure(&pace, 100, 0.1, 100.0);
    assert(pace_allows_interim(&pace, 100, 101.0)); /* the machine was busy, and is not any more */
    pace_measure(&pace, 0, 100.0, 100.0);
    assert(pace_allows_interim(&pace, 100, 101.0));
}

static void test_pace_counts_frames(const char *golden) {
    const uint32_t automatic = WHISPER158_AUDIO_CONTEXT_AUTO;
    whisper158_error error;
    whisper158_model *model;

    assert(whisper158_model_open(&model, golden, &error) == 0);
    assert(pace_frames(model, 100, 0) == 0.0 && pace_frames(model, automatic, 0) == 0.0);
    assert(pace_frames(model, 100, 4 * SECOND) == 200.0); /* whole windows */
    assert(pace_frames(model, 100, 5 * SECOND) == 300.0); /* the last one is no shorter */
    assert(pace_frames(model, WHISPER158_AUDIO_CONTEXT_FULL, SECOND) == 1500.0);
    assert(pace_frames(model, automatic, SECOND / 4) == whisper158_model_fit_audio_context(model, SECOND / 4));
    (void)whisper158_model_close(model);
}

static void test_latencies(void) {
    Latencies latencies = {0};

    assert(latencies_quantile(&latencies, 0.5) == 0.0);
    for (int i = 100; i >= 1; i--)
        latencies_add(&latencies, i);
    assert(latencies_quantile(&latencies, 0.5) == 50.0 && latencies_quantile(&latencies, 0.95) == 95.0);
    assert(latencies_quantile(&latencies, 0.0) == 1.0 && latencies_quantile(&latencies, 1.0) == 100.0);
    for (int i = 0; i < LATENCIES; i++)
        latencies_add(&latencies, 7);
    assert(latencies_quantile(&latencies, 0.0) == 7.0 && latencies_quantile(&latencies, 1.0) == 7.0);
}

int main(int argc, char **argv) {
    assert(argc == 2);
    test_overflow_drops_the_newest();
    test_audio_is_bounded();
    test_clients_leave_room();
    test_interim_makes_room();
    test_closed();
    test_warming_up_can_be_given_up(argv[1]);
    test_worker(argv[1]);
    test_pace();
    test_pace_counts_frames(argv[1]);
    test_latencies();
    return 0;
}
