/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Turns PCM as cards, pipes and clients deliver it, piece by piece, into what the library hears: mono floats at 16 kHz.
 *
 * Channels are averaged, but those that carry nothing next to the loudest are left out, and where channels cancel each
 * other (microphones with one wire turned round) the loudest is taken alone. That is looked at anew every half second,
 * and what changes is faded. The result does not depend on how the audio was cut into pieces, but for rounding in the
 * resampler.
 */
#ifndef COMMON_CONVERT_H
#define COMMON_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

/* All of them little-endian. */
typedef enum SampleFormat {
    SAMPLE_S16,
    SAMPLE_S32,
    SAMPLE_S24_3, /* 24 bits in three bytes */
    SAMPLE_S24,   /* 24 bits in the low three of four bytes; the fourth does not count */
    SAMPLE_FLOAT, /* beyond [-1, 1] they are cut, what is no number becomes zero */
    SAMPLE_U8,
} SampleFormat;

#define SAMPLE_FORMATS 6

/* Bytes that a sample takes. */
size_t sample_size(SampleFormat format);

/* "16 bits", "24 bits", "float", ...; static storage. */
const char *sample_name(SampleFormat format);

#define CONVERT_MIN_RATE 1000
#define CONVERT_MAX_RATE 1000000
#define CONVERT_MAX_CHANNELS 64

typedef struct Converter Converter;

typedef struct ConverterSink {
    /* What was converted, in order. */
    void (*samples)(void *user, const float *samples, size_t count);
    /* The loudest channel before that, at the input's rate; may be NULL. At most half a second a call. */
    void (*loudest)(void *user, const float *samples, size_t count);
    void *user;
} ConverterSink;

/* -ERANGE: a rate, or a number of channels, that cannot be converted; -ENOMEM. */
int converter_new(Converter **out, SampleFormat format, uint32_t rate, uint32_t channels, const ConverterSink *sink,
                  whisper158_error *error);

/* Converts `frames` frames (a sample of each channel). Returns 0, or -EBADMSG if the resampler refuses. */
int converter_push(Converter *converter, const void *data, size_t frames);

/* The end of the input: what the resampler holds back is handed out. Nothing may be pushed but after a reset. */
int converter_flush(Converter *converter);

/* Forgets the audio so far, since what comes does not follow it; knows the channels still. */
void converter_reset(Converter *converter);

/* NULL is allowed. Returns NULL. */
Converter *converter_free(Converter *converter);

#endif
