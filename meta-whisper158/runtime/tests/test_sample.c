/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The rules by which the next token is chosen, on a vocabulary small enough to see through: words 0 to 9, 10 the end of
 * text, 11 to 18 other specials, 19 no timestamps, 20 and up timestamps.
 */
#undef NDEBUG
#include "sample.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define EOT 10u
#define BEGIN 20u
#define N 1530u
#define SPACE 3u

static const uint32_t suppress[] = {11, 12, 9};
static const Decoding decoding = {.eot = EOT,
                                  .sot = 11,
                                  .no_timestamps = 19,
                                  .timestamp_begin = BEGIN,
                                  .max_initial_timestamp = 50,
                                  .sample_length = 224,
                                  .space = SPACE};
static whisper158_model model = {.decoding = &decoding, .suppress = suppress, .n_suppress = 3};
static float logits[N];

static void flat(void) {
    for (uint32_t i = 0; i < N; i++)
        logits[i] = -10;
}

static uint32_t next(int timestamps, const uint32_t *sampled, size_t n) {
    uint32_t token = N;
    double logprob = 1;

    assert(sample_greedy(&model, timestamps, sampled, n, logits, &token, &logprob) == 0);
    assert(logprob <= 0 && token < N);
    return token;
}

static void check_text_rules(void) {
    const uint32_t one[] = {1};

    flat();
    logits[SPACE] = 5;
    logits[EOT] = 4;
    logits[9] = 3; /* suppressed */
    logits[2] = 1;
    assert(next(0, NULL, 0) == 2); /* neither blank nor the end may come first */
    flat();
    logits[SPACE] = 5;
    assert(next(0, one, 1) == SPACE);
    flat();
    logits[EOT] = 5;
    assert(next(0, one, 1) == EOT);
    flat();
    logits[4] = logits[6] = 2;
    assert(next(0, one, 1) == 4); /* the first of equals */
    flat();
    logits[BEGIN + 7] = 3;
    assert(next(0, one, 1) == BEGIN + 7); /* without timestamp rules they are tokens like others */
}

static void check_logprob(void) {
    const uint32_t one[] = {1};
    uint32_t token;
    double logprob;

    for (uint32_t i = 0; i < N; i++)
        logits[i] = -INFINITY;
    logits[4] = 1;
    logits[5] = 1 - logf(3);
    logits[9] = 20; /* suppressed, so it takes no part */
    assert(sample_greedy(&model, 0, one, 1, logits, &token, &logprob) == 0 && token == 4);
    assert(fabs(logprob - log(0.75)) < 1e-6);
    assert(fabsf(sample_probability(logits, N, 5) - 0.25f) < 1e-6f);
    for (uint32_t i = 0; i < N; i++)
        logits[i] = -INFINITY;
    assert(sample_greedy(&model, 0, one, 1, logits, &token, &logprob) == -EDOM);
    logits[4] = INFINITY;
    assert(sample_greedy(&model, 0, one, 1, logits, &token, &logprob) == -EDOM);
    for (uint32_t i = 0; i < N; i++)
        logits[i] = NAN;
    assert(sample_greedy(&model, 0, one, 1, logits, &token, &logprob) == -EDOM);
}

static void check_timestamp_rules(void) {
    const uint32_t opened[] = {BEGIN + 5}, text[] = {BEGIN + 5, 1}, closed[] = {BEGIN + 5, 1, BEGIN + 9},
                   pair[] = {BEGIN + 5, 1, BEGIN + 9, BEGIN + 9};

    flat();
    logits[1] = 5;
    logits[BEGIN + 60] = 4;
    logits[BEGIN + 50] = 3;
    assert(next(1, NULL, 0) == BEGIN + 50); /* a timestamp first, and no later than a second */
    flat();
    logits[BEGIN + 7] = 5;
    logits[1] = 1;
    assert(next(1, opened, 1) == 1); /* after the first one text, whatever it costs */
    flat();
    logits[BEGIN + 3] = 9; /* back in time */
    logits[BEGIN + 5] = 8; /* nothing between */
    logits[BEGIN + 6] = 7;
    assert(next(1, text, 2) == BEGIN + 6);
    flat();
    logits[1] = 9;
    logits[BEGIN + 8] = 8;
    logits[BEGIN + 9] = 7;
    assert(next(1, closed, 3) == BEGIN + 9); /* a pair, and it may begin where the last ended */
    flat();
    logits[1] = 9;
    logits[EOT] = 8;
    assert(next(1, closed, 3) == EOT); /* or the end */
    flat();
    logits[BEGIN + 12] = 9;
    logits[2] = 3;
    assert(next(1, pair, 4) == 2);
    flat();
    logits[1] = 2; /* more probable than any timestamp, but not than all together */
    for (uint32_t i = BEGIN + 10; i < N; i++)
        logits[i] = -4;
    logits[BEGIN + 40] = -3;
    assert(next(1, text, 2) == BEGIN + 40);
    flat();
    logits[19] = 9; /* no timestamps: never, when there are some */
    logits[1] = 8;
    assert(next(1, text, 2) == 1);
}

static void check_repetition(void) {
    uint32_t tokens[200];
    size_t n = 0;

    for (uint32_t i = 0; i < 9; i++)
        tokens[n++] = i;
    assert(sample_repetition(&model, tokens, n) == 0);
    for (int i = 0; i < 23; i++)
        tokens[n++] = 5;
    assert(sample_repetition(&model, tokens, n) == 0); /* 23 of them may be meant */
    tokens[n++] = 5;
    assert(sample_repetition(&model, tokens, n) == 10);

    n = 0;
    tokens[n++] = 7;
    for (int i = 0; i < 6; i++)
        for (uint32_t j = 0; j < 4; j++)
            tokens[n++] = j;
    assert(sample_repetition(&model, tokens, n) == 5);
    assert(sample_repetition(&model, tokens, n - 4) == 0); /* 20 tokens */

    n = 0;
    for (uint32_t i = 0; i < 4; i++) { /* a sentence of ten tokens with its times, four times */
        tokens[n++] = BEGIN + 10 * i;
        for (uint32_t j = 0; j < 8; j++)
            tokens[n++] = j;
        tokens[n++] = BEGIN + 10 * i + 9;
    }
    assert(sample_repetition(&model, tokens, n) == 10);
    assert(sample_repetition(&model, tokens, 30) == 0);
}

int main(void) {
    model.info.n_vocab = N;
    check_text_rules();
    check_logprob();
    check_timestamp_rules();
    check_repetition();
    return 0;
}
