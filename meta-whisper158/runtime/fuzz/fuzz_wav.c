/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * daemon/wav.c and common/convert.c under hostile bytes, as they come through a pipe: a header ends in one sentence, or in
 * a format that can be converted, and whatever follows it is audio of full scale, but for what resamplers overshoot.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "wav.h"

enum { MAX_SIZE = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise) {
    if (!promise)
        abort();
}

static void take(void *user, const float *samples, size_t count) {
    *(size_t *)user += count;
    for (size_t i = 0; i < count; i++)
        require(fabsf(samples[i]) < 8.0f);
}

static void take_loudest(void *user, const float *samples, size_t count) {
    (void)user;
    for (size_t i = 0; i < count; i++)
        require(fabsf(samples[i]) <= 1.0f);
}

static void convert(const Wav *wav, const uint8_t *data, size_t size) {
    const size_t frames = size / (wav->channels * sample_size(wav->format));
    size_t count = 0;
    const ConverterSink sink = {take, take_loudest, &count};
    whisper158_error error;
    Converter *converter;
    const int r = converter_new(&converter, wav->format, wav->rate, wav->channels, &sink, &error);

    require(r == 0 || r == -ENOMEM);
    if (r < 0)
        return;
    require(converter_push(converter, data, frames) == 0);
    require(converter_flush(converter) == 0);
    require(fabs((double)count - (double)frames * WHISPER158_SAMPLE_RATE / wav->rate) < 2);
    (void)converter_free(converter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    whisper158_error error = {""};
    Wav wav = {0};
    size_t used = 0;
    int r = 0;

    if (size > MAX_SIZE)
        return 0;
    while (r == 0 && used < size)
        r = wav_push(&wav, data[used++], &error);
    require(r >= 0 || (r == -EBADMSG && *error.text && !strchr(error.text, '\n')));
    if (r <= 0)
        return 0;
    require(wav.rate >= CONVERT_MIN_RATE && wav.rate <= CONVERT_MAX_RATE);
    require(wav.channels >= 1 && wav.channels <= CONVERT_MAX_CHANNELS && (unsigned)wav.format < SAMPLE_FORMATS);
    convert(&wav, data + used, size - used);
    return 0;
}
