/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Utterances from made-up probabilities of speech. Each sample says where it is from, so a test can see whether what is
 * handed out is what was pushed; what the detector says follows a script.
 */
#undef NDEBUG
#include "hearing.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FRAME ((size_t)WHISPER158_VAD_FRAME)
#define SECOND ((double)WHISPER158_SAMPLE_RATE)
#define MAX_FRAMES 6000u
#define MAX_EVENTS 4000u

static uint32_t state = 158;

static uint32_t below(uint32_t end) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(state >> 8) * end >> 24);
}

/* ------------------------------------------------------------------------------------------------ script and record */

typedef struct Script {
    float speech[MAX_FRAMES];
    size_t n, at, resets;
} Script;

static float act(void *user, const float *frame) {
    Script *script = user;

    for (size_t i = 0; i < FRAME; i++)
        assert(isfinite(frame[i]));
    return script->at < script->n ? script->speech[script->at++] : 0;
}

static void count_reset(void *user) {
    ((Script *)user)->resets++;
}

/* So many frames of one probability. */
static void add(Script *script, size_t frames, float speech) {
    assert(script->n + frames <= MAX_FRAMES);
    for (size_t i = 0; i < frames; i++)
        script->speech[script->n++] = speech;
}

typedef struct Told {
    char kind; /* b: speech began, i: interim, u: utterance */
    size_t from, count, end; /* samples */
    HearingEnd why;
} Told;

typedef struct Record {
    Told told[MAX_EVENTS];
    size_t n, levels;
    float last_level[4];
} Record;

/* 2^-24 a sample: whole numbers up to what floats hold, and no louder than full scale. */
static float sample_at(size_t position) {
    return (float)position / (1 << 24);
}

static size_t position(double time) {
    const double samples = time * SECOND;

    assert(fabs(samples - round(samples)) < 1e-3);
    return (size_t)llround(samples);
}

static Told *note(Record *record, Told told) {
    assert(record->n < MAX_EVENTS);
    record->told[record->n] = told;
    return &record->told[record->n++];
}

static void on_begin(void *user, double at) {
    note(user, (Told){.kind = 'b', .from = position(at)});
}

static void on_speech(void *user, const float *samples, size_t count, double start) {
    assert(count > 0 && samples[0] == samples[0]);
    note(user, (Told){.kind = 'i', .from = position(start), .count = count});
}

static void on_utterance(void *user, const float *samples, size_t count, double start, double end, HearingEnd why) {
    const Told *told = note(
        user, (Told){.kind = 'u', .from = position(start), .count = count, .end = position(end), .why = why});

    assert(count > 0 && told->from < told->end && told->end <= told->from + count);
    for (size_t i = 0; i < count; i++) /* zeros bridge what was lost */
        assert(samples[i] == sample_at(told->from + i) || samples[i] == 0);
}

static void on_level(void *user, float rms, float peak, float noise_floor, float speech) {
    Record *record = user;

    assert(rms <= peak + 1e-3f && noise_floor >= -100 && speech >= 0 && speech <= 1);
    memcpy(record->last_level, (float[]){rms, peak, noise_floor, speech}, sizeof record->last_level);
    record->levels++;
}

static Hearing *listen(Script *script, Record *record, const HearingOptions *options) {
    const HearingDetector detector = {act, count_reset, script};
    const HearingListener listener = {
        .speech_start = on_begin, .speech = on_speech, .utterance = on_utterance, .level = on_level, .user = record};
    Hearing *h;

    script->at = script->resets = 0;
    memset(record, 0, sizeof *record);
    assert(hearing_new_with(&h, &detector, options, &listener) == 0);
    return h;
}

static void push(Hearing *h, size_t from, size_t count) {
    float *samples = malloc(count * sizeof *samples + 1);

    assert(samples);
    for (size_t i = 0; i < count; i++)
        samples[i] = sample_at(from + i);
    hearing_push(h, samples, count);
    free(samples);
}

/* All of the script, and the end. */
static void play(Script *script, Record *record, const HearingOptions *options) {
    Hearing *h = listen(script, record, options);

    push(h, 0, script->n * FRAME);
    hearing_flush(h);
    assert(!hearing_free(h));
}

static Script *new_script(void) {
    Script *script = calloc(1, sizeof *script);

    assert(script);
    return script;
}

static Record *new_record(void) {
    Record *record = calloc(1, sizeof *record);

    assert(record);
    return record;
}

/* With these, durations in frames. */
static const HearingOptions usual = HEARING_OPTIONS_DEFAULT;
enum { MIN = 7, PRE = 9, SILENCE = 16, POST = 6, LONGEST = 875 };

/* ------------------------------------------------------------------------------------------------------- one by one */

static void test_options(void) {
    const HearingDetector detector = {act, count_reset, NULL};
    HearingListener listener = {.utterance = on_utterance};
    HearingOptions wrong[10];
    Hearing *h = NULL;

    for (size_t i = 0; i < 10; i++)
        wrong[i] = usual;
    wrong[0].on = 1.5f;
    wrong[1].off = 0.6f;
    wrong[2].min_speech = 0.6;
    wrong[3].pre_roll = -1;
    wrong[4].end_silence = NAN;
    wrong[5].post_roll = 0.7;
    wrong[6].max_length = 31;
    wrong[7].interim = INFINITY;
    wrong[8].bridge = 2;
    wrong[9].on = NAN;
    for (size_t i = 0; i < 10; i++)
        assert(hearing_new_with(&h, &detector, &wrong[i], &listener) == -EINVAL && !h);
    listener.utterance = NULL;
    assert(hearing_new_with(&h, &detector, NULL, &listener) == -EINVAL && !h);
    assert(!hearing_free(NULL));
    assert(strcmp(hearing_end_name(HEARING_GAP), "gap") == 0);
}

static void test_nothing_is_said(void) {
    Script *script = new_script();
    Record *record = new_record();

    add(script, 500, 0.34f);
    for (int i = 0; i < 20; i++) { /* clicks: never enough within half a second */
        add(script, MIN - 1, 0.99f);
        add(script, 12, 0.1f);
    }
    add(script, 1, NAN);
    add(script, 300, 0.49f);
    play(script, record, NULL);
    assert(record->n == 0 && record->levels == script->n / 3);
    free(script);
    free(record);
}

static void test_one_utterance(void) {
    Script *script = new_script();
    Record *record = new_record();

    add(script, 100, 0.1f);
    add(script, 2, 0.9f);
    add(script, 1, 0.4f); /* neither */
    add(script, 30, 0.9f);
    add(script, SILENCE - 1, 0.1f); /* too short */
    add(script, 20, 0.36f);         /* hovers about the thresholds: still speech */
    add(script, 60, 0.34f);
    play(script, record, NULL);
    assert(record->n == 2);
    assert(record->told[0].kind == 'b' && record->told[0].from == (100 - PRE) * FRAME);
    assert(record->told[1].kind == 'u' && record->told[1].why == HEARING_SILENCE);
    assert(record->told[1].from == (100 - PRE) * FRAME);
    assert(record->told[1].end == (100 + 33 + SILENCE - 1 + 20) * FRAME);
    assert(record->told[1].from + record->told[1].count == record->told[1].end + POST * FRAME);
    free(script);
    free(record);
}

/* Speech at the very beginning has no pre-roll, and one at the very end no silence. */
static void test_ends_of_the_input(void) {
    Script *script = new_script();
    Record *record = new_record();
    Hearing *h;

    add(script, 40, 0.9f);
    add(script, 20, 0.1f);
    add(script, 40, 0.9f);
    h = listen(script, record, NULL);
    push(h, 0, 99 * FRAME + 100); /* the last frame has only so much */
    hearing_flush(h);
    assert(record->n == 4 && script->resets == 1);
    assert(record->told[1].from == 0 && record->told[1].end == 40 * FRAME);
    assert(record->told[3].why == HEARING_INPUT && record->told[3].from == (60 - PRE) * FRAME);
    assert(record->told[3].end == 99 * FRAME + 100);
    assert(record->told[3].from + record->told[3].count == record->told[3].end);
    hearing_flush(h); /* nothing is left */
    assert(record->n == 4);

    script->at = 0; /* and it goes on from there */
    push(h, 99 * FRAME + 100, 60 * FRAME);
    assert(record->n == 6 && record->told[5].from == 99 * FRAME + 100 && record->told[5].why == HEARING_SILENCE);
    hearing_free(h);
    free(script);
    free(record);
}

static void test_a_gap(void) {
    const size_t bridged = (size_t)(usual.bridge * SECOND);
    Script *script = new_script();
    Record *record = new_record();
    Hearing *h;

    add(script, 200, 0.9f);
    h = listen(script, record, NULL);
    push(h, 0, 20 * FRAME + 7);
    hearing_gap(h, bridged);
    push(h, 20 * FRAME + 7 + bridged, 1000);
    assert(record->n == 1 && script->resets == 0);
    hearing_gap(h, 100000);
    assert(record->n == 2 && script->resets == 1);
    assert(record->told[1].why == HEARING_GAP && record->told[1].from == 0);
    assert(record->told[1].count == 20 * FRAME + 7 + bridged + 1000 && record->told[1].end == record->told[1].count);

    push(h, record->told[1].count + 100000, 20 * FRAME);
    hearing_flush(h);
    assert(record->n == 4 && record->told[3].from == record->told[1].count + 100000);
    assert(record->told[3].count == 20 * FRAME);
    hearing_free(h);
    free(script);
    free(record);
}

/* Where somebody speaks without a pause, the cut is where there was the least; nothing is lost or heard twice. */
static void test_a_long_speech(void) {
    Script *script = new_script();
    Record *record = new_record();
    const size_t dip = 800;

    add(script, 50, 0.1f);
    add(script, dip - 50 - 2, 0.95f);
    add(script, 4, 0.5f);
    add(script, 2000 - dip - 2, 0.95f);
    play(script, record, NULL);
    assert(record->n == 6);
    assert(record->told[1].why == HEARING_MAXIMUM && record->told[1].from == (50 - PRE) * FRAME);
    assert(record->told[1].from + record->told[1].count == dip * FRAME && record->told[1].end == dip * FRAME);
    assert(record->told[2].kind == 'b' && record->told[2].from == dip * FRAME);
    assert(record->told[3].why == HEARING_MAXIMUM && record->told[3].from == dip * FRAME);
    assert(record->told[5].why == HEARING_INPUT);
    assert(record->told[5].from == record->told[3].from + record->told[3].count);
    assert(record->told[5].from + record->told[5].count == 2000 * FRAME);
    free(script);
    free(record);
}

/* The detector is sure all the time, but there is a quiet moment. */
static void test_a_cut_in_a_quiet_moment(void) {
    const float quiet[4 * FRAME] = {0};
    Script *script = new_script();
    Record *record = new_record();
    Hearing *h;

    add(script, LONGEST, 0.95f);
    h = listen(script, record, NULL);
    push(h, 0, 700 * FRAME);
    hearing_push(h, quiet, 4 * FRAME);
    push(h, 704 * FRAME, (LONGEST - 704) * FRAME);
    assert(record->n == 3 && record->told[1].count == 702 * FRAME && record->told[2].from == 702 * FRAME);
    hearing_free(h);
    free(script);
    free(record);
}

/* Behind the cut there is only silence: that is no utterance. */
static void test_a_cut_at_the_end(void) {
    Script *script = new_script();
    Record *record = new_record();

    add(script, LONGEST - 10, 0.95f);
    add(script, 100, 0.05f);
    play(script, record, NULL);
    assert(record->n == 2 && record->told[1].why == HEARING_MAXIMUM);
    assert(record->told[1].end == (LONGEST - 10) * FRAME);
    free(script);
    free(record);
}

static void test_interim(void) {
    HearingOptions options = usual;
    Script *script = new_script();
    Record *record = new_record();

    options.interim = 10 * FRAME / SECOND;
    add(script, 50, 0.1f);
    add(script, 100, 0.9f);
    add(script, 50, 0.1f);
    play(script, record, &options);
    assert(record->n == 2 + (100 - MIN + SILENCE - 1) / 10);
    for (size_t i = 1; i + 1 < record->n; i++) {
        assert(record->told[i].kind == 'i' && record->told[i].from == (50 - PRE) * FRAME);
        assert(record->told[i].count == (PRE + MIN + 10 * i) * FRAME);
    }
    assert(record->told[record->n - 1].kind == 'u');
    free(script);
    free(record);
}

static void push_sine(Hearing *h, size_t frames, double level) {
    float samples[FRAME];

    for (size_t i = 0; i < FRAME; i++)
        samples[i] = (float)(level * sqrt(2) * sin(6.283185307 * 8 * (double)i / FRAME));
    for (size_t frame = 0; frame < frames; frame++)
        hearing_push(h, samples, FRAME);
}

static void check_level(const Record *record, float rms, float noise_floor, float speech) {
    assert(fabsf(record->last_level[0] - rms) < 0.1f && fabsf(record->last_level[1] - (rms + 3)) < 0.1f);
    assert(fabsf(record->last_level[2] - noise_floor) < 0.1f && record->last_level[3] == speech);
}

/* A sine of -20 dB, then of -40 dB, then of -6 dB; the last one is speech, and so no noise. */
static void test_levels(void) {
    Script *script = new_script();
    Record *record = new_record();
    Hearing *h;

    add(script, 300, 0.1f);
    add(script, 300, 0.01f);
    add(script, 90, 0.7f);
    h = listen(script, record, NULL);
    push_sine(h, 300, 0.1);
    assert(record->levels == 100);
    check_level(record, -20, -20, 0.1f);
    push_sine(h, 300, 0.01);
    check_level(record, -40, -40, 0.01f);
    push_sine(h, 90, 0.5);
    check_level(record, -6.02f, -40, 0.7f);
    hearing_free(h);
    free(script);
    free(record);
}

static void test_samples_that_are_no_numbers(void) {
    const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f};
    Script *script = new_script();
    Record *record = new_record();
    Hearing *h;

    add(script, 20, 0.9f);
    h = listen(script, record, NULL);
    for (size_t i = 0; i < 20 * FRAME; i++)
        hearing_push(h, &odd[i % 4], 1);
    hearing_flush(h);
    assert(record->n == 2 && record->levels == 6 && record->last_level[1] == -100);
    hearing_free(h);
    free(script);
    free(record);
}

/* ------------------------------------------------------------------------------------------------------ at random */

/* Stretches of about the same probability: silence, speech, hovering, clicks; some of them long. */
static void improvise(Script *script) {
    static const float kinds[] = {0.02f, 0.95f, 0.42f, 0.5f, 0.35f};

    script->n = 0;
    while (script->n < 3000) {
        const float speech = kinds[below(5)];

        add(script, below(10) == 0 ? below(1000) : below(10) < 5 ? below(8) : below(60), speech);
    }
}

/* Whatever happens: in order, one beginning to an utterance, and none too long. */
static void check_order(const Record *record, const HearingOptions *options) {
    size_t free_from = 0, begun = SIZE_MAX;

    for (size_t i = 0; i < record->n; i++) {
        const Told *t = &record->told[i];

        if (t->kind == 'b') {
            assert(begun == SIZE_MAX && t->from >= free_from);
            begun = t->from;
            continue;
        }
        assert(t->from == begun);
        assert(t->count <= (size_t)(options->max_length * SECOND));
        if (t->kind == 'u') {
            free_from = t->from + t->count;
            begun = SIZE_MAX;
        }
    }
    assert(begun == SIZE_MAX);
}

/* Frames with speech that is sure, in the middle of at least half a second of it: all of them are in some utterance. */
static void check_nothing_is_missed(const Record *record, const Script *script) {
    size_t run = 0;

    for (size_t frame = 0; frame < script->n; frame++) {
        run = script->speech[frame] >= 0.5f ? run + 1 : 0;
        if (run < MIN)
            continue;
        bool found = false;

        for (size_t i = 0; i < record->n && !found; i++)
            found = record->told[i].kind == 'u' && record->told[i].from <= frame * FRAME &&
                    record->told[i].from + record->told[i].count >= (frame + 1) * FRAME;
        assert(found);
    }
}

/* The same audio and gaps, in other pieces. */
static void play_in_pieces(Script *script, Record *record, const HearingOptions *options, const size_t *gap_after,
                           const uint64_t *gaps, size_t n_gaps, uint32_t largest) {
    Hearing *h = listen(script, record, options);
    const size_t total = script->n * FRAME * 9 / 10;
    size_t pushed = 0, at = 0, gap = 0;

    while (pushed < total) {
        const size_t stop = gap < n_gaps ? gap_after[gap] : total;
        size_t piece = largest ? below(largest) : total;

        piece = piece > stop - pushed ? stop - pushed : piece;
        push(h, at, piece);
        pushed += piece;
        at += piece;
        if (gap < n_gaps && pushed == gap_after[gap]) {
            hearing_gap(h, gaps[gap]);
            at += (size_t)gaps[gap++];
        }
    }
    hearing_flush(h);
    hearing_free(h);
}

static bool are_alike(const Told *a, const Told *b) {
    return a->kind == b->kind && a->from == b->from && a->count == b->count && a->end == b->end && a->why == b->why;
}

static void test_pieces(void) {
    Script *script = new_script();
    Record *whole = new_record(), *pieces = new_record();

    for (int round = 0; round < 15; round++) {
        static const uint32_t largest[] = {3, 160, 700, 5000, 100000};
        HearingOptions options = usual;
        size_t gap_after[4], n_gaps = below(4);
        uint64_t gaps[4];

        improvise(script);
        options.interim = below(2) ? 0.3 : 0;
        options.max_length = below(2) ? 5 : 28;
        for (size_t i = 0; i < n_gaps; i++) {
            gap_after[i] = (i + 1) * script->n * FRAME / 8 + below(5000);
            gaps[i] = below(2) ? below(1600) : 1601 + below(50000);
        }
        play_in_pieces(script, whole, &options, gap_after, gaps, n_gaps, 0);
        check_order(whole, &options);
        play_in_pieces(script, pieces, &options, gap_after, gaps, n_gaps, largest[round % 5]);
        assert(whole->n == pieces->n && whole->levels == pieces->levels);
        for (size_t i = 0; i < whole->n; i++)
            assert(are_alike(&whole->told[i], &pieces->told[i]));
        assert(memcmp(whole->last_level, pieces->last_level, sizeof whole->last_level) == 0);
    }
    free(script);
    free(whole);
    free(pieces);
}

static void test_nothing_is_missed(void) {
    Script *script = new_script();
    Record *record = new_record();

    for (int round = 0; round < 30; round++) {
        HearingOptions options = usual;

        improvise(script);
        options.max_length = 5 + below(24);
        play(script, record, &options);
        check_order(record, &options);
        check_nothing_is_missed(record, script);
    }
    free(script);
    free(record);
}

int main(void) {
    test_options();
    test_nothing_is_said();
    test_one_utterance();
    test_ends_of_the_input();
    test_a_gap();
    test_a_long_speech();
    test_a_cut_in_a_quiet_moment();
    test_a_cut_at_the_end();
    test_interim();
    test_levels();
    test_samples_that_are_no_numbers();
    test_pieces();
    test_nothing_is_missed();
    return 0;
}
