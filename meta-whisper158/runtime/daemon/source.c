/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "alsa.h"
#include "feed.h"
#include "microphone.h"
#include "report.h"
#include "stream.h"

struct Source {
    char *device, *input, *record_dir; /* as in SourceOptions */
    bool input_raw, real_time;
    uint64_t record_bytes;
    pthread_t thread;
    bool started;
    Feed feed;
};

static int check_options(const SourceOptions *o, whisper158_error *error) {
    if (o->device && o->input)
        return fail(error, -EINVAL, "--device and --input exclude each other");
    if (o->input_raw && !o->input)
        return fail(error, -EINVAL, "--raw goes with --input");
    if (o->record_bytes != 0 && o->record_bytes < SOURCE_MIN_RECORD_BYTES)
        return fail(error, -EINVAL, "recordings need room for %d MiB at least", (int)(SOURCE_MIN_RECORD_BYTES >> 20));
    return o->device ? alsa_check_name(o->device, error) : 0;
}

static int copy(char **to, const char *text) {
    *to = text ? strdup(text) : NULL;
    return text && !*to ? -ENOMEM : 0;
}

static int set_up(Source *s, const SourceOptions *o, whisper158_error *error) {
    s->input_raw = o->input_raw;
    s->real_time = o->real_time;
    s->record_bytes = o->record_bytes ? o->record_bytes : SOURCE_RECORD_BYTES;
    s->feed.driver = o->driver ? o->driver : &alsa_driver;
    if (copy(&s->device, o->device) < 0 || copy(&s->input, o->input) < 0 || copy(&s->record_dir, o->record_dir) < 0)
        return fail(error, -ENOMEM, "there is no memory for a source of audio");
    s->feed.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->feed.wake_fd < 0)
        return fail(error, -errno, "there is no descriptor for a source of audio: %s", strerror(errno));
    return 0;
}

int source_new(Source **out, const SourceOptions *options, const SourceListener *listener, whisper158_error *error) {
    Source *s;
    int r = check_options(options, error);

    *out = NULL;
    if (r < 0)
        return r;
    s = calloc(1, sizeof *s);
    if (!s)
        return fail(error, -ENOMEM, "there is no memory for a source of audio");
    s->feed.wake_fd = -1;
    s->feed.listener = *listener;
    atomic_init(&s->feed.stop, false);
    atomic_init(&s->feed.reopen, false);
    r = set_up(s, options, error);
    if (r < 0)
        (void)source_free(s);
    else
        *out = s;
    return r;
}

static void *run(void *user) {
    Source *const s = user;
    const StreamOptions options = {.path = s->input, .raw = s->input_raw, .real_time = s->real_time};
    whisper158_error sentence;

    if (s->input) {
        const int r = stream_run(&s->feed, &options, &sentence);

        if (!atomic_load(&s->feed.stop))
            s->feed.listener.ended(s->feed.listener.user, r, sentence.text);
    } else {
        microphone_run(&s->feed, s->device);
    }
    feed_close(&s->feed);
    return NULL;
}

static int start_threads(Source *s, whisper158_error *error) {
    int r = 0;

    if (s->record_dir)
        r = recorder_new(&s->feed.recorder, s->record_dir, s->record_bytes, error);
    if (r < 0)
        return r;
    r = pthread_create(&s->thread, NULL, run, s);
    return r > 0 ? fail(error, -r, "there is no thread for a source of audio: %s", strerror(r)) : 0;
}

/* Signals are the main thread's business. */
int source_start(Source *s, whisper158_error *error) {
    sigset_t all, before;
    int r;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r = start_threads(s, error);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->started = r >= 0;
    return r;
}

static void wake(Source *s) {
    const uint64_t one = 1;

    (void)!write(s->feed.wake_fd, &one, sizeof one);
}

void source_stop(Source *s) {
    if (!s->started)
        return;
    atomic_store(&s->feed.stop, true);
    wake(s);
    (void)pthread_join(s->thread, NULL);
    s->started = false;
    feed_end_recording(&s->feed);
}

void source_reopen(Source *s) {
    atomic_store(&s->feed.reopen, true);
    wake(s);
}

Source *source_free(Source *s) {
    if (!s)
        return NULL;
    source_stop(s);
    s->feed.recorder = recorder_free(s->feed.recorder);
    if (s->feed.wake_fd >= 0)
        (void)close(s->feed.wake_fd);
    free(s->device);
    free(s->input);
    free(s->record_dir);
    free(s);
    return NULL;
}
