/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * From logits to the next token, by the rules of whisper/decoding.py: what may not be said at the beginning, what may
 * never be said, and where timestamps may stand. Greedy, so the most probable token that is left is taken.
 */
#include "sample.h"

#include <errno.h>
#include <math.h>

#define LEAST_REPETITIONS 4u
#define LEAST_REPEATED_TOKENS 24u

static void forbid(float *logits, uint32_t first, uint32_t end) {
    for (uint32_t i = first; i < end; i++)
        logits[i] = -INFINITY;
}

/* Log of the sum of exponentials over first <= i < end; *largest is the largest of them. */
static double log_sum(const float *logits, uint32_t first, uint32_t end, float *largest) {
    double sum = 0;

    *largest = -INFINITY;
    for (uint32_t i = first; i < end; i++)
        *largest = logits[i] > *largest ? logits[i] : *largest;
    if (isinf(*largest))
        return -INFINITY;
    for (uint32_t i = first; i < end; i++)
        sum += exp((double)logits[i] - *largest);
    return *largest + log(sum);
}

/* Timestamps come in pairs, except before the end of text; they never fall, and a segment is longer than nothing. */
static void forbid_by_timestamps(const whisper158_model *model, const uint32_t *sampled, size_t n, float *logits) {
    const Decoding *d = model->decoding;
    uint32_t begin = d->timestamp_begin, end = model->info.n_vocab, last = 0;
    bool after_one = n >= 1 && sampled[n - 1] >= begin, after_two = n < 2 || sampled[n - 2] >= begin;

    logits[d->no_timestamps] = -INFINITY;
    if (after_one && after_two)
        forbid(logits, begin, end);
    else if (after_one)
        forbid(logits, 0, d->eot);
    for (size_t i = 0; i < n; i++)
        last = sampled[i] >= begin ? sampled[i] : last;
    if (last)
        forbid(logits, begin, after_one && !after_two ? last : last + 1);
    if (n == 0) {
        forbid(logits, 0, begin);
        forbid(logits, begin + d->max_initial_timestamp + 1, end);
    }
}

/* Where all timestamps together are more probable than any text, it has to be a timestamp. */
static void prefer_timestamps(const whisper158_model *model, float *logits) {
    uint32_t begin = model->decoding->timestamp_begin;
    float best_text, best_timestamp;

    (void)log_sum(logits, 0, begin, &best_text);
    if (log_sum(logits, begin, model->info.n_vocab, &best_timestamp) > best_text)
        forbid(logits, 0, begin);
}

int sample_greedy(const whisper158_model *model, bool timestamps, const uint32_t *sampled, size_t n, float *logits,
                  uint32_t *token, double *logprob) {
    uint32_t best = 0, n_vocab = model->info.n_vocab;
    float largest;
    double total;

    if (n == 0)
        logits[model->decoding->space] = logits[model->decoding->eot] = -INFINITY;
    for (uint32_t i = 0; i < model->n_suppress; i++)
        logits[model->suppress[i]] = -INFINITY;
    if (timestamps) {
        forbid_by_timestamps(model, sampled, n, logits);
        prefer_timestamps(model, logits);
    }
    total = log_sum(logits, 0, n_vocab, &largest);
    if (!isfinite(total))
        return -EDOM;
    while (logits[best] != largest)
        best++;
    *token = best;
    *logprob = largest - total;
    return 0;
}

float sample_probability(const float *logits, uint32_t n_vocab, uint32_t token) {
    float largest;

    return (float)exp(logits[token] - log_sum(logits, 0, n_vocab, &largest));
}

static bool alike(const whisper158_model *model, uint32_t a, uint32_t b) {
    uint32_t begin = model->decoding->timestamp_begin;

    return a == b || (a >= begin && b >= begin);
}

size_t sample_repetition(const whisper158_model *model, const uint32_t *tokens, size_t n) {
    for (size_t period = 1; period * LEAST_REPETITIONS <= n; period++) {
        size_t run = period; /* tokens at the end that repeat with this period */

        while (run < n && alike(model, tokens[n - 1 - run], tokens[n - 1 - run + period]))
            run++;
        if (run >= period * LEAST_REPETITIONS && run >= LEAST_REPEATED_TOKENS)
            return n - run + period;
    }
    return 0;
}
