/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * common/convert.c: every format arrives as what it means, pieces of any size add up to what one piece gives, that is
 * what libsamplerate makes of the whole at once, and useless channels do no harm.
 */
#undef NDEBUG
#include "convert.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <samplerate.h>

static const double pi = 3.14159265358979323846;

typedef struct Heard {
    float *samples;
    size_t count, room;
    size_t loudest; /* samples */
} Heard;

static void take(void *user, const float *samples, size_t count) {
    Heard *const heard = user;

    if (heard->count + count > heard->room) {
        heard->room = 2 * (heard->count + count);
        heard->samples = realloc(heard->samples, heard->room * sizeof *samples);
        assert(heard->samples);
    }
    memcpy(heard->samples + heard->count, samples, count * sizeof *samples);
    heard->count += count;
}

static void take_loudest(void *user, const float *samples, size_t count) {
    assert(samples && count > 0);
    ((Heard *)user)->loudest += count;
}

/* Converts all of it, `piece` frames at a time. */
static Heard convert(SampleFormat format, uint32_t rate, uint32_t channels, const void *data, size_t frames,
                     size_t piece) {
    Heard heard = {0};
    const ConverterSink sink = {take, take_loudest, &heard};
    whisper158_error error;
    Converter *converter;

    assert(converter_new(&converter, format, rate, channels, &sink, &error) == 0);
    for (size_t i = 0; i < frames; i += piece) {
        const size_t n = frames - i < piece ? frames - i : piece;
        /* On the heap and of that size, so that a sanitizer sees what lies beyond. */
        const size_t size = n * channels * sample_size(format);
        uint8_t *const copy = malloc(size);

        assert(copy);
        memcpy(copy, (const uint8_t *)data + i * channels * sample_size(format), size);
        assert(converter_push(converter, copy, n) == 0);
        free(copy);
    }
    assert(converter_flush(converter) == 0);
    assert(converter_free(converter) == NULL);
    assert(heard.loudest == frames);
    return heard;
}

static void expect(SampleFormat format, const void *data, size_t count, const float *wanted) {
    const Heard heard = convert(format, 16000, 1, data, count, count);

    assert(heard.count == count);
    for (size_t i = 0; i < count; i++)
        if (heard.samples[i] != wanted[i]) {
            fprintf(stderr, "%s: sample %zu is %.9g, not %.9g\n", sample_name(format), i, (double)heard.samples[i],
                    (double)wanted[i]);
            assert(!"wrong sample");
        }
    free(heard.samples);
}

static void test_formats(void) {
    static const float wanted[] = {0.0f, 0.5f, -0.5f, -1.0f};
    static const uint8_t u8[] = {0x80, 0xc0, 0x40, 0x00};
    static const uint8_t s16[] = {0, 0, 0, 0x40, 0, 0xc0, 0, 0x80};
    static const uint8_t s24_3[] = {0, 0, 0, 0, 0, 0x40, 0, 0, 0xc0, 0, 0, 0x80};
    /* The fourth byte may be a sign or anything. */
    static const uint8_t s24[] = {0, 0, 0, 0xaa, 0, 0, 0x40, 0xff, 0, 0, 0xc0, 0, 0, 0, 0x80, 0xff};
    static const uint8_t s32[] = {0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0xc0, 0, 0, 0, 0x80};
    static const float floats[] = {0.0f, 0.5f, -0.5f, -1.0f, 3.0f, -1e30f, INFINITY, -INFINITY, NAN};
    static const float cut[] = {0.0f, 0.5f, -0.5f, -1.0f, 1.0f, -1.0f, 1.0f, -1.0f, 0.0f};
    static const uint8_t smallest[] = {1, 0, 0xff, 0xff};
    static const float small[] = {1 / 32768.0f, -1 / 32768.0f};

    expect(SAMPLE_U8, u8, 4, wanted);
    expect(SAMPLE_S16, s16, 4, wanted);
    expect(SAMPLE_S24_3, s24_3, 4, wanted);
    expect(SAMPLE_S24, s24, 4, wanted);
    expect(SAMPLE_S32, s32, 4, wanted);
    expect(SAMPLE_FLOAT, floats, 9, cut);
    expect(SAMPLE_S16, smallest, 2, small);
}

static void test_limits(void) {
    const ConverterSink sink = {take, NULL, NULL};
    whisper158_error error = {""};
    Converter *converter;

    assert(converter_new(&converter, SAMPLE_S16, CONVERT_MIN_RATE - 1, 1, &sink, &error) == -ERANGE && *error.text);
    assert(converter_new(&converter, SAMPLE_S16, UINT32_MAX, 1, &sink, &error) == -ERANGE);
    assert(converter_new(&converter, SAMPLE_S16, 16000, 0, &sink, &error) == -ERANGE);
    assert(converter_new(&converter, SAMPLE_S16, 16000, CONVERT_MAX_CHANNELS + 1, &sink, &error) == -ERANGE);
    assert(converter == NULL);
}

/* Something like speech: tones that swell and fade, and noise. */
static float *make_signal(uint32_t rate, size_t frames) {
    float *const signal = malloc(frames * sizeof *signal);
    uint32_t noise = 7;

    assert(signal);
    for (size_t i = 0; i < frames; i++) {
        const double t = (double)i / rate;

        noise = noise * 1664525u + 1013904223u;
        signal[i] = (float)(0.4 * sin(2 * pi * 220 * t) * sin(2 * pi * 1.7 * t) + 0.2 * sin(2 * pi * 1234.5 * t) +
                            0.05 * ((double)(int32_t)noise / 2147483648.0));
    }
    return signal;
}

static double largest_difference(const Heard *a, const Heard *b) {
    double most = 0.0;

    assert(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        const double difference = fabs((double)a->samples[i] - (double)b->samples[i]);

        /* Not fmax: GCC 12 for aarch64 breaks down over that. */
        most = difference > most ? difference : most;
    }
    return most;
}

static Heard convert_at_once(const float *signal, uint32_t rate, size_t frames) {
    Heard heard = {.count = frames * 16 / (rate / 1000) + 100};
    SRC_DATA data = {
        .data_in = signal,
        .input_frames = (long)frames,
        .output_frames = (long)heard.count,
        .src_ratio = 16000.0 / rate,
    };

    heard.samples = malloc(heard.count * sizeof *heard.samples);
    assert(heard.samples);
    data.data_out = heard.samples;
    assert(src_simple(&data, SRC_SINC_MEDIUM_QUALITY, 1) == 0);
    heard.count = (size_t)data.output_frames_gen;
    return heard;
}

static void test_rate(uint32_t rate) {
    static const size_t pieces[] = {1, 160, 1023, 5000};
    const size_t frames = rate / 4 + 37;
    float *const signal = make_signal(rate, frames);
    Heard once = convert_at_once(signal, rate, frames);

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        Heard streamed = convert(SAMPLE_FLOAT, rate, 1, signal, frames, pieces[i]);
        const double difference = largest_difference(&streamed, &once);

        if (difference > 1e-6) {
            fprintf(stderr, "%u Hz in pieces of %zu differs by %g\n", rate, pieces[i], difference);
            assert(!"the pieces do not add up");
        }
        free(streamed.samples);
    }
    free(once.samples);
    free(signal);
}

static double power(const float *samples, size_t count) {
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += (double)samples[i] * (double)samples[i];
    return sum / (double)count;
}

/* Converts two seconds of `channels` channels, channel c being the signal times gains[c]; returns how loud the second
 * one is next to the signal. */
static double loudness(const float *gains, uint32_t channels) {
    enum { RATE = 16000, FRAMES = 2 * RATE };
    float *const signal = make_signal(RATE, FRAMES);
    float *const frames = malloc(FRAMES * channels * sizeof *frames);
    double result;
    Heard heard, same;

    assert(frames);
    for (size_t i = 0; i < FRAMES; i++)
        for (uint32_t c = 0; c < channels; c++)
            frames[i * channels + c] = gains[c] * signal[i];
    heard = convert(SAMPLE_FLOAT, RATE, channels, frames, FRAMES, 777);
    same = convert(SAMPLE_FLOAT, RATE, channels, frames, FRAMES, 31);
    assert(heard.count == FRAMES);
    assert(largest_difference(&heard, &same) == 0.0);
    result = sqrt(power(heard.samples + RATE, RATE) / power(signal + RATE, RATE));
    free(heard.samples);
    free(same.samples);
    free(frames);
    free(signal);
    return result;
}

#define EXPECT_LOUDNESS(WANTED, ...)                                                                                   \
    do {                                                                                                               \
        const float gains[] = {__VA_ARGS__};                                                                           \
        const double got = loudness(gains, sizeof gains / sizeof *gains);                                              \
        if (fabs(got - (WANTED)) > 0.01) {                                                                             \
            fprintf(stderr, "line %d: %g instead of %g\n", __LINE__, got, (double)(WANTED));                           \
            assert(!"wrong mix");                                                                                      \
        }                                                                                                              \
    } while (0)

static void test_channels(void) {
    EXPECT_LOUDNESS(1.0, 1.0f, 1.0f);
    EXPECT_LOUDNESS(0.75, 1.0f, 0.5f);
    EXPECT_LOUDNESS(1.0, 1.0f, 0.0f);  /* a dead channel */
    EXPECT_LOUDNESS(1.0, 0.0f, 1.0f);
    EXPECT_LOUDNESS(1.0, 0.01f, 1.0f); /* hum at -40 dB */
    EXPECT_LOUDNESS(1.0, 1.0f, -1.0f); /* a wire turned round */
    EXPECT_LOUDNESS(1.0, 0.9f, -1.0f);
    EXPECT_LOUDNESS(1.0, 0.0f, 1.0f, 0.0f, 0.001f, 1.0f, 0.0f, 0.0f, 1.0f);
    EXPECT_LOUDNESS(0.0, 0.0f, 0.0f);
}

/* A channel that dies, and comes back: no clicks, and no loss of level beyond half a second. It changes where it is zero,
 * while the mix changes where it is loudest. */
static void test_changes(void) {
    enum { RATE = 16000, SECOND = RATE, FRAMES = 6 * RATE, QUARTER = 20 };
    float *const frames = calloc(2 * FRAMES, sizeof *frames);
    Heard heard;

    assert(frames);
    for (size_t i = 0; i < FRAMES; i++) {
        const float x = 0.5f * (float)sin(2 * pi * 200 * (double)(i + QUARTER) / RATE);

        frames[2 * i] = x;
        frames[2 * i + 1] = i >= 2 * SECOND + QUARTER && i < 4 * SECOND + QUARTER ? 0.0f : x;
    }
    heard = convert(SAMPLE_FLOAT, RATE, 2, frames, FRAMES, 320);
    for (size_t i = 0; i < FRAMES; i++)
        assert(i < 1 || fabsf(heard.samples[i] - heard.samples[i - 1]) < 0.06f);
    assert(fabs(sqrt(2 * power(heard.samples + 3 * SECOND, SECOND)) - 0.5) < 0.01);
    assert(fabs(sqrt(2 * power(heard.samples + 5 * SECOND, SECOND)) - 0.5) < 0.01);
    free(heard.samples);
    free(frames);
}

/* A wire turned round, and noise: the channel that is taken stays the same one, or the sound would turn over again and again. */
static void test_a_turned_wire(void) {
    enum { RATE = 16000, SLOT = RATE / 2, SLOTS = 40, FRAMES = SLOTS * SLOT };
    float *const frames = malloc(2 * FRAMES * sizeof *frames), *const signal = make_signal(RATE, FRAMES);
    uint32_t state = 158;
    double first = 0.0;
    Heard heard;

    assert(frames);
    for (size_t i = 0; i < 2 * FRAMES; i++) {
        state = state * 1664525u + 1013904223u;
        frames[i] = (i % 2 ? -signal[i / 2] : signal[i / 2]) + 0.05f * ((float)(state >> 8) / (float)(1 << 23) - 1.0f);
    }
    heard = convert(SAMPLE_FLOAT, RATE, 2, frames, FRAMES, 320);
    for (size_t slot = 1; slot < SLOTS; slot++) {
        double same = 0.0;

        for (size_t i = slot * SLOT + SLOT / 2; i < (slot + 1) * SLOT; i++)
            same += (double)signal[i] * (double)heard.samples[i];
        first = slot == 1 ? same : first;
        assert(same * first > 0.0);
    }
    free(heard.samples);
    free(signal);
    free(frames);
}

int main(void) {
    static const uint32_t rates[] = {8000, 11025, 22050, 32000, 44100, 48000, 96000, 192000};

    test_formats();
    test_limits();
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        test_rate(rates[i]);
    test_channels();
    test_changes();
    test_a_turned_wire();
    return 0;
}
