/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "convert.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "resample.h"

enum {
    BLOCK = 1024, /* frames that are worked on at a time */
    SLOTS_PER_SECOND = 2,
    FADES_PER_SECOND = 50, /* changes of the mix take 20 ms */
};

static const double deaf = 0.0025;    /* -26 dB next to the loudest channel: left out */
static const double hearing = 0.01;   /* -20 dB: taken in again */
static const double louder = 1.6;     /* 2 dB: what makes another channel the loudest */
static const double cancelled = 0.01; /* the mix next to the loudest channel */

/* What is known of a channel in the slot so far, and what is made of it. */
typedef struct Channel {
    double sum, squares;
    bool live;
    float gain, goal;
} Channel;

struct Converter {
    SampleFormat format;
    uint32_t rate;
    uint32_t n_channels;
    ConverterSink sink;
    Resampler *resampler;
    uint32_t frames; /* of the slot so far */
    uint32_t fading; /* frames that are left until all gains are at their goals */
    double mix_sum, mix_squares; /* of the live channels' plain sum */
    uint32_t loudest;
    bool chosen; /* `loudest` was, and is changed only for one that is clearly louder */
    float mono[BLOCK];
    float loud[BLOCK];
    Channel channels[];
};

size_t sample_size(SampleFormat format) {
    static const uint8_t sizes[SAMPLE_FORMATS] = {2, 4, 3, 4, 4, 1};

    return sizes[format];
}

const char *sample_name(SampleFormat format) {
    static const char *const names[SAMPLE_FORMATS] = {"16 bits", "32 bits", "24 bits", "24 bits", "float", "8 bits"};

    return names[format];
}

static float clip(float x) {
    return x >= -1.0f ? fminf(x, 1.0f) : x < -1.0f ? -1.0f : 0.0f;
}

/* The sample at `b`, of any alignment. */
static float decode(SampleFormat format, const uint8_t *b) {
    uint32_t bits;
    float x;

    switch (format) {
    case SAMPLE_U8:
        return (float)(b[0] - 128) / 128.0f;
    case SAMPLE_S16:
        return (float)(int16_t)(b[0] | b[1] << 8) / 32768.0f;
    case SAMPLE_S24_3:
    case SAMPLE_S24:
        bits = (uint32_t)b[0] << 8 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 24;
        return (float)(int32_t)bits / 2147483648.0f;
    case SAMPLE_S32:
        bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        return (float)(int32_t)bits / 2147483648.0f;
    case SAMPLE_FLOAT:
        bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        memcpy(&x, &bits, sizeof x);
        return clip(x);
    }
    return 0.0f;
}

static double variance(double sum, double squares, double count) {
    const double mean = sum / count;

    return fmax(squares / count - mean * mean, 0.0);
}

/* Decides which channels are live, given the powers of all, and which of them is loudest. */
static double find_live(Converter *c) {
    const double count = c->frames;
    const uint32_t before = c->loudest;
    double most = 0.0;

    for (uint32_t i = 0; i < c->n_channels; i++) {
        Channel *const channel = &c->channels[i];

        channel->squares = variance(channel->sum, channel->squares, count); /* the power, from here on */
        if (channel->squares > most) {
            most = channel->squares;
            c->loudest = i;
        }
    }
    /* Of two that are as loud, as where a wire is reversed, noise would choose another each time. */
    if (c->chosen && c->channels[before].squares * louder >= most)
        c->loudest = before;
    c->chosen = most > 0.0;
    for (uint32_t i = 0; i < c->n_channels && most > 0.0; i++) {
        Channel *const channel = &c->channels[i];

        channel->live = channel->squares >= (channel->live ? deaf : hearing) * most;
    }
    return most;
}

static void set_goals(Converter *c, bool alone) {
    uint32_t live = 0;

    for (uint32_t i = 0; i < c->n_channels; i++)
        live += c->channels[i].live;
    for (uint32_t i = 0; i < c->n_channels; i++) {
        Channel *const channel = &c->channels[i];

        channel->goal = alone ? (float)(i == c->loudest) : channel->live ? 1.0f / (float)live : 0.0f;
        if (channel->goal != channel->gain)
            c->fading = c->rate / FADES_PER_SECOND;
    }
}

/* The end of a slot: judges the channels by it, and begins the next. */
static void judge_channels(Converter *c) {
    const double mix = variance(c->mix_sum, c->mix_squares, c->frames);
    double live = 0.0;
    double most;

    for (uint32_t i = 0; i < c->n_channels; i++)
        live += c->channels[i].live;
    most = find_live(c);
    if (most > 0.0)
        set_goals(c, live > 1.0 && mix < cancelled * most * live * live);
    for (uint32_t i = 0; i < c->n_channels; i++)
        c->channels[i].sum = c->channels[i].squares = 0.0;
    c->mix_sum = c->mix_squares = 0.0;
    c->frames = 0;
}

static void fade(Converter *c) {
    for (uint32_t i = 0; i < c->n_channels; i++)
        c->channels[i].gain += (c->channels[i].goal - c->channels[i].gain) / (float)c->fading;
    if (--c->fading == 0)
        for (uint32_t i = 0; i < c->n_channels; i++)
            c->channels[i].gain = c->channels[i].goal;
}

static void mix_frame(Converter *c, const uint8_t *frame, size_t at) {
    const size_t size = sample_size(c->format);
    double mono = 0.0, mix = 0.0;

    for (uint32_t i = 0; i < c->n_channels; i++) {
        Channel *const channel = &c->channels[i];
        const double x = decode(c->format, frame + i * size);

        channel->sum += x;
        channel->squares += x * x;
        mix += channel->live ? x : 0.0;
        mono += x * channel->gain;
        if (i == c->loudest)
            c->loud[at] = (float)x;
    }
    c->mix_sum += mix;
    c->mix_squares += mix * mix;
    c->mono[at] = (float)mono;
    if (c->fading > 0)
        fade(c);
    if (++c->frames >= c->rate / SLOTS_PER_SECOND)
        judge_channels(c);
}

static void mix_block(Converter *c, const uint8_t *data, size_t frames) {
    const size_t size = sample_size(c->format);

    if (c->n_channels > 1) {
        for (size_t i = 0; i < frames; i++)
            mix_frame(c, data + i * c->n_channels * size, i);
        return;
    }
    for (size_t i = 0; i < frames; i++)
        c->mono[i] = c->loud[i] = decode(c->format, data + i * size);
}

static int pass_on(void *user, const float *samples, size_t count) {
    const Converter *const c = user;

    c->sink.samples(c->sink.user, samples, count);
    return 0;
}

int converter_new(Converter **out, SampleFormat format, uint32_t rate, uint32_t channels, const ConverterSink *sink,
                  whisper158_error *error) {
    Converter *c;

    *out = NULL;
    if (rate < CONVERT_MIN_RATE || rate > CONVERT_MAX_RATE)
        return fail(error, -ERANGE, "a sample rate of %u Hz cannot be converted; rates from %d to %d Hz can", rate,
                    CONVERT_MIN_RATE, CONVERT_MAX_RATE);
    if (channels < 1 || channels > CONVERT_MAX_CHANNELS)
        return fail(error, -ERANGE, "%u channels cannot be mixed; 1 to %d can", channels, CONVERT_MAX_CHANNELS);
    c = calloc(1, sizeof *c + channels * sizeof c->channels[0]);
    if (!c)
        return fail(error, -ENOMEM, "there is no memory to convert audio");
    c->format = format;
    c->rate = rate;
    c->n_channels = channels;
    c->sink = *sink;
    for (uint32_t i = 0; i < channels; i++)
        c->channels[i] = (Channel){.live = true, .gain = 1.0f / (float)channels, .goal = 1.0f / (float)channels};
    if (resampler_new(&c->resampler, rate, pass_on, c) < 0) {
        (void)converter_free(c);
        return fail(error, -ENOMEM, "there is no memory to convert audio to 16 kHz");
    }
    *out = c;
    return 0;
}

int converter_push(Converter *c, const void *data, size_t frames) {
    const uint8_t *bytes = data;
    const size_t most = c->rate / SLOTS_PER_SECOND < BLOCK ? c->rate / SLOTS_PER_SECOND : BLOCK;

    while (frames > 0) {
        const size_t n = frames < most ? frames : most;
        int r;

        mix_block(c, bytes, n);
        if (c->sink.loudest)
            c->sink.loudest(c->sink.user, c->loud, n);
        r = resampler_push(c->resampler, c->mono, n);
        if (r < 0)
            return r;
        bytes += n * c->n_channels * sample_size(c->format);
        frames -= n;
    }
    return 0;
}

int converter_flush(Converter *c) {
    return resampler_flush(c->resampler);
}

void converter_reset(Converter *c) {
    resampler_reset(c->resampler);
}

Converter *converter_free(Converter *c) {
    if (c)
        resampler_free(c->resampler);
    free(c);
    return NULL;
}
