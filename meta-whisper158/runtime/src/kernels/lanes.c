/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The kernels with the frames of a tile in SIMD lanes, written once in the operations of simd.h and compiled for each
 * kind of processor (LANES_SUFFIX).
 *
 * One micro-kernel serves every weight format: ROWS rows of weights are unpacked to floats, [channel][ROWS], and stay in
 * the first-level cache while all tiles of the call pass by. Integer arithmetic is done in floats too, and is exact
 * nevertheless: products of int8 codes are whole numbers below 2^14, and no more than EXACT_CHANNELS of them are added
 * before the sum, below 2^24, moves to an integer.
 */
#include "lane_math.h"

#define KERNELS_INIT VARIANT(kernels_init_lanes)

#ifdef W158_NO_SIMD

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

#define VECTORS (TILE / W) /* to a tile */
/* Of weights in one pass of the micro-kernel. With as many sums as this makes, at least eight, none waits for another. */
#define ROWS (VECTORS == 1 ? 8u : 4u)
#define EXACT_CHANNELS 1024u

/* ------------------------------------------------------------------------------------------------ many frames */

/* out[i * ROWS] = scale x codes[i], which are f16 or i8 */
#define SPREAD(NAME, TYPE, LOAD, ONE)                                                                                  \
    static inline void NAME(const TYPE *codes, size_t n, float scale, float *out) {                                    \
        size_t i = 0;                                                                                                  \
                                                                                                                       \
        for (; i + W <= n; i += W) {                                                                                   \
            float lanes[W];                                                                                            \
                                                                                                                       \
            vf_store(lanes, LOAD(codes + i) * vf_set(scale));                                                          \
            for (uint32_t l = 0; l < W; l++)                                                                           \
                out[(i + l) * ROWS] = lanes[l];                                                                        \
        }                                                                                                              \
        for (; i < n; i++)                                                                                             \
            out[i * ROWS] = ONE(codes[i]) * scale;                                                                     \
    }
#define ONE_NUMBER(a) ((float)(a))
SPREAD(spread_f16, uint16_t, vf_from_f16, f16_to_f32)
SPREAD(spread_i8, int8_t, vf_from_i8, ONE_NUMBER)

/* Rows first .. first+3 as floats, out[channel][ROWS]: the codes alone, or times their scales where `scaled`. Rows beyond
 * the last become zero. codes: room for four rows. */
static void unpack4(const Matrix *w, uint32_t first, int scaled, float *out, int8_t *codes) {
    size_t n = w->channels, groups = n / w->group;

    if (w->format != MATRIX_F16 && first < w->rows)
        matrix_codes4(w, first, codes);
    for (uint32_t r = 0; r < 4; r++) {
        size_t row = first + r;

        if (row >= w->rows)
            for (size_t c = 0; c < n; c++)
                out[c * ROWS + r] = 0;
        else if (w->format == MATRIX_F16)
            spread_f16((const uint16_t *)w->codes + row * n, n, 1, out + r);
        else
            for (size_t g = 0; g < groups; g++)
                spread_i8(codes + r * n + g * w->group, w->group, scaled ? w->scale[row * groups + g] : 1.0f,
                          out + g * w->group * ROWS + r);
    }
}

/* ROWS rows from `first` on; `out` has kernels_scratch bytes. */
static void unpack(const Matrix *w, uint32_t first, int scaled, float *out) {
    for (uint32_t r = 0; r < ROWS; r += 4)
        unpack4(w, first + r, scaled, out + r, (int8_t *)(out + (size_t)w->channels * ROWS));
}

/* sum[r][v] += weights[channel][r] x[channel][v] for `channels` channels: the loop in which the encoder's time goes. (The
 * sums are copied, since only an array of its own does the compiler keep in registers.) */
#define MICRO_KERNEL(NAME, TYPE, LOAD)                                                                                 \
    static inline void NAME(const float *weights, const TYPE *x, size_t channels, vf sum[ROWS][VECTORS]) {             \
        vf s[ROWS][VECTORS];                                                                                           \
                                                                                                                       \
        memcpy(s, sum, sizeof s);                                                                                      \
        for (size_t c = 0; c < channels; c++) {                                                                        \
            vf column[VECTORS];                                                                                        \
                                                                                                                       \
            for (uint32_t v = 0; v < VECTORS; v++)                                                                     \
                column[v] = LOAD(x + c * TILE + v * W);                                                                \
            for (uint32_t r = 0; r < ROWS; r++) {                                                                      \
                vf weight = vf_set(weights[c * ROWS + r]);                                                             \
                                                                                                                       \
                for (uint32_t v = 0; v < VECTORS; v++)                                                                 \
                    s[r][v] = vf_fma(weight, column[v], s[r][v]);                                                      \
            }                                                                                                          \
        }                                                                                                              \
        memcpy(sum, s, sizeof s);                                                                                      \
    }
MICRO_KERNEL(multiply_f32, float, vf_load)
MICRO_KERNEL(multiply_i8, int8_t, vf_from_i8)

static void clear(vf sum[ROWS][VECTORS]) {
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t v = 0; v < VECTORS; v++)
            sum[r][v] = vf_set(0);
}

static void gemm_f32(const Matrix *w, const float *bias, Finish finish, const float *x, size_t n_tiles, float *y,
                     void *scratch) {
    float *weights = scratch;

    for (uint32_t row = 0; row < w->rows; row += ROWS) {
        uint32_t rows = w->rows - row < ROWS ? w->rows - row : ROWS;

        unpack(w, row, 1, weights);
        for (size_t t = 0; t < n_tiles; t++) {
            vf sum[ROWS][VECTORS];

            clear(sum);
            multiply_f32(weights, x + t * w->channels * TILE, w->channels, sum);
            for (uint32_t r = 0; r < rows; r++)
                for (uint32_t v = 0; v < VECTORS; v++)
                    finish_lanes(finish, sum[r][v], bias, row + r, y + (t * w->rows + row + r) * TILE + v * W);
        }
    }
}

/* Integer dot products of one group, exact: dot[r][v] = codes x q. */
static inline void multiply_exact(const float *codes, const int8_t *q, size_t channels, vf dot[ROWS][VECTORS]) {
    clear(dot);
    if (channels <= EXACT_CHANNELS) {
        multiply_i8(codes, q, channels, dot);
    } else {
        int32_t total[ROWS][TILE] = {{0}};

        for (size_t c = 0; c < channels; c += EXACT_CHANNELS) {
            size_t n = channels - c < EXACT_CHANNELS ? channels - c : EXACT_CHANNELS;
            float part[ROWS][TILE];

            clear(dot);
            multiply_i8(codes + c * ROWS, q + c * TILE, n, dot);
            for (uint32_t r = 0; r < ROWS; r++) {
                for (uint32_t v = 0; v < VECTORS; v++)
                    vf_store(part[r] + v * W, dot[r][v]);
                for (uint32_t l = 0; l < TILE; l++)
                    total[r][l] += (int32_t)part[r][l];
            }
        }
        for (uint32_t r = 0; r < ROWS; r++) {
            float rounded[TILE];

            for (uint32_t l = 0; l < TILE; l++)
                rounded[l] = (float)total[r][l];
            for (uint32_t v = 0; v < VECTORS; v++)
                dot[r][v] = vf_load(rounded + v * W);
        }
    }
}

static void gemm_i8(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                    size_t n_tiles, float *y, void *scratch) {
    size_t groups = w->channels / w->group;
    float *codes = scratch;

    for (uint32_t row = 0; row < w->rows; row += ROWS) {
        uint32_t rows = w->rows - row < ROWS ? w->rows - row : ROWS;

        unpack(w, row, 0, codes);
        for (size_t t = 0; t < n_tiles; t++) {
            vf sum[ROWS][VECTORS], dot[ROWS][VECTORS];

            clear(sum);
            for (size_t g = 0; g < groups; g++) {
                multiply_exact(codes + g * w->group * ROWS, q + (t * w->channels + g * w->group) * TILE, w->group, dot);
                for (uint32_t r = 0; r < rows; r++)
                    for (uint32_t v = 0; v < VECTORS; v++)
                        sum[r][v] += dot[r][v] * w->scale[(row + r) * groups + g];
            }
            for (uint32_t r = 0; r < rows; r++)
                for (uint32_t v = 0; v < VECTORS; v++) {
                    vf value = sum[r][v] * vf_load(x_scale + t * TILE + v * W);

                    finish_lanes(finish, value, bias, row + r, y + (t * w->rows + row + r) * TILE + v * W);
                }
        }
    }
}

/* -------------------------------------------------------------------------------------------------- one frame */

/* Sums of four independent vectors hide the latency of the multiply-add. */
#define DOT(NAME, TYPE_A, LOAD_A, ONE_A, TYPE_B, LOAD_B)                                                               \
    static inline float NAME(const TYPE_A *a, const TYPE_B *b, size_t n) {                                             \
        vf s0 = vf_set(0), s1 = s0, s2 = s0, s3 = s0;                                                                  \
        size_t i = 0;                                                                                                  \
        float rest = 0;                                                                                                \
                                                                                                                       \
        for (; i + 4 * W <= n; i += 4 * W) {                                                                           \
            s0 = vf_fma(LOAD_A(a + i), LOAD_B(b + i), s0);                                                             \
            s1 = vf_fma(LOAD_A(a + i + W), LOAD_B(b + i + W), s1);                                                     \
            s2 = vf_fma(LOAD_A(a + i + 2 * W), LOAD_B(b + i + 2 * W), s2);                                             \
            s3 = vf_fma(LOAD_A(a + i + 3 * W), LOAD_B(b + i + 3 * W), s3);                                             \
        }                                                                                                              \
        for (; i < n; i++)                                                                                             \
            rest += ONE_A(a[i]) * (float)b[i];                                                                         \
        return vf_sum((s0 + s1) + (s2 + s3)) + rest;                                                                   \
    }
DOT(dot_f16_f32, uint16_t, vf_from_f16, f16_to_f32, float, vf_load)
DOT(dot_i8_f32, int8_t, vf_from_i8, ONE_NUMBER, float, vf_load)
DOT(dot_i8_i8_exact, int8_t, vf_from_i8, ONE_NUMBER, int8_t, vf_from_i8) /* up to EXACT_CHANNELS */

static float dot_i8_i8(const int8_t *a, const int8_t *b, size_t n) {
    int32_t total = 0;

    if (n <= EXACT_CHANNELS)
        return dot_i8_i8_exact(a, b, n);
    for (size_t i = 0; i < n; i += EXACT_CHANNELS)
        total += (int32_t)dot_i8_i8_exact(a + i, b + i, n - i < EXACT_CHANNELS ? n - i : EXACT_CHANNELS);
    return (float)total;
}

/* Four rows of codes: where they lie in the blob, or unpacked into buffer. */
static const int8_t *rows4(const Matrix *w, uint32_t first, int8_t *buffer) {
    if (w->format == MATRIX_I8)
        return (const int8_t *)w->codes + (size_t)first * w->channels;
    matrix_codes4(w, first, buffer);
    return buffer;
}

static void gemv_f32(const Matrix *w, const float *bias, const float *x, uint32_t first, uint32_t last, float *y) {
    int8_t buffer[4 * MAX_CHANNELS];
    size_t n = w->channels;

    for (uint32_t row4 = first; row4 < last; row4 += 4) {
        const int8_t *codes = w->format == MATRIX_F16 ? NULL : rows4(w, row4, buffer);

        for (uint32_t row = row4; row < row4 + 4 && row < last; row++) {
            float sum = 0;

            if (!codes)
                sum = dot_f16_f32((const uint16_t *)w->codes + row * n, x, n);
            else
                for (size_t g = 0; g < n / w->group; g++)
                    sum += w->scale[row * (n / w->group) + g] *
                           dot_i8_f32(codes + (row - row4) * n + g * w->group, x + g * w->group, w->group);
            y[row] = bias ? sum + bias[row] : sum;
        }
    }
}

static void gemv_i8(const Matrix *w, const float *bias, const int8_t *q, float x_scale, uint32_t first, uint32_t last,
                    float *y) {
    int8_t buffer[4 * MAX_CHANNELS];
    size_t n = w->channels;

    for (uint32_t row4 = first; row4 < last; row4 += 4) {
        const int8_t *codes = rows4(w, row4, buffer);

        for (uint32_t row = row4; row < row4 + 4 && row < last; row++) {
            float sum = 0, value;

            for (size_t g = 0; g < n / w->group; g++)
                sum += w->scale[row * (n / w->group) + g] *
                       dot_i8_i8(codes + (row - row4) * n + g * w->group, q + g * w->group, w->group);
            value = sum * x_scale;
            y[row] = bias ? value + bias[row] : value;
        }
    }
}

/* ------------------------------------------------------------------------------------------- lane by lane */

/* Lanes v .. v+W-1 of a tile, whose largest magnitudes are known. */
static inline void quantise_lanes(const float *x, uint32_t channels, uint32_t v, vf largest, int8_t *q, float *scale) {
    vf s = largest / vf_set(127.0f), divisor = vf_max(s, vf_set(0x1p-126f)); /* a frame of zeros stays one */

    vf_store(scale + v, s);
    for (uint32_t c = 0; c < channels; c++) {
        vf value = vf_round(vf_load(x + c * TILE + v) / divisor);

        vf_to_i8(q + c * TILE + v, vf_max(vf_min(value, vf_set(127)), vf_set(-127)));
    }
}

static void quantise_tile(const float *x, uint32_t channels, int8_t *q, float *scale) {
    for (uint32_t v = 0; v < TILE; v += W) {
        vf largest = vf_set(0);

        for (uint32_t c = 0; c < channels; c++)
            largest = vf_max(vf_abs(vf_load(x + c * TILE + v)), largest);
        quantise_lanes(x, channels, v, largest, q, scale);
    }
}

static float largest_magnitude(const float *x, uint32_t n) {
    vf largest = vf_set(0);
    float lanes[W], all = 0;
    uint32_t i = 0;

    for (; i + W <= n; i += W)
        largest = vf_max(vf_abs(vf_load(x + i)), largest);
    vf_store(lanes, largest);
    for (uint32_t l = 0; l < W; l++)
        all = lanes[l] > all ? lanes[l] : all;
    for (; i < n; i++)
        all = fabsf(x[i]) > all ? fabsf(x[i]) : all;
    return all;
}

/* One frame: here the lanes are channels. */
#define QUANTISE(NAME, TYPE, LIMIT)                                                                                    \
    static void NAME(const float *x, uint32_t channels, TYPE *q, float *scale) {                                       \
        float s = largest_magnitude(x, channels) / LIMIT;                                                              \
        vf divisor = vf_set(s > 0x1p-126f ? s : 0x1p-126f);                                                            \
                                                                                                                       \
        *scale = s;                                                                                                    \
        for (uint32_t c = 0; c < channels; c += W) {                                                                   \
            uint32_t n = channels - c < W ? channels - c : W;                                                          \
            float rest[W] = {0};                                                                                       \
            int32_t whole[W];                                                                                          \
            vi rounded;                                                                                                \
            vf value;                                                                                                  \
                                                                                                                       \
            if (n < W)                                                                                                 \
                memcpy(rest, x + c, n * sizeof *x);                                                                    \
            value = vf_round(vf_load(n < W ? rest : x + c) / divisor);                                                 \
            rounded = vi_round(vf_max(vf_min(value, vf_set(LIMIT)), vf_set(-LIMIT)));                                  \
            memcpy(whole, &rounded, sizeof whole);                                                                     \
            for (uint32_t l = 0; l < n; l++)                                                                           \
                q[c + l] = (TYPE)whole[l];                                                                             \
        }                                                                                                              \
    }
QUANTISE(quantise, int8_t, 127.0f)
QUANTISE(quantise_i16, int16_t, (float)MAX_I16)

/* Lanes v .. v+W-1 of a tile. Return: the largest magnitudes of the result. */
static inline vf norm_lanes(const float *x, const float *weight, const float *bias, uint32_t channels, uint32_t v,
                            float *y) {
    vf mean = vf_set(0), variance = mean, largest = mean, inverse;

    for (uint32_t c = 0; c < channels; c++)
        mean += vf_load(x + c * TILE + v);
    mean /= vf_set((float)channels);
    for (uint32_t c = 0; c < channels; c++) {
        vf d = vf_load(x + c * TILE + v) - mean;

        variance = vf_fma(d, d, variance);
    }
    inverse = vf_set(1) / vf_sqrt(variance / vf_set((float)channels) + vf_set(1e-5f));
    for (uint32_t c = 0; c < channels; c++) {
        vf value = (vf_load(x + c * TILE + v) - mean) * inverse * vf_set(weight[c]) + vf_set(bias[c]);

        largest = vf_max(vf_abs(value), largest);
        vf_store(y + c * TILE + v, value);
    }
    return largest;
}

static void norm_tile(const float *x, const float *weight, const float *bias, uint32_t channels, float *y) {
    for (uint32_t v = 0; v < TILE; v += W)
        (void)norm_lanes(x, weight, bias, channels, v, y);
}

static void norm_quantise_tile(const float *x, const float *weight, const float *bias, uint32_t channels, float *y,
                               int8_t *q, float *scale) {
    for (uint32_t v = 0; v < TILE; v += W)
        quantise_lanes(y, channels, v, norm_lanes(x, weight, bias, channels, v, y), q, scale);
}

static void gelu(float *x, size_t n) {
    size_t i = 0;

    for (; i + W <= n; i += W)
        vf_store(x + i, gelu_lanes(vf_load(x + i)));
    if (i < n) {
        float rest[W] = {0};

        memcpy(rest, x + i, (n - i) * sizeof *x);
        vf_store(rest, gelu_lanes(vf_load(rest)));
        memcpy(x + i, rest, (n - i) * sizeof *x);
    }
}

/* ------------------------------------------------------------------------------------------------- attention */

#define KEYS ROWS     /* scored together */
#define CHANNELS ROWS /* of the output summed together */

/* scores[j][lane] = q[.][lane] k[j] scale for all frames; returns nothing but the largest of each lane. */
static void score(const float *q, const float *k, size_t stride, size_t frames, uint32_t head_channels, float *scores,
                  vf largest[VECTORS]) {
    vf scale = vf_set(1.0f / sqrtf((float)head_channels));

    for (uint32_t v = 0; v < VECTORS; v++)
        largest[v] = vf_set(-INFINITY);
    for (size_t j = 0; j < frames; j += KEYS) {
        const float *key = k + j / TILE * stride + j % TILE; /* KEYS divides TILE, so they lie in one tile */
        size_t keys = frames - j < KEYS ? frames - j : KEYS;
        vf dot[KEYS][VECTORS];

        for (uint32_t i = 0; i < KEYS; i++)
            for (uint32_t v = 0; v < VECTORS; v++)
                dot[i][v] = vf_set(0);
        for (uint32_t c = 0; c < head_channels; c++)
            for (uint32_t i = 0; i < KEYS; i++)
                for (uint32_t v = 0; v < VECTORS; v++)
                    dot[i][v] = vf_fma(vf_set(key[c * TILE + i]), vf_load(q + c * TILE + v * W), dot[i][v]);
        for (uint32_t i = 0; i < keys; i++)
            for (uint32_t v = 0; v < VECTORS; v++) {
                vf s = dot[i][v] * scale;

                largest[v] = vf_max(s, largest[v]);
                vf_store(scores + (j + i) * TILE + v * W, s);
            }
    }
}

static void attend_tile(const float *q, const float *k, const float *v, size_t stride, size_t frames,
                        uint32_t head_channels, float *y, float *scratch) {
    vf largest[VECTORS], sum[VECTORS];

    score(q, k, stride, frames, head_channels, scratch, largest);
    for (uint32_t i = 0; i < VECTORS; i++)
        sum[i] = vf_set(0);
    for (size_t j = 0; j < frames; j++)
        for (uint32_t i = 0; i < VECTORS; i++) {
            vf e = exp_lanes(vf_load(scratch + j * TILE + i * W) - largest[i]);

            sum[i] += e;
            vf_store(scratch + j * TILE + i * W, e);
        }
    for (uint32_t c = 0; c < head_channels; c += CHANNELS) {
        vf value[CHANNELS][VECTORS];

        for (uint32_t r = 0; r < CHANNELS; r++)
            for (uint32_t i = 0; i < VECTORS; i++)
                value[r][i] = vf_set(0);
        for (size_t j = 0; j < frames; j++)
            for (uint32_t r = 0; r < CHANNELS; r++) {
                vf channel = vf_set(v[j / TILE * stride + (c + r) * TILE + j % TILE]);

                for (uint32_t i = 0; i < VECTORS; i++)
                    value[r][i] = vf_fma(channel, vf_load(scratch + j * TILE + i * W), value[r][i]);
            }
        for (uint32_t r = 0; r < CHANNELS; r++)
            for (uint32_t i = 0; i < VECTORS; i++)
                vf_store(y + (c + r) * TILE + i * W, value[r][i] / sum[i]);
    }
}

/* One query: here the lanes are the frames that it looks at. */
static void attend(const float *q, const float *k, const float *v, size_t stride, size_t frames, uint32_t head_channels,
                   float *y, float *scratch) {
    float scale = 1.0f / sqrtf((float)head_channels), largest = -INFINITY;
    size_t n_tiles = tiles(frames);
    vf sum = vf_set(0);

    for (size_t t = 0; t < n_tiles; t++) {
        vf dot[VECTORS];

        for (uint32_t i = 0; i < VECTORS; i++)
            dot[i] = vf_set(0);
        for (uint32_t c = 0; c < head_channels; c++)
            for (uint32_t i = 0; i < VECTORS; i++)
                dot[i] = vf_fma(vf_set(q[c]), vf_load(k + t * stride + c * TILE + i * W), dot[i]);
        for (uint32_t i = 0; i < VECTORS; i++)
            vf_store(scratch + t * TILE + i * W, dot[i] * vf_set(scale));
    }
    for (size_t j = 0; j < frames; j++)
        largest = scratch[j] > largest ? scratch[j] : largest;
    for (size_t j = frames; j < n_tiles * TILE; j++)
        scratch[j] = -INFINITY; /* lanes beyond the last frame weigh nothing */
    for (size_t j = 0; j < n_tiles * TILE; j += W) {
        vf e = exp_lanes(vf_load(scratch + j) - vf_set(largest));

        vf_store(scratch + j, e);
    }
    for (size_t j = frames; j < n_tiles * TILE; j++)
        scratch[j] = 0;
    for (size_t j = 0; j < n_tiles * TILE; j += W)
        sum += vf_load(scratch + j);
    for (uint32_t c = 0; c < head_channels; c++) {
        vf value = vf_set(0);

        for (size_t t = 0; t < n_tiles; t++)
            for (uint32_t i = 0; i < VECTORS; i++)
                value = vf_fma(vf_load(scratch + t * TILE + i * W), vf_load(v + t * stride + c * TILE + i * W), value);
        y[c] = vf_sum(value) / vf_sum(sum);
    }
}

void KERNELS_INIT(Kernels *k) {
    for (MatrixFormat f = 0; f < MATRIX_FORMATS; f++) {
        k->gemm_f32[f] = gemm_f32;
        if (f != MATRIX_F16)
            kernels_add_gemm_i8(k, f, "f32", gemm_i8);
        k->gemv_f32[f] = gemv_f32;
        k->gemv_i8[f] = gemv_i8;
    }
    k->quantise_tile = quantise_tile;
    k->quantise = quantise;
    k->quantise_i16 = quantise_i16;
    k->norm_tile = norm_tile;
    k->norm_quantise_tile = norm_quantise_tile;
    k->gelu = gelu;
    k->attend_tile = attend_tile;
    k->attend = attend;
}

#endif
