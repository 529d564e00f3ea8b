/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* Softmax attention of a tile of queries and of a single one: of floats, and of integers. */
#include "check.h"

#include <stdlib.h>

static void check_shape(uint32_t channels, size_t frames, float deviation) {
    size_t heads = 2, stride = heads * channels * TILE, n = tiles(frames) * stride;
    float *k = floats(n), *v = floats(n), *q = floats(channels * TILE), *scratch = floats(tiles(frames) * TILE * TILE);
    float *a = floats(channels * TILE), *b = floats(channels * TILE);

    assert(k && v && q && scratch && a && b);
    fill_normal(k, n, 1);
    fill_normal(v, n, 1);
    fill_normal(q, channels * TILE, deviation);
    ref.attend_tile(q, k + channels * TILE, v + channels * TILE, stride, frames, channels, a, scratch);
    new.attend_tile(q, k + channels * TILE, v + channels * TILE, stride, frames, channels, b, scratch);
    assert_close("attend_tile", a, b, channels * TILE, 2e-5f);
    ref.attend(q, k, v, stride, frames, channels, a, scratch);
    new.attend(q, k, v, stride, frames, channels, b, scratch);
    assert_close("attend", a, b, channels, 2e-5f);
    if (frames == 500) {
        BENCH("attend_tile 64x500", 2 * channels * TILE * frames,
              new.attend_tile(q, k, v, stride, frames, channels, b, scratch));
        BENCH("attend 64x500", 2 * channels * frames, new.attend(q, k, v, stride, frames, channels, b, scratch));
    }
    free(k);
    free(v);
    free(q);
    free(scratch);
    free(a);
    free(b);
}

/* ------------------------------------------------------------------------------------------------- in integers */

/* Keys and values of one head among two, packed. */
typedef struct Packed {
    uint32_t channels;
    size_t frames, key_stride, value_stride;
    uint8_t *keys, *values;
} Packed;

static Packed packed(uint32_t channels, size_t frames) {
    Packed p = {channels, frames, 2 * key_block_bytes(channels), 2 * value_block_bytes(channels), NULL, NULL};

    p.keys = aligned_array(blocks(frames), p.key_stride);
    p.values = aligned_array(blocks(frames), p.value_stride);
    assert(p.keys && p.values);
    return p;
}

static void packed_free(Packed p) {
    free(p.keys);
    free(p.values);
}

/* The head's blocks, the second of two: the last one ends where the allocation does. */
static void *key_block(const Packed *p, size_t block) {
    return p->keys + block * p->key_stride + p->key_stride / 2;
}

static void *value_block(const Packed *p, size_t block) {
    return p->values + block * p->value_stride + p->value_stride / 2;
}

static void pack_both(const Kernels *k, const float *keys, const float *values, size_t stride, Packed *p) {
    for (size_t b = 0; b < blocks(p->frames); b++) {
        size_t at = b * (BLOCK / TILE) * stride, n = block_frames(p->frames, b);

        k->pack_keys(keys + at, stride, n, p->channels, key_block(p, b));
        k->pack_values(values + at, stride, n, p->channels, value_block(p, b));
    }
}

static void run_tile(const Kernels *k, const Packed *p, const float *q, float *y) {
    k->attend_tile_i8(q, key_block(p, 0), p->key_stride, value_block(p, 0), p->value_stride, p->frames, p->channels, y);
}

static void run_single(const Kernels *k, const Packed *p, const float *q, float *y) {
    k->attend_i8(q, key_block(p, 0), p->key_stride, value_block(p, 0), p->value_stride, p->frames, p->channels, y);
}

/* The set against the reference on the same blocks. Weights and sums are the same integers in both; what may differ is
 * how a few float operations on them are rounded. */
static void compare_i8(const Packed *p, const float *q, float bound) {
    float *a = floats(p->channels * TILE), *b = floats(p->channels * TILE), *one = floats(p->channels);

    assert(a && b && one);
    poison(b, p->channels * TILE);
    run_tile(&ref, p, q, a);
    run_tile(&new, p, q, b);
    assert_close("attend_tile_i8", a, b, p->channels * TILE, bound);
    for (uint32_t lane = 0; lane < TILE; lane += TILE - 1) {
        for (uint32_t c = 0; c < p->channels; c++)
            one[c] = q[c * TILE + lane];
        poison(b, p->channels);
        run_single(&ref, p, one, a);
        run_single(&new, p, one, b);
        assert_close("attend_i8", a, b, p->channels, bound);
    }
    free(a);
    free(b);
    free(one);
}

/* Root mean square of the difference, over that of a: how far attention in integers is from attention in floats. Values
 * that are independent make this large, as an average over many frames is then as small as the errors are. */
static float distance(const float *a, const float *b, size_t n) {
    double difference = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        difference += (double)((a[i] - b[i]) * (a[i] - b[i]));
        size += (double)(a[i] * a[i]);
    }
    return (float)sqrt(difference / size);
}

static void bench_i8(const Packed *p, const float *q, const float *k, size_t stride, float *y) {
    size_t work = 2 * p->channels * p->frames;

    BENCH("pack_keys 64x64", p->channels * BLOCK, new.pack_keys(k, stride, BLOCK, p->channels, key_block(p, 0)));
    BENCH("pack_values 64x64", p->channels * BLOCK, new.pack_values(k, stride, BLOCK, p->channels, value_block(p, 0)));
    BENCH("attend_tile_i8 64x1500", work * TILE, run_tile(&new, p, q, y));
    BENCH("attend_i8 64x1500", work, run_single(&new, p, q, y));
}

/* Random floats through packing; `loudness` is the queries', `centre` what all keys have in common. */
static void check_floats(uint32_t channels, size_t frames, float loudness, float centre, float bound) {
    size_t stride = 2 * channels * TILE, n = tiles(frames) * stride;
    float *k = floats(n), *v = floats(n), *q = floats(channels * TILE), *y = floats(channels * TILE);
    float *exact = floats(channels * TILE), *scratch = floats(tiles(frames) * TILE * TILE);
    Packed a = packed(channels, frames), b = packed(channels, frames);

    assert(k && v && q && y && exact && scratch);
    fill_normal(k, n, 1);
    fill_normal(v, n, 1);
    for (size_t i = 0; i < n; i++)
        k[i] += centre * (float)(i / TILE % channels % 3);
    fill_normal(q, channels * TILE, loudness);
    memset(b.keys, 0x55, blocks(frames) * b.key_stride);
    memset(a.keys, 0x55, blocks(frames) * a.key_stride);
    pack_both(&ref, k + channels * TILE, v + channels * TILE, stride, &a);
    pack_both(&new, k + channels * TILE, v + channels * TILE, stride, &b);
    assert(memcmp(a.keys, b.keys, blocks(frames) * a.key_stride) == 0);
    assert(memcmp(a.values, b.values, blocks(frames) * a.value_stride) == 0);
    compare_i8(&a, q, 2e-5f);

    ref.attend_tile(q, k + channels * TILE, v + channels * TILE, stride, frames, channels, exact, scratch);
    run_tile(&new, &a, q, y);
    assert(distance(exact, y, channels * TILE) <= bound);
    if (frames == 1500) {
        BENCH("attend_tile 64x1500", 2 * channels * TILE * frames,
              new.attend_tile(q, k, v, stride, frames, channels, y, scratch));
        BENCH("attend 64x1500", 2 * channels * frames, new.attend(q, k, v, stride, frames, channels, y, scratch));
        bench_i8(&a, q, k, stride, y);
    }
    packed_free(a);
    packed_free(b);
    free(k);
    free(v);
    free(q);
    free(y);
    free(exact);
    free(scratch);
}

static void fill_codes(int8_t *codes, size_t n, Kind kind) {
    fill_i8(codes, n, kind, 4);
    for (size_t i = 0; i < n; i++)
        codes[i] = (int8_t)(codes[i] / 2); /* +-127 become +-63 */
}

/* Codes at their ends. `spread` is the keys' scale: none, so that all frames weigh the same and most; one at which the
 * best frame takes all; one that drives the steps beyond 16 bits. */
static void check_extremes(uint32_t channels, size_t frames, Kind keys, Kind values, Kind queries, float spread) {
    Packed p = packed(channels, frames);
    float *q = floats(channels * TILE);
    int8_t sign[MAX_HEAD_CHANNELS * TILE];

    assert(q);
    fill_i8(sign, sizeof sign, queries, 1);
    for (uint32_t i = 0; i < channels * TILE; i++)
        q[i] = (float)sign[i];
    for (size_t b = 0; b < blocks(frames); b++) {
        float *centre = block_floats(key_block(&p, b), channels), *scale = block_floats(value_block(&p, b), channels);
        size_t n = block_frames(frames, b);
        int8_t *k = key_block(&p, b), *v = value_block(&p, b);

        fill_codes(k, channels * BLOCK, keys);
        fill_codes(v, channels * BLOCK, values);
        for (uint32_t c = 0; c < channels; c++)
            for (size_t j = n; j < BLOCK; j++)
                k[key_at(channels, j, c)] = v[value_at(channels, j, c)] = 0;
        for (uint32_t c = 0; c < channels; c++) {
            centre[c] = 0.01f * (float)b;
            scale[c] = 0.5f + (float)(c % 5);
        }
        centre[channels] = spread;
    }
    /* where steps leave 16 bits, scores are 700 and their last bit is worth more */
    compare_i8(&p, q, spread > 1 ? 5e-4f : 2e-5f);
    packed_free(p);
    free(q);
}

static void check_all_extremes(size_t frames) {
    static const float spreads[] = {0, 1e-5f, 1e-3f, 1e9f};

    for (uint32_t channels = 32; channels <= 64; channels += 32)
        for (Kind keys = RANDOM; keys < KINDS; keys++)
            for (Kind values = RANDOM; values < KINDS; values++)
                for (Kind queries = RANDOM; queries < KINDS; queries++)
                    for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++)
                        check_extremes(channels, frames, keys, values, queries, spreads[i]);
}

/* One frame far above a background that counts as much in sum: the peak must not round it away. */
static void check_peak(void) {
    enum { CHANNELS = 64, FRAMES = 1500 };
    const size_t stride = CHANNELS * TILE, n = tiles(FRAMES) * stride;
    float *k = floats(n), *v = floats(n), *q = floats(CHANNELS * TILE), *y = floats(CHANNELS * TILE);
    Packed p = packed(CHANNELS, FRAMES);

    assert(k && v && q && y);
    for (size_t i = 0; i < n; i++)
        v[i] = 1;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        k[c * TILE + 5] = 1; /* frame 5: a score of 7.3, as much as the 1499 others together */
        v[c * TILE + 5] = -1;
        for (uint32_t l = 0; l < TILE; l++)
            q[c * TILE + l] = 7.3125f / 8;
    }
    pack_both(&new, k, v, stride, &p);
    run_tile(&new, &p, q, y);
    /* Of the peak's own block, 63 frames of 1499, the background is lost: they weigh 1 / 1499 of the peak each. */
    for (uint32_t i = 0; i < CHANNELS * TILE; i++)
        assert(fabsf(y[i]) < 0.05f);
    packed_free(p);
    free(k);
    free(v);
    free(q);
    free(y);
}

void check_attention(void) {
    static const size_t frames[] = {1, 3, 15, 16, 17, 33, 100};

    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        check_shape(32, frames[i], 1);
        check_shape(64, frames[i], 1);
        check_shape(64, frames[i], 50); /* one frame takes all */
    }
    check_shape(64, 500, 1);

    for (size_t n = 1; n <= 2 * BLOCK + 1; n++) {
        check_floats(n % 2 ? 64 : 32, n, 1, 3, 0.04f);
        if (n % 9 == 0)
            check_floats(64, n, 20, 0, 0.4f); /* one frame takes all, or two that are as good share */
    }
    check_floats(64, 1500, 1, 1, 0.04f);
    check_all_extremes(1);
    check_all_extremes(BLOCK + 7);
    check_peak();
}
