/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "feed.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

static void tell_trouble(Feed *feed) {
    whisper158_error sentence;

    while (recorder_trouble(feed->recorder, &sentence))
        if (feed->listener.warning)
            feed->listener.warning(feed->listener.user, sentence.text);
}

void feed_end_recording(Feed *feed) {
    if (!feed->recorder)
        return;
    recorder_stop(feed->recorder);
    tell_trouble(feed);
    feed->recorder = recorder_free(feed->recorder);
}

static void take_samples(void *user, const float *samples, size_t count) {
    Feed *const feed = user;

    if (feed->recorder) {
        recorder_push(feed->recorder, samples, count);
        tell_trouble(feed);
    }
    feed->listener.samples(feed->listener.user, samples, count);
}

static void take_loudest(void *user, const float *samples, size_t count) {
    Feed *const feed = user;

    if (judge_push(&feed->judge, samples, count))
        feed_state(feed, feed->judge.state, "%s", judge_sentence(feed->judge.state));
}

int feed_open(Feed *feed, SampleFormat format, uint32_t rate, uint32_t channels, const char *about,
              whisper158_error *error) {
    const ConverterSink sink = {.samples = take_samples, .loudest = take_loudest, .user = feed};
    int r;

    feed_close(feed);
    r = converter_new(&feed->converter, format, rate, channels, &sink, error);
    if (r < 0)
        return r;
    judge_reset(&feed->judge, rate);
    (void)fail(&feed->about, 0, "%s: %u Hz, %u channel%s, %s", about, rate, channels, channels > 1 ? "s" : "",
               sample_name(format));
    feed->told = false;
    return 0;
}

int feed_push(Feed *feed, const void *data, size_t frames) {
    if (!feed->told)
        feed_state(feed, SOURCE_OPEN, "%s", feed->about.text);
    feed->told = true;
    return converter_push(feed->converter, data, frames);
}

int feed_flush(Feed *feed) {
    return converter_flush(feed->converter);
}

void feed_gap(Feed *feed, uint64_t samples) {
    converter_reset(feed->converter);
    if (samples > 0)
        feed->listener.gap(feed->listener.user, samples);
}

void feed_state(Feed *feed, SourceState state, const char *format, ...) {
    whisper158_error sentence;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence.text, sizeof sentence.text, format, args);
    va_end(args);
    if (state == feed->state && strcmp(sentence.text, feed->sentence.text) == 0)
        return;
    feed->state = state;
    feed->sentence = sentence;
    feed->listener.state(feed->listener.user, state, sentence.text);
}

void feed_pause(Feed *feed, uint64_t nanoseconds) {
    const uint64_t longest = 3600000000000u;
    const uint64_t milliseconds = ((nanoseconds < longest ? nanoseconds : longest) + 999999) / 1000000;

    if (feed->driver->pause(feed->driver->user, feed->wake_fd, (int)milliseconds) & ALSA_WOKEN)
        feed_woken(feed);
}

void feed_woken(Feed *feed) {
    uint64_t count;

    (void)!read(feed->wake_fd, &count, sizeof count);
}

void feed_close(Feed *feed) {
    feed->converter = converter_free(feed->converter);
}
