/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The reference of attention in integers: packing keys and values into blocks, and attending to them. Like ref.c, plain
 * loops and the promises that callers keep.
 *
 * Why it is exact enough: subtracting a centre from all keys of a block changes no ratio of weights within it, and the
 * block's share of the whole is found with the centre put back; weights are relative to the best of their own block, so
 * one frame that takes all does not round away a background that is spread over many others; and a query's weights add
 * up to one, because their sum is taken after rounding.
 */
#include "kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

const uint8_t weight_mantissa[32] = {124, 121, 119, 116, 114, 111, 109, 107, 104, 102, 100, 98, 96, 94, 92, 90,
                                     88,  86,  84,  82,  80,  79,  77,  75,  74,  72,  71,  69, 68, 66, 65, 63};

static int8_t code(float x) {
    x = rintf(x);
    x = x < CODE_MAX ? x : CODE_MAX; /* a NaN too becomes a code */
    return (int8_t)(x > -CODE_MAX ? x : -CODE_MAX);
}

static void assert_block(size_t frames, uint32_t channels, const void *block) {
    assert(frames > 0 && frames <= BLOCK);
    assert(channels == 32 || channels == 64);
    assert((uintptr_t)block % 64 == 0);
    (void)frames;
    (void)channels;
    (void)block;
}

static float at(const float *x, size_t stride, size_t frame, uint32_t channel) {
    return x[frame / TILE * stride + channel * TILE + frame % TILE];
}

static void pack_keys(const float *k, size_t stride, size_t frames, uint32_t channels, void *block) {
    float *centre = block_floats(block, channels), *scale = centre + channels, largest = 0, factor;
    int8_t *codes = block;

    assert_block(frames, channels, block);
    for (uint32_t c = 0; c < channels; c++) {
        float high = at(k, stride, 0, c), low = high;

        for (size_t j = 1; j < frames; j++) {
            high = at(k, stride, j, c) > high ? at(k, stride, j, c) : high;
            low = at(k, stride, j, c) < low ? at(k, stride, j, c) : low;
        }
        centre[c] = 0.5f * (high + low);
        largest = high - centre[c] > largest ? high - centre[c] : largest;
        largest = centre[c] - low > largest ? centre[c] - low : largest;
    }
    memset(scale, 0, 16 * sizeof *scale);
    *scale = largest / CODE_MAX;
    factor = code_factor(largest);
    for (uint32_t c = 0; c < channels; c++)
        for (size_t j = 0; j < BLOCK; j++)
            codes[key_at(channels, j, c)] = j < frames ? code((at(k, stride, j, c) - centre[c]) * factor) : 0;
}

static void pack_values(const float *v, size_t stride, size_t frames, uint32_t channels, void *block) {
    float *scale = block_floats(block, channels);
    int8_t *codes = block;

    assert_block(frames, channels, block);
    for (uint32_t c = 0; c < channels; c++) {
        float largest = 0, factor;

        for (size_t j = 0; j < frames; j++)
            largest = fabsf(at(v, stride, j, c)) > largest ? fabsf(at(v, stride, j, c)) : largest;
        scale[c] = largest / CODE_MAX;
        factor = code_factor(largest);
        for (size_t j = 0; j < BLOCK; j++)
            codes[value_at(channels, j, c)] = j < frames ? code(at(v, stride, j, c) * factor) : 0;
    }
}

/* A query: codes, and what turns the product with a key's codes into steps, but for the key's scale. */
typedef struct Query {
    const float *x; /* its channels lie `step` apart */
    size_t step;
    uint32_t channels;
    int8_t codes[MAX_HEAD_CHANNELS];
    float factor;
} Query;

static Query query(const float *x, size_t step, uint32_t channels) {
    Query q = {.x = x, .step = step, .channels = channels};
    float largest = 0;

    for (uint32_t c = 0; c < channels; c++)
        largest = fabsf(x[c * step]) > largest ? fabsf(x[c * step]) : largest;
    for (uint32_t c = 0; c < channels; c++)
        q.codes[c] = code(x[c * step] * code_factor(largest));
    q.factor = largest / CODE_MAX * (STEPS_PER_E / sqrtf((float)channels));
    return q;
}

/* Weights of a block's frames; returns their sum, and the best step. */
static int32_t weigh(const Query *q, const void *block, size_t frames, uint8_t weights[BLOCK], int16_t *best) {
    const int8_t *codes = block;
    float factor = q->factor * block_floats_of(block, q->channels)[q->channels];
    int16_t steps[BLOCK];
    int32_t sum = 0;

    factor = factor < MAX_FACTOR ? factor : MAX_FACTOR;
    *best = INT16_MIN;
    for (size_t j = 0; j < frames; j++) {
        int32_t dot = 0;
        float step;

        for (uint32_t c = 0; c < q->channels; c++)
            dot += q->codes[c] * codes[key_at(q->channels, j, c)];
        step = rintf((float)dot * factor);
        step = step < INT16_MAX ? step : INT16_MAX;
        steps[j] = (int16_t)(step > INT16_MIN ? step : INT16_MIN);
        *best = steps[j] > *best ? steps[j] : *best;
    }
    for (size_t j = 0; j < frames; j++) {
        int32_t n = *best - steps[j] < 255 ? *best - steps[j] : 255;

        weights[j] = (uint8_t)((weight_mantissa[n % 32] + (1 << n / 32 >> 1)) >> n / 32);
        sum += weights[j];
    }
    return sum;
}

/* What is added up over the blocks, relative to the best score so far. */
typedef struct Total {
    float best, weights, y[MAX_HEAD_CHANNELS];
} Total;

static void add_block(Total *total, const Query *q, const void *key_block, const void *value_block, size_t frames) {
    const float *centre = block_floats_of(key_block, q->channels), *scale = block_floats_of(value_block, q->channels);
    const int8_t *codes = value_block;
    uint8_t weights[BLOCK];
    int16_t step;
    int32_t sum = weigh(q, key_block, frames, weights, &step);
    float at_centre = 0, best, larger, fade, share;

    for (uint32_t c = 0; c < q->channels; c++)
        at_centre += q->x[c * q->step] * centre[c];
    best = at_centre / sqrtf((float)q->channels) + (float)step / STEPS_PER_E;
    larger = best > total->best ? best : total->best;
    fade = expf(total->best - larger);
    share = expf(best - larger);
    total->best = larger;
    total->weights = total->weights * fade + (float)sum * share;
    for (uint32_t c = 0; c < q->channels; c++) {
        int32_t dot = 0;

        for (size_t j = 0; j < frames; j++)
            dot += weights[j] * codes[value_at(q->channels, j, c)];
        total->y[c] = total->y[c] * fade + (float)dot * scale[c] * share;
    }
}

static void attend_strided(const float *x, size_t step, const void *keys, size_t key_stride, const void *values,
                           size_t value_stride, size_t frames, uint32_t channels, float *y) {
    Query q = query(x, step, channels);
    Total total = {.best = -INFINITY};

    for (size_t b = 0; b < blocks(frames); b++)
        add_block(&total, &q, (const int8_t *)keys + b * key_stride, (const int8_t *)values + b * value_stride,
                  block_frames(frames, b));
    for (uint32_t c = 0; c < channels; c++)
        y[c * step] = total.y[c] / total.weights;
}

static void assert_blocks(const void *keys, size_t key_stride, const void *values, size_t value_stride, size_t frames,
                          uint32_t channels) {
    assert_block(BLOCK, channels, keys);
    assert_block(BLOCK, channels, values);
    assert(frames > 0 && key_stride % 64 == 0 && value_stride % 64 == 0);
    assert(blocks(frames) == 1 || key_stride >= key_block_bytes(channels));
    assert(blocks(frames) == 1 || value_stride >= value_block_bytes(channels));
    (void)frames;
    (void)key_stride;
    (void)value_stride;
}

static void attend_tile_i8(const float *q, const void *keys, size_t key_stride, const void *values, size_t value_stride,
                           size_t frames, uint32_t head_channels, float *y) {
    assert_blocks(keys, key_stride, values, value_stride, frames, head_channels);
    assert((uintptr_t)q % 64 == 0 && (uintptr_t)y % 64 == 0);
    for (uint32_t l = 0; l < TILE; l++)
        attend_strided(q + l, TILE, keys, key_stride, values, value_stride, frames, head_channels, y + l);
}

static void attend_i8(const float *q, const void *keys, size_t key_stride, const void *values, size_t value_stride,
                      size_t frames, uint32_t head_channels, float *y) {
    assert_blocks(keys, key_stride, values, value_stride, frames, head_channels);
    attend_strided(q, 1, keys, key_stride, values, value_stride, frames, head_channels, y);
}

void kernels_init_ref_attention(Kernels *k) {
    k->pack_keys = pack_keys;
    k->pack_values = pack_values;
    k->attend_tile_i8 = attend_tile_i8;
    k->attend_i8 = attend_i8;
}
