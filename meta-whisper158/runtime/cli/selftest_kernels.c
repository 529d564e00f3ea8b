/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Kernels against the reference, through everything that a word passes: a small model that has every format of weights
 * hears noise and decodes fixed tokens. Where activations are 8-bit, a last bit of a float may tip one of them over to its
 * neighbour, so sets do not agree to the bit here; a kernel that is wrong is wrong by far more. (To the bit, kernel by kernel,
 * they are held against the reference by tests/kernels, which the package with the tests brings along.)
 */
#include "selftest_kernels.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "whisper158.h"

#define REFERENCE "ref"

enum {
    PROMPT = 4,
    TOKENS = 16, /* prompt included; the first ones go through the decoder together, the rest one by one */
    MAX_FRAMES = 64,
    SAMPLES_PER_FRAME = WHISPER158_SAMPLE_RATE / WHISPER158_FRAMES_PER_SECOND,
};

/* Of what the reference gives, in the root mean square. AVX2 differs most, by 0.0044, for attention's weights have 7 bits
 * there; what a broken kernel leaves would be near 1. */
#define MAX_DISTANCE 0.03

/* What one set makes of the noise. */
typedef struct Answer {
    float *numbers; /* [size], the encoder's output and then the logits; owned */
    size_t encoded, size;
} Answer;

/* Noise that is the same everywhere, in [-0.1, 0.1). */
static void make_noise(float *samples, size_t count) {
    uint32_t state = 158;

    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u; /* Numerical Recipes */
        samples[i] = ((float)(state >> 8) * 0x1p-23f - 1) * 0.1f;
    }
}

/* Returns 0, or a negative errno and a sentence. */
static int compute(Answer *out, whisper158_context *context, const whisper158_model_info *info, whisper158_error *error) {
    static float samples[MAX_FRAMES * SAMPLES_PER_FRAME];
    const uint32_t frames = info->n_audio_ctx < MAX_FRAMES ? info->n_audio_ctx : MAX_FRAMES;
    const size_t count = (size_t)frames * SAMPLES_PER_FRAME;
    float *const mel = calloc((size_t)info->n_mels * 2 * frames, sizeof *mel);
    float *logits;
    int r;

    out->encoded = (size_t)frames * info->n_audio_state;
    out->size = out->encoded + (size_t)(TOKENS - PROMPT + 1) * info->n_vocab;
    out->numbers = logits = calloc(out->size, sizeof *out->numbers);
    if (!mel || !logits) {
        free(mel);
        return fail(error, -ENOMEM, "no memory for the comparison");
    }
    make_noise(samples, count);
    r = whisper158_mel(context, samples, count, 2 * frames, mel, error);
    if (r >= 0)
        r = whisper158_encode(context, mel, frames, out->numbers, error);
    free(mel);
    logits += out->encoded;
    for (uint32_t i = 0; i <= TOKENS - PROMPT && r >= 0; i++, logits += info->n_vocab) {
        const uint32_t first = i == 0 ? 0 : PROMPT + i - 1;
        uint32_t tokens[PROMPT];

        for (uint32_t j = 0; j < PROMPT; j++)
            tokens[j] = (first + j) * 37 % info->n_vocab;
        r = whisper158_decode(context, tokens, i == 0 ? PROMPT : 1, logits, error);
    }
    return r;
}

static int answer(Answer *out, const whisper158_model *model, const char *kernels, whisper158_error *error) {
    const whisper158_context_options options = {.threads = 1, .kernels = kernels};
    whisper158_context *context = NULL;
    whisper158_model_info info;
    int r = whisper158_context_new(&context, model, &options, error);

    whisper158_model_get_info(model, &info);
    if (r >= 0)
        r = compute(out, context, &info, error);
    (void)whisper158_context_free(context);
    return r;
}

/* How far b is from a, as a part of a. Not a number where one of them is not. */
static double distance(const float *a, const float *b, size_t n) {
    double difference = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        difference += ((double)b[i] - a[i]) * ((double)b[i] - a[i]);
        size += (double)a[i] * a[i];
    }
    return sqrt(difference / size);
}

/* Sets *out and returns false where the set is not like the reference. */
static bool compare(Verdict *out, const Answer *reference, const whisper158_model *model, const char *kernels) {
    whisper158_error error;
    Answer own = {0};
    double heard, said;
    const int r = answer(&own, model, kernels, &error);

    if (r < 0) {
        verdict(out, FAILED, "%s: %s", kernels, error.text);
        free(own.numbers);
        return false;
    }
    heard = distance(reference->numbers, own.numbers, own.encoded);
    said = distance(reference->numbers + own.encoded, own.numbers + own.encoded, own.size - own.encoded);
    free(own.numbers);
    if (heard <= MAX_DISTANCE && said <= MAX_DISTANCE)
        return true;
    verdict(out, FAILED, "%s differs from %s: by %.2g in the encoder, by %.2g in the decoder, %.2g is allowed", kernels,
            REFERENCE, heard, said, MAX_DISTANCE);
    return false;
}

/* All sets but the reference, the plainest first. */
static void compare_all(Verdict *out, const Answer *reference, const whisper158_model *model) {
    char names[256] = "";
    const char *name;

    for (uint32_t i = 0; (name = whisper158_kernels_name(i)); i++) {
        const size_t used = strlen(names);

        if (strcmp(name, REFERENCE) == 0)
            continue;
        if (!compare(out, reference, model, name))
            return;
        (void)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", name);
    }
    if (*names)
        verdict(out, PASSED, "%s compute what %s does", names, REFERENCE);
    else
        verdict(out, SKIPPED, "this processor has no kernels but the reference");
}

void check_kernels(Verdict *out, const char *path) {
    whisper158_model *model = NULL;
    Answer reference = {0};
    whisper158_error error;
    int r = whisper158_model_open(&model, path, &error);

    if (r >= 0)
        r = answer(&reference, model, REFERENCE, &error);
    if (r < 0)
        verdict(out, FAILED, "%s", error.text);
    else
        compare_all(out, &reference, model);
    free(reference.numbers);
    (void)whisper158_model_close(model);
}
