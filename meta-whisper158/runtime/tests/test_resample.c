/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* Resampling: however the sound is cut, and wherever it lies in memory. */
#include "../common/resample.c" /* to lay out memory around it */

#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <string.h>

enum { RATE = 48000, SAMPLES = 3 * 8192, MOST = SAMPLES };

typedef struct Heard {
    float samples[MOST];
    size_t count;
    size_t limit; /* more is refused */
} Heard;

static float sound[SAMPLES];

static int take(void *user, const float *samples, size_t count) {
    Heard *const heard = user;

    assert(samples && count > 0 && count <= MOST - heard->count);
    if (heard->count + count > heard->limit)
        return -EFBIG;
    memcpy(heard->samples + heard->count, samples, count * sizeof *samples);
    heard->count += count;
    return 0;
}

static Resampler *new_for(uint32_t rate, Heard *heard) {
    Resampler *r;

    *heard = (Heard){.limit = MOST};
    assert(resampler_new(&r, rate, take, heard) == 0);
    return r;
}

static void hear(uint32_t rate, size_t piece, Heard *heard) {
    Resampler *const r = new_for(rate, heard);

    for (size_t i = 0; i < SAMPLES; i += piece)
        assert(resampler_push(r, sound + i, SAMPLES - i < piece ? SAMPLES - i : piece) == 0);
    assert(resampler_flush(r) == 0);
    assert(resampler_free(r) == NULL);
}

static void expect_alike(const Heard *a, const Heard *b) {
    assert(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        assert(fabsf(a->samples[i] - b->samples[i]) < 1e-6f);
}

static void test_pieces(void) {
    static const size_t pieces[] = {1, 7, 1000, 4096, 8192};
    static Heard whole, pieced;

    hear(RATE, SAMPLES, &whole);
    assert(whole.count == SAMPLES / 3);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        hear(RATE, pieces[i], &pieced);
        expect_alike(&whole, &pieced);
    }
    hear(WHISPER158_SAMPLE_RATE, 1000, &whole);
    assert(whole.count == SAMPLES && memcmp(whole.samples, sound, sizeof sound) == 0);
}

/* The sound ends where the output begins: some allocators leave nothing between two pieces of memory. */
static void test_neighbours(void) {
    typedef struct Memory {
        float before[FETCHED];
        Resampler resampler;
    } Memory;
    static Heard apart, beside;
    Resampler *const r = new_for(RATE, &apart);
    Memory *const memory = malloc(sizeof *memory);

    assert(memory && (float *)&memory->resampler == memory->before + FETCHED && r->fetched == (float *)r);
    assert(resampler_push(r, sound, FETCHED) == 0 && resampler_flush(r) == 0);
    memcpy(memory->before, sound, sizeof memory->before);
    resampler_reset(r);
    memory->resampler = *r;
    memory->resampler.user = &beside;
    beside = (Heard){.limit = MOST};
    assert(resampler_push(&memory->resampler, memory->before, FETCHED) == 0);
    assert(resampler_flush(&memory->resampler) == 0);
    expect_alike(&apart, &beside);
    free(memory);
    resampler_free(r);
}

static void test_refusal(void) {
    static Heard heard;
    Resampler *const r = new_for(RATE, &heard);

    heard.limit = 100;
    assert(resampler_push(r, sound, SAMPLES) == -EFBIG);
    resampler_free(r);
}

static void test_limits(void) {
    static const uint32_t rates[] = {0, 62, 4096001, UINT32_MAX};
    Resampler *r;

    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        assert(resampler_new(&r, rates[i], take, NULL) == -ERANGE && r == NULL);
    assert(resampler_new(&r, 63, take, NULL) == 0 && resampler_free(r) == NULL);
    assert(resampler_new(&r, 4096000, take, NULL) == 0 && resampler_free(r) == NULL);
    assert(resampler_free(NULL) == NULL);
}

int main(void) {
    for (size_t i = 0; i < SAMPLES; i++)
        sound[i] = 0.5f * sinf((float)i * 0.02f) + 0.2f * sinf((float)i * 0.3f);
    test_pieces();
    test_neighbours();
    test_refusal();
    test_limits();
    return 0;
}
