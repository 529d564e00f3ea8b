/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gaps.h"
#include "log.h"
#include "notify.h"
#include "report.h"

struct Session {
    SessionOptions options;
    whisper158_vad *vad;
    Hearing *hearing;
    Source *source;

    /* The source's thread's. */
    uint64_t position;  /* samples that the hearing was given, lost ones included */
    uint64_t utterance; /* that goes on, or was the last */
    double noise_db;

    atomic_bool level_posted; /* one at a time: they are worth nothing later */
    atomic_bool partials;     /* somebody wants them */
    atomic_bool stopping;     /* nothing is to be waited for */

    /* The main thread's. */
    bool speaking;
    bool open; /* there is input */
    Gaps gaps;
};

/* An event on its way from the source's thread to the main thread. */
typedef struct Note {
    Post post;
    Session *session;
    Event event;
    SourceState state;
    int error;
    char text[sizeof((whisper158_error *)0)->text];
} Note;

/* ---------------------------------------------------------------------------------------------------- the main thread */

static void publish(Session *s, const Event *event) {
    bus_publish(s->options.bus, event);
}

static void publish_listening(Session *s) {
    if (!s->speaking && s->open)
        publish(s, &(Event){.kind = EVENT_LISTENING});
}

static void log_state(const Note *note) {
    const bool good = note->state == SOURCE_OPEN || note->state == SOURCE_FINE;

    log_line(good ? LOG_NOTICE : LOG_WARNING, "%s", note->text);
    notify("STATUS=%s", note->text);
}

static void run_state(Note *note) {
    Session *const s = note->session;

    log_state(note);
    publish(s, &note->event);
    if (note->state == SOURCE_OPEN) {
        s->open = true;
        publish_listening(s);
    } else if (note->state == SOURCE_WAITING || note->state == SOURCE_LOST) {
        s->open = false;
    }
}

static void run_dropped(Note *note) {
    Session *const s = note->session;

    publish(s, &note->event);
    if (note->event.utterance) {
        log_line(LOG_WARNING, "%s", note->text);
        s->speaking = false;
        publish_listening(s);
    } else {
        gaps_add(&s->gaps, note->event.lost);
        stats_gap(s->options.stats, note->event.lost);
    }
}

static void run_note(Post *post) {
    Note *const note = (Note *)post;
    Session *const s = note->session;

    switch (note->event.kind) {
    case EVENT_STATE:
        run_state(note);
        break;
    case EVENT_SPEECH_START:
        s->speaking = true;
        atomic_store(&s->partials, bus_count(s->options.bus, EVENT_MASK(EVENT_PARTIAL)) > 0);
        publish(s, &note->event);
        break;
    case EVENT_DROPPED:
        run_dropped(note);
        break;
    case EVENT_LEVEL:
        atomic_store(&s->level_posted, false);
        publish(s, &note->event);
        break;
    default: /* EVENT_FINAL stands for the end of the speech here, EVENT_ERROR for that of the input */
        if (note->event.kind == EVENT_FINAL)
            s->speaking = false;
        else
            s->options.ended(s->options.user, note->error);
        break;
    }
    free(note);
}

static Event event_of_job(const Job *job, EventKind kind) {
    Event event = {
        .kind = kind,
        .utterance = job->utterance,
        .start = job->start,
        .end = job->end,
        .language = job->transcript.language,
        .confidence = job_confidence(job),
        .rtf = job_rtf(job),
        .name = job->why,
    };

    event.text = transcript_text(&job->transcript, &event.length);
    return event;
}

static void interim_done(Job *job) {
    Session *const s = job->user;
    const Event event = event_of_job(job, EVENT_PARTIAL);

    (void)stats_job(s->options.stats, job, "microphone");
    if (job->error >= 0 && event.length > 0)
        publish(s, &event);
    (void)job_free(job);
}

static void utterance_done(Job *job) {
    Session *const s = job->user;
    const double latency = stats_job(s->options.stats, job, "microphone");
    Event event = event_of_job(job, EVENT_FINAL);

    event.latency = latency;
    if (job->error < 0)
        event = (Event){.kind = EVENT_ERROR, .utterance = job->utterance, .text = job->sentence.text};
    publish(s, &event);
    publish_listening(s);
    (void)job_free(job);
}

/* ----------------------------------------------------------------------------------------------- the source's thread */

/* Posts a note, which it copies; without memory an event is lost, and the log says so. */
static void post(Session *s, const Note *from) {
    Note *const note = malloc(sizeof *note);

    if (!note) {
        log_line(LOG_ERR, "no memory to tell of an event (%s)", event_name(from->event.kind));
        return;
    }
    *note = *from;
    note->session = s;
    note->event.text = note->text;
    note->event.length = strlen(note->text);
    loop_post(s->options.loop, &note->post, run_note);
}

static void on_speech_start(void *user, double at) {
    Session *const s = user;

    s->utterance++;
    post(s, &(Note){.event = {.kind = EVENT_SPEECH_START, .utterance = s->utterance, .start = at}});
}

static void on_speech(void *user, const float *samples, size_t count, double start) {
    Session *const s = user;
    Job *job;

    if (!atomic_load(&s->partials) || !worker_wants_interim(s->options.worker, count))
        return;
    job = job_new(JOB_INTERIM, samples, count);
    if (!job)
        return;
    job->utterance = s->utterance;
    job->start = start;
    job->end = start + (double)count / WHISPER158_SAMPLE_RATE;
    job->heard = loop_now();
    job->done = interim_done;
    job->user = s;
    queue_put_interim(s->options.queue, job);
}

static void post_dropped(Session *s, size_t count, const char *why) {
    Note note = {.event = {.kind = EVENT_DROPPED, .utterance = s->utterance}};

    note.event.lost = (double)count / WHISPER158_SAMPLE_RATE;
    (void)snprintf(note.text, sizeof note.text, "an utterance of %.1f s is dropped: %s", note.event.lost, why);
    post(s, &note);
}

/* A microphone, or a file that is heard as if it were one. */
static bool paced(const Session *s) {
    return !s->options.source.input || s->options.source.real_time;
}

/* What can be read as fast as one likes is read no faster than the worker can follow. */
static void wait_for_room(Session *s, const Job *job) {
    const struct timespec moment = {.tv_nsec = 10000000};

    while (!paced(s) && !atomic_load(&s->stopping) && !queue_has_room(s->options.queue, job))
        (void)nanosleep(&moment, NULL);
}

/* When the end of the speech was heard: what came after it, the endpointer has waited for. */
static double heard_at(const Session *s, double end) {
    const double since = (double)s->position / WHISPER158_SAMPLE_RATE - end;

    return loop_now() - (paced(s) ? fmax(since, 0.0) : 0.0);
}

static void on_utterance(void *user, const float *samples, size_t count, double start, double end, HearingEnd why) {
    Session *const s = user;
    Job *const job = job_new(JOB_UTTERANCE, samples, count);
    int r;

    if (!job) {
        queue_drop_interim(s->options.queue);
        post_dropped(s, count, "there is no memory for it");
        return;
    }
    job->utterance = s->utterance;
    job->start = start;
    job->end = end;
    job->heard = heard_at(s, end);
    job->why = hearing_end_name(why);
    job->noise_db = s->noise_db;
    job->done = utterance_done;
    job->user = s;
    wait_for_room(s, job);
    /* Before the job: what the worker makes of it may come at once. */
    post(s, &(Note){.event = {.kind = EVENT_FINAL}});
    r = queue_put(s->options.queue, job);
    if (r < 0) {
        (void)job_free(job);
        queue_drop_interim(s->options.queue);
        post_dropped(s, count, r == -ENOSPC ? "too much waits to be transcribed already" : "the daemon is about to end");
    }
}

static void on_level(void *user, float rms_db, float peak_db, float noise_db, float speech) {
    Session *const s = user;
    const Event event = {.kind = EVENT_LEVEL, .rms_db = (double)rms_db, .peak_db = (double)peak_db,
                         .noise_db = (double)noise_db, .speech = (double)speech};

    s->noise_db = (double)noise_db;
    if (!atomic_exchange(&s->level_posted, true))
        post(s, &(Note){.event = event});
}

static void on_samples(void *user, const float *samples, size_t count) {
    Session *const s = user;

    s->position += count;
    hearing_push(s->hearing, samples, count);
}

static void on_gap(void *user, uint64_t lost) {
    Session *const s = user;
    Note note = {.event = {.kind = EVENT_DROPPED, .lost = (double)lost / WHISPER158_SAMPLE_RATE}};

    s->position += lost;
    (void)snprintf(note.text, sizeof note.text, "%.2f s of the input were not captured", note.event.lost);
    post(s, &note);
    hearing_gap(s->hearing, lost);
}

static void on_state(void *user, SourceState state, const char *sentence) {
    Session *const s = user;
    Note note = {.event = {.kind = EVENT_STATE, .name = source_state_name(state)}, .state = state};

    /* What was being said when the microphone went is not kept until it is back. */
    if (state == SOURCE_LOST)
        hearing_flush(s->hearing);
    (void)snprintf(note.text, sizeof note.text, "%s", sentence);
    post(s, &note);
}

static void on_warning(void *user, const char *sentence) {
    (void)user;
    log_line(LOG_WARNING, "%s", sentence);
}

static void on_ended(void *user, int error, const char *sentence) {
    Session *const s = user;

    hearing_flush(s->hearing);
    if (error < 0)
        log_line(LOG_ERR, "%s", sentence);
    post(s, &(Note){.event = {.kind = EVENT_ERROR}, .error = error});
}

/* ------------------------------------------------------------------------------------------------------------ session */

int session_new(Session **out, const SessionOptions *options, whisper158_error *error) {
    Session *const s = calloc(1, sizeof *s);
    const HearingListener heard = {.speech_start = on_speech_start, .speech = on_speech, .utterance = on_utterance,
                                   .level = on_level, .user = s};
    const SourceListener captured = {.samples = on_samples, .gap = on_gap, .state = on_state, .ended = on_ended,
                                     .warning = on_warning, .user = s};
    int r;

    if (!s)
        return fail(error, -ENOMEM, "no memory to listen");
    s->options = *options;
    s->gaps = (Gaps){.loop = options->loop, .pause = GAPS_PAUSE};
    r = whisper158_vad_new(&s->vad, options->model, error);
    if (r == -ENOENT)
        (void)fail(error, r, "the model has no voice activity detector: make it anew with this version's tools, or serve "
                             "clients only (--no-microphone)");
    if (r >= 0 && (r = hearing_new(&s->hearing, s->vad, &options->hearing, &heard)) < 0)
        (void)fail(error, r, "cannot listen: %s", strerror(-r));
    if (r >= 0)
        r = source_new(&s->source, &options->source, &captured, error);
    if (r < 0) {
        (void)session_free(s);
        return r;
    }
    *out = s;
    return 0;
}

int session_start(Session *session, whisper158_error *error) {
    return source_start(session->source, error);
}

void session_stop(Session *session) {
    atomic_store(&session->stopping, true);
    source_stop(session->source);
    hearing_flush(session->hearing);
}

void session_reopen(Session *session) {
    source_reopen(session->source);
}

Session *session_free(Session *session) {
    if (!session)
        return NULL;
    gaps_end(&session->gaps);
    (void)source_free(session->source);
    (void)hearing_free(session->hearing);
    (void)whisper158_vad_free(session->vad);
    free(session);
    return NULL;
}
