/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The reference kernels: what each kernel means, in plain C, one loop for each sum. Nothing here is fast on purpose, and
 * nothing is clever; the asserts are the promises that callers keep and that other sets may rely on.
 */
#include "kernels.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static void assert_matrix(const Matrix *w) {
    assert(w->rows > 0 && w->channels > 0 && w->channels <= MAX_CHANNELS);
    assert(w->format < MATRIX_FORMATS && w->codes);
    if (w->format != MATRIX_F16) {
        assert(w->scale && w->group > 0 && w->channels % w->group == 0);
        assert(w->group == w->channels || w->group % 32 == 0);
    }
    if (w->format == MATRIX_I4)
        assert(w->group % I4_RUN == 0);
    else
        assert(!w->zero);
    if (w->format >= MATRIX_T2)
        assert(w->rows % 4 == 0);
    (void)w;
}

static void assert_aligned(const void *p) {
    assert((uintptr_t)p % 64 == 0);
    (void)p;
}

/* The packings that put `per_byte` channels of one row into a byte, base 3, `pass_bytes` bytes of a row at a time. */
static void base3_codes4(const Matrix *w, uint32_t first, uint32_t per_byte, uint32_t pass_bytes, int8_t *out) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    uint32_t pass_channels = per_byte * pass_bytes, passes = (w->group + pass_channels - 1) / pass_channels;

    for (uint32_t span = 0; span < w->channels / w->group; span++)
        for (uint32_t pass = 0; pass < passes; pass++)
            for (uint32_t r = 0; r < 4; r++) {
                const uint8_t *bytes = (const uint8_t *)w->codes +
                                       (((size_t)span * passes + pass) * w->rows + first + r) * pass_bytes;
                int8_t *codes = out + (size_t)r * w->channels + span * w->group + pass * pass_channels;

                for (uint32_t c = 0; c < pass_channels && pass * pass_channels + c < w->group; c++)
                    codes[c] = (int8_t)(bytes[c / per_byte] / power[c % per_byte] % 3 - 1);
            }
}

/* One row of MATRIX_I4. */
static void nibble_codes(const Matrix *w, uint32_t row, int8_t *restrict out) {
    const uint8_t *bytes = (const uint8_t *)w->codes + (size_t)row * (w->channels / 2);
    const uint8_t *zeros = w->zero ? w->zero + (size_t)row * (w->channels / w->group) : NULL;

    for (uint32_t c = 0; c < w->channels; c += I4_RUN, bytes += I4_RUN / 2) {
        const int zero = zeros ? zeros[c / w->group] : I4_MIDDLE;

        assert(zero <= 15);
        for (uint32_t i = 0; i < I4_RUN / 2; i++) {
            out[c + i] = (int8_t)((bytes[i] & 15) - zero);
            out[c + I4_RUN / 2 + i] = (int8_t)((bytes[i] >> 4) - zero);
        }
    }
}

void matrix_codes4(const Matrix *w, uint32_t first, int8_t *out) {
    const uint8_t *bytes = w->codes;
    size_t n = w->channels;

    assert(w->format != MATRIX_F16 && first % 4 == 0 && first < w->rows);
    switch (w->format) {
    case MATRIX_I8:
        for (uint32_t r = 0; r < 4; r++) {
            if (first + r < w->rows)
                memcpy(out + r * n, bytes + (first + r) * n, n);
            else
                memset(out + r * n, 0, n);
        }
        break;
    case MATRIX_I4:
        for (uint32_t r = 0; r < 4; r++) {
            if (first + r < w->rows)
                nibble_codes(w, first + r, out + r * n);
            else
                memset(out + r * n, 0, n);
        }
        break;
    case MATRIX_T2:
        for (uint32_t r = 0; r < 4; r++)
            for (size_t c = 0; c < n; c++)
                out[r * n + c] = (int8_t)((bytes[first / 4 * n + c] >> (2 * r) & 3) - 1);
        break;
    case MATRIX_T4:
        base3_codes4(w, first, 4, 8, out);
        break;
    default:
        base3_codes4(w, first, 5, 4, out);
        break;
    }
}

static float weight_at(const Matrix *w, const int8_t *codes4, uint32_t row, uint32_t channel) {
    if (w->format == MATRIX_F16)
        return f16_to_f32(((const uint16_t *)w->codes)[(size_t)row * w->channels + channel]);
    return (float)codes4[(size_t)(row % 4) * w->channels + channel] *
           w->scale[(size_t)row * (w->channels / w->group) + channel / w->group];
}

static void codes_unless_f16(const Matrix *w, uint32_t first, int8_t *codes4) {
    if (w->format != MATRIX_F16)
        matrix_codes4(w, first, codes4);
}

static void dequantise_row(const Matrix *w, uint32_t row, float *out) {
    int8_t codes4[MAX_CHANNELS * 4];

    assert_matrix(w);
    assert(row < w->rows);
    codes_unless_f16(w, row / 4 * 4, codes4);
    for (uint32_t c = 0; c < w->channels; c++)
        out[c] = weight_at(w, codes4, row, c);
}

static float gelu_one(float x) {
    return 0.5f * x * (1.0f + erff(x * 0.70710678f));
}

static void finish_one(Finish finish, float value, float *y) {
    *y = finish == FINISH_ADD ? *y + value : finish == FINISH_GELU ? gelu_one(value) : value;
}

static void gemm_f32(const Matrix *w, const float *bias, Finish finish, const float *x, size_t n_tiles, float *y,
                     void *scratch) {
    int8_t *codes4 = scratch;

    assert_matrix(w);
    assert_aligned(x);
    assert_aligned(y);
    assert_aligned(scratch);
    for (uint32_t row = 0; row < w->rows; row++) {
        if (row % 4 == 0)
            codes_unless_f16(w, row, codes4);
        for (size_t t = 0; t < n_tiles; t++)
            for (uint32_t l = 0; l < TILE; l++) {
                float sum = 0;

                for (uint32_t c = 0; c < w->channels; c++)
                    sum += weight_at(w, codes4, row, c) * x[(t * w->channels + c) * TILE + l];
                finish_one(finish, bias ? sum + bias[row] : sum, y + (t * w->rows + row) * TILE + l);
            }
    }
}

/* `step` is the distance between channels of q: TILE in a tile, 1 in a single frame. */
static float scaled_dot(const Matrix *w, const int8_t *codes4, uint32_t row, const int8_t *q, size_t step) {
    float sum = 0;

    for (uint32_t g = 0; g < w->channels / w->group; g++) {
        int32_t dot = 0; /* at most 8192 x 127 x 127 */

        for (uint32_t c = g * w->group; c < (g + 1) * w->group; c++)
            dot += codes4[(size_t)(row % 4) * w->channels + c] * q[c * step];
        sum += w->scale[(size_t)row * (w->channels / w->group) + g] * (float)dot;
    }
    return sum;
}

static void gemm_i8(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                    size_t n_tiles, float *y, void *scratch) {
    int8_t *codes4 = scratch;

    assert_matrix(w);
    assert(w->format != MATRIX_F16);
    assert_aligned(q);
    assert_aligned(y);
    assert_aligned(scratch);
    for (uint32_t row = 0; row < w->rows; row++) {
        if (row % 4 == 0)
            matrix_codes4(w, row, codes4);
        for (size_t t = 0; t < n_tiles; t++)
            for (uint32_t l = 0; l < TILE; l++) {
                float value = scaled_dot(w, codes4, row, q + t * w->channels * TILE + l, TILE) * x_scale[t * TILE + l];

                finish_one(finish, bias ? value + bias[row] : value, y + (t * w->rows + row) * TILE + l);
            }
    }
}

static void gemv_f32(const Matrix *w, const float *bias, const float *x, uint32_t first, uint32_t last, float *y) {
    int8_t codes4[MAX_CHANNELS * 4];

    assert_matrix(w);
    assert(first % 4 == 0 && (last % 4 == 0 || last == w->rows) && last <= w->rows);
    for (uint32_t row = first; row < last; row++) {
        float sum = 0;

        if (row % 4 == 0)
            codes_unless_f16(w, row, codes4);
        for (uint32_t c = 0; c < w->channels; c++)
            sum += weight_at(w, codes4, row, c) * x[c];
        y[row] = bias ? sum + bias[row] : sum;
    }
}

static void gemv_i8(const Matrix *w, const float *bias, const int8_t *q, float x_scale, uint32_t first, uint32_t last,
                    float *y) {
    int8_t codes4[MAX_CHANNELS * 4];

    assert_matrix(w);
    assert(w->format != MATRIX_F16);
    assert(first % 4 == 0 && (last % 4 == 0 || last == w->rows) && last <= w->rows);
    for (uint32_t row = first; row < last; row++) {
        float value;

        if (row % 4 == 0)
            matrix_codes4(w, row, codes4);
        value = scaled_dot(w, codes4, row, q, 1) * x_scale;
        y[row] = bias ? value + bias[row] : value;
    }
}

static void gemv_i16(const Matrix *w, const float *bias, const int16_t *q, float x_scale, uint32_t first, uint32_t last,
                     float *y) {
    uint32_t groups = w->channels / w->group;
    int8_t codes4[MAX_CHANNELS * 4];

    assert_matrix(w);
    assert(w->format == MATRIX_I4 || (w->format == MATRIX_I8 && w->group <= MAX_I16_GROUP));
    assert(first % 4 == 0 && (last % 4 == 0 || last == w->rows) && last <= w->rows);
    for (uint32_t row = first; row < last; row++) {
        const int8_t *codes = codes4 + (size_t)(row % 4) * w->channels;
        float sum = 0, value;

        if (row % 4 == 0)
            matrix_codes4(w, row, codes4);
        for (uint32_t g = 0; g < groups; g++) {
            int32_t dot = 0;

            for (uint32_t c = g * w->group; c < (g + 1) * w->group; c++) {
                assert(q[c] >= -MAX_I16 && q[c] <= MAX_I16);
                dot += codes[c] * q[c];
            }
            sum += w->scale[(size_t)row * groups + g] * (float)dot;
        }
        value = sum * x_scale;
        y[row] = bias ? value + bias[row] : value;
    }
}

/* x / scale rounded half to even, the largest magnitude becoming `limit`. */
static float quantised(float x, float scale, float limit) {
    float v = scale > 0 ? rintf(x / scale) : 0;

    v = v < limit ? v : limit;
    return v > -limit ? v : -limit;
}

static float largest_of(const float *x, uint32_t channels, size_t step) {
    float largest = 0;

    for (uint32_t c = 0; c < channels; c++)
        largest = fabsf(x[c * step]) > largest ? fabsf(x[c * step]) : largest;
    return largest;
}

static void quantise_strided(const float *x, uint32_t channels, size_t step, int8_t *q, float *scale) {
    *scale = largest_of(x, channels, step) / 127.0f;
    for (uint32_t c = 0; c < channels; c++)
        q[c * step] = (int8_t)quantised(x[c * step], *scale, 127.0f);
}

static void quantise_i16(const float *x, uint32_t channels, int16_t *q, float *scale) {
    assert(channels <= MAX_CHANNELS && channels % 4 == 0);
    *scale = largest_of(x, channels, 1) / (float)MAX_I16;
    for (uint32_t c = 0; c < channels; c++)
        q[c] = (int16_t)quantised(x[c], *scale, MAX_I16);
}

static void quantise_tile(const float *x, uint32_t channels, int8_t *q, float *scale) {
    assert_aligned(x);
    assert(channels <= MAX_CHANNELS);
    for (uint32_t l = 0; l < TILE; l++)
        quantise_strided(x + l, channels, TILE, q + l, scale + l);
}

static void quantise(const float *x, uint32_t channels, int8_t *q, float *scale) {
    assert(channels <= MAX_CHANNELS && channels % 4 == 0);
    quantise_strided(x, channels, 1, q, scale);
}

static void norm_strided(const float *x, const float *weight, const float *bias, uint32_t channels, size_t step,
                         float *y) {
    float mean = 0, variance = 0, inverse;

    for (uint32_t c = 0; c < channels; c++)
        mean += x[c * step];
    mean /= (float)channels;
    for (uint32_t c = 0; c < channels; c++)
        variance += (x[c * step] - mean) * (x[c * step] - mean);
    inverse = 1.0f / sqrtf(variance / (float)channels + 1e-5f);
    for (uint32_t c = 0; c < channels; c++)
        y[c * step] = (x[c * step] - mean) * inverse * weight[c] + bias[c];
}

static void norm_tile(const float *x, const float *weight, const float *bias, uint32_t channels, float *y) {
    assert_aligned(x);
    assert_aligned(y);
    for (uint32_t l = 0; l < TILE; l++)
        norm_strided(x + l, weight, bias, channels, TILE, y + l);
}

static void norm(const float *x, const float *weight, const float *bias, uint32_t channels, float *y) {
    assert(channels % 4 == 0);
    norm_strided(x, weight, bias, channels, 1, y);
}

static void norm_quantise_tile(const float *x, const float *weight, const float *bias, uint32_t channels, float *y,
                               int8_t *q, float *scale) {
    norm_tile(x, weight, bias, channels, y);
    quantise_tile(y, channels, q, scale);
}

static void gelu(float *x, size_t n) {
    assert(n % 4 == 0);
    for (size_t i = 0; i < n; i++)
        x[i] = gelu_one(x[i]);
}

/* One query whose channels lie `step` apart; s is its row of scratch, again `step` apart. */
static void attend_strided(const float *q, const float *k, const float *v, size_t stride, size_t frames,
                           uint32_t head_channels, size_t step, float *y, float *s) {
    float scale = 1.0f / sqrtf((float)head_channels), largest = -INFINITY, sum = 0;

    for (size_t j = 0; j < frames; j++) {
        const float *key = k + j / TILE * stride + j % TILE;
        float dot = 0;

        for (uint32_t c = 0; c < head_channels; c++)
            dot += q[c * step] * key[c * TILE];
        s[j * step] = dot * scale;
        largest = s[j * step] > largest ? s[j * step] : largest;
    }
    for (size_t j = 0; j < frames; j++) {
        s[j * step] = expf(s[j * step] - largest);
        sum += s[j * step];
    }
    for (uint32_t c = 0; c < head_channels; c++) {
        float value = 0;

        for (size_t j = 0; j < frames; j++)
            value += s[j * step] * v[j / TILE * stride + c * TILE + j % TILE];
        y[c * step] = value / sum;
    }
}

static void assert_attention(size_t frames, uint32_t head_channels) {
    assert(frames > 0);
    assert(head_channels > 0 && head_channels % 8 == 0 && head_channels <= MAX_HEAD_CHANNELS);
    (void)frames;
    (void)head_channels;
}

static void attend_tile(const float *q, const float *k, const float *v, size_t stride, size_t frames,
                        uint32_t head_channels, float *y, float *scratch) {
    assert_attention(frames, head_channels);
    assert_aligned(scratch);
    for (uint32_t l = 0; l < TILE; l++)
        attend_strided(q + l, k, v, stride, frames, head_channels, TILE, y + l, scratch + l);
}

static void attend(const float *q, const float *k, const float *v, size_t stride, size_t frames, uint32_t head_channels,
                   float *y, float *scratch) {
    assert_attention(frames, head_channels);
    attend_strided(q, k, v, stride, frames, head_channels, 1, y, scratch);
}

void kernels_init_ref(Kernels *k) {
    *k = (Kernels){
        .dequantise_row = dequantise_row,
        .quantise_tile = quantise_tile,
        .quantise = quantise,
        .quantise_i16 = quantise_i16,
        .gemv_i16 = {[MATRIX_I8] = gemv_i16, [MATRIX_I4] = gemv_i16},
        .norm_tile = norm_tile,
        .norm = norm,
        .norm_quantise_tile = norm_quantise_tile,
        .gelu = gelu,
        .attend_tile = attend_tile,
        .attend = attend,
    };
    kernels_init_ref_attention(k);
    for (MatrixFormat f = 0; f < MATRIX_FORMATS; f++) {
        k->gemm_f32[f] = gemm_f32;
        k->gemm_i8[f] = gemm_i8;
        k->gemv_f32[f] = gemv_f32;
        k->gemv_i8[f] = gemv_i8;
    }
}
