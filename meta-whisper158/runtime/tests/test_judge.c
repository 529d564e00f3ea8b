/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The judgement of a microphone: what is wrong is said within seconds, and ordinary life is not called wrong.
 */
#undef NDEBUG
#include "judge.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RATE = 48000, BLOCK = 480 };

static uint32_t noise_state = 1;

static float noise(void) {
    noise_state = noise_state * 1664525u + 1013904223u;
    return (float)(int32_t)noise_state / 2147483648.0f;
}

/* Feeds `seconds` of noise with this peak around `offset`, clipped at 1. Returns the second of the first change, or -1. */
static double feed(Judge *judge, double seconds, float peak, float offset) {
    float block[BLOCK];
    double changed = -1;

    for (int b = 0; b < (int)(seconds * RATE / BLOCK); b++) {
        for (int i = 0; i < BLOCK; i++)
            block[i] = fmaxf(-1.0f, fminf(1.0f, offset + peak * noise()));
        if (judge_push(judge, block, BLOCK) && changed < 0)
            changed = (b + 1) * (double)BLOCK / RATE;
    }
    return changed;
}

static void expect(const Judge *judge, double changed, SourceState state, double from, double to) {
    if (judge->state != state || changed < from || changed > to) {
        fprintf(stderr, "state %d after %g s\n", (int)judge->state, changed);
        assert(!"wrong judgement");
    }
}

static Judge new_judge(void) {
    Judge judge;

    judge_reset(&judge, RATE);
    return judge;
}

static void test_dead(void) {
    Judge judge = new_judge();

    expect(&judge, feed(&judge, 5, 0, 0), SOURCE_SILENT, 1, 3);
    expect(&judge, feed(&judge, 1, 0.05f, 0), SOURCE_FINE, 0, 1);
    judge = new_judge(); /* stuck at another number */
    expect(&judge, feed(&judge, 5, 0, 0.7f), SOURCE_SILENT, 1, 3);
    judge = new_judge(); /* stuck at full scale: no less dead for that */
    expect(&judge, feed(&judge, 5, 0, 1.0f), SOURCE_SILENT, 1, 3);
}

static void test_noise_gate(void) {
    Judge judge = new_judge();

    for (int i = 0; i < 10; i++) {
        assert(feed(&judge, 2, 0.1f, 0) < 0);
        assert(feed(&judge, 8, 0, 0) < 0);
    }
    expect(&judge, feed(&judge, 12, 0, 0), SOURCE_SILENT, 1, 11);
}

static void test_quiet(void) {
    Judge judge = new_judge();

    expect(&judge, feed(&judge, 8, 0.0002f, 0.1f), SOURCE_QUIET, 4, 6);
    assert(feed(&judge, 8, 0.0007f, 0.1f) < 0); /* neither quiet enough to say so nor loud enough to take it back */
    expect(&judge, feed(&judge, 2, 0.005f, 0.1f), SOURCE_FINE, 0, 1);
    assert(feed(&judge, 20, 0.002f, 0) < 0); /* an ordinary night */
}

static void test_clipped(void) {
    Judge judge = new_judge();

    expect(&judge, feed(&judge, 4, 2.0f, 0), SOURCE_CLIPPED, 0, 3);
    expect(&judge, feed(&judge, 10, 0.3f, 0), SOURCE_FINE, 3, 8);
    /* Loud sentences that touch full scale here and there. */
    assert(feed(&judge, 10, 1.001f, 0) < 0);
    /* A shout, and silence after it. */
    assert(feed(&judge, 0.4, 3.0f, 0) < 0);
    assert(feed(&judge, 4, 0.01f, 0) < 0);
    /* Clipped words with pauses between them. */
    judge = new_judge();
    for (int i = 0; i < 6; i++) {
        (void)feed(&judge, 0.7, 3.0f, 0);
        (void)feed(&judge, 0.8, 0.01f, 0);
    }
    assert(judge.state == SOURCE_CLIPPED);
    /* Pulled out while it clips. */
    expect(&judge, feed(&judge, 30, 0, 0), SOURCE_SILENT, 0, 11);
}

int main(void) {
    test_dead();
    test_noise_gate();
    test_quiet();
    test_clipped();
    for (SourceState state = 0; state < SOURCE_STATES; state++)
        assert(strlen(judge_sentence(state)) > 0);
    return 0;
}
