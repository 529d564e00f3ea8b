/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Products with 4-bit weights: of many frames, of one, and of one with activations of 14 bits. One block of rows and
 * frames in registers serves all three; a single frame of 14 bits is two of 8, its upper and its lower part.
 *
 * Sixteen bytes hold 32 channels of a row, so a mask and a shift make them factors; nothing is moved between lanes. They
 * are multiplied as they are, 0 to 15, and what is then too much, the zero point times the sum of the activations, is
 * taken off each group's sum: symmetric weights have the zero point 8 everywhere, asymmetric ones bring their own, and
 * neither costs more. Products of a nibble and an activation are at most 1905, so EXACT_RUNS runs of 32 channels fit into
 * 16 bits.
 */
#include "gemv.h"
#include "lane_math.h"

#include <stdbool.h>

#define KERNELS_INIT VARIANT(kernels_init_nibbles)
#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX2__)

#define EXACT_RUNS 8u /* 8 x 2 x 15 x 127 = 30480 */
#define BLOCK_ROWS 2u

typedef __m256i Sum;    /* of nibbles x activations */
typedef __m256i Factors; /* of one run */

INLINE Factors nibbles_load(const uint8_t *p) {
    const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);

    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(b, 4), b), _mm256_set1_epi8(15));
}

INLINE Factors activations_load(const int8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)

INLINE Sum multiply(Factors nibbles, Factors x) {
    return _mm256_dpbusd_epi32(_mm256_setzero_si256(), nibbles, x);
}
INLINE Sum multiply_add(Sum s, Factors nibbles, Factors x) {
    return _mm256_dpbusd_epi32(s, nibbles, x);
}
INLINE __m256i widened(Sum s) {
    return s;
}

#else

INLINE Sum multiply(Factors nibbles, Factors x) {
    return _mm256_maddubs_epi16(nibbles, x);
}
INLINE Sum multiply_add(Sum s, Factors nibbles, Factors x) {
    return _mm256_add_epi16(s, multiply(nibbles, x));
}
INLINE __m256i widened(Sum s) {
    return _mm256_madd_epi16(s, _mm256_set1_epi16(1));
}

#endif

/* What the lanes of four registers add up to. */
INLINE Int4 sum4(const Sum s[4]) {
    const __m256i t = _mm256_hadd_epi32(_mm256_hadd_epi32(widened(s[0]), widened(s[1])),
                                        _mm256_hadd_epi32(widened(s[2]), widened(s[3])));

    return (Int4)_mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
}

#elif defined(__aarch64__)

/* Before registers are given out, GCC would spread a block's loads so far ahead that it runs out of them. */
#if !defined(__clang__)
#pragma GCC optimize("no-schedule-insns")
#endif

#define EXACT_RUNS 4u /* 4 x 4 x 15 x 127 = 30480 */
#define BLOCK_ROWS 4u

typedef int16x8_t Sum;
typedef struct Factors {
    int8x16_t low, high; /* the first and the second half of a run */
} Factors;

INLINE Factors nibbles_load(const uint8_t *p) {
    const uint8x16_t b = vld1q_u8(p);

    return (Factors){vreinterpretq_s8_u8(vandq_u8(b, vdupq_n_u8(15))), vreinterpretq_s8_u8(vshrq_n_u8(b, 4))};
}

INLINE Factors activations_load(const int8_t *p) {
    return (Factors){vld1q_s8(p), vld1q_s8(p + I4_RUN / 2)};
}

INLINE Sum multiply_add(Sum s, Factors nibbles, Factors x) {
    s = vmlal_high_s8(vmlal_s8(s, vget_low_s8(nibbles.low), vget_low_s8(x.low)), nibbles.low, x.low);
    return vmlal_high_s8(vmlal_s8(s, vget_low_s8(nibbles.high), vget_low_s8(x.high)), nibbles.high, x.high);
}

INLINE Sum multiply(Factors nibbles, Factors x) {
    const Sum s = vmlal_high_s8(vmull_s8(vget_low_s8(nibbles.low), vget_low_s8(x.low)), nibbles.low, x.low);

    return vmlal_high_s8(vmlal_s8(s, vget_low_s8(nibbles.high), vget_low_s8(x.high)), nibbles.high, x.high);
}

INLINE Int4 sum4(const Sum s[4]) {
    return (Int4)vpaddq_s32(vpaddq_s32(vpaddlq_s16(s[0]), vpaddlq_s16(s[1])),
                            vpaddq_s32(vpaddlq_s16(s[2]), vpaddlq_s16(s[3])));
}

#else
#define W158_NO_NIBBLES
#endif

#ifdef W158_NO_NIBBLES

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

#define BLOCK_FRAMES 4u
#define UNROLL _Pragma("GCC unroll 16")

/* What a product is compiled for, once for each. Rows x frames, multiplied at a time, are a multiple of 4 and at most MAX_SUMS. */
typedef struct Shape {
    uint32_t rows, frames;
    bool by_frame;  /* four rows of a frame are neighbours in the result, else four frames of a row */
    bool symmetric; /* all zero points are I4_MIDDLE */
    uint32_t runs;  /* of a group, at most EXACT_RUNS; 0: any number */
} Shape;

/* Matrices with and without zero points, and groups of 32, 64 and 128 channels, get code of their own. */
#define FOR_KINDS(DO)                                                                                                  \
    DO(true, 0) DO(true, 1) DO(true, 2) DO(true, 4) DO(false, 0) DO(false, 1) DO(false, 2) DO(false, 4)

static inline uint32_t runs_in_code(const Matrix *w) {
    const uint32_t runs = w->group / I4_RUN;

    return runs == 1 || runs == 2 || runs == 4 ? runs : 0;
}

#define MAX_SUMS 16u

/* One run of all rows x all frames, added to s, or to nothing. */
INLINE void add_run(Shape shape, const uint8_t *const bytes[], size_t at, const int8_t *x, bool first, Sum *s) {
    Factors frames[BLOCK_FRAMES];

    UNROLL for (uint32_t f = 0; f < shape.frames; f++)
        frames[f] = activations_load(x + f * I4_RUN);
    UNROLL for (uint32_t r = 0; r < shape.rows; r++) {
        const Factors nibbles = nibbles_load(bytes[r] + at);

        UNROLL for (uint32_t f = 0; f < shape.frames; f++) {
            Sum *to = s + (shape.by_frame ? f * shape.rows + r : r * shape.frames + f);

            *to = first ? multiply(nibbles, frames[f]) : multiply_add(*to, nibbles, frames[f]);
        }
    }
}

/* s = `runs` of them, at most EXACT_RUNS. */
INLINE void add_runs(Shape shape, const uint8_t *const bytes[], size_t at, const int8_t *x, uint32_t runs, Sum *s) {
    add_run(shape, bytes, at, x, true, s);
    if (shape.runs) /* of a constant number no loop shall be left */
        UNROLL for (uint32_t i = 1; i < shape.runs; i++)
            add_run(shape, bytes, at + i * (I4_RUN / 2), x + i * shape.frames * I4_RUN, false, s);
    else
        for (uint32_t i = 1; i < runs; i++)
            add_run(shape, bytes, at += I4_RUN / 2, x += shape.frames * I4_RUN, false, s);
}

/* dot[rows x frames / 4] = nibbles x activations of one group of `runs`; rows from bytes[row] + at on, activations x
 * [run][frame][I4_RUN]. */
INLINE void multiply_group(Shape shape, const uint8_t *const bytes[], size_t at, const int8_t *x, uint32_t runs, Int4 *dot) {
    const uint32_t n = shape.rows * shape.frames / 4;
    Sum s[MAX_SUMS];

    add_runs(shape, bytes, at, x, runs < EXACT_RUNS ? runs : EXACT_RUNS, s);
    UNROLL for (uint32_t i = 0; i < n; i++)
        dot[i] = sum4(s + 4 * i);
    for (uint32_t done = EXACT_RUNS; done < runs && !shape.runs; done += EXACT_RUNS) {
        at += EXACT_RUNS * (I4_RUN / 2);
        x += EXACT_RUNS * shape.frames * I4_RUN;
        add_runs(shape, bytes, at, x, runs - done < EXACT_RUNS ? runs - done : EXACT_RUNS, s);
        UNROLL for (uint32_t i = 0; i < n; i++)
            dot[i] += sum4(s + 4 * i);
    }
}

/* Where the codes of `rows` rows begin; those that are not there are the first one once more. */
INLINE void find_rows(const Matrix *w, uint32_t row, uint32_t rows, uint32_t last, const uint8_t *bytes[]) {
    UNROLL for (uint32_t r = 0; r < rows; r++)
        bytes[r] = (const uint8_t *)w->codes + (size_t)(row + r < last ? row + r : row) * (w->channels / 2);
}

/* ------------------------------------------------------------------------------------------------- many frames */

/* Activations of a tile, [channel][TILE], as blocks of frames, [block][run][frame][I4_RUN]. */
static void turn(const int8_t *q, uint32_t channels, int8_t *out) {
    for (uint32_t l = 0; l < TILE; l++)
        for (uint32_t c = 0; c < channels; c += I4_RUN) {
            int8_t *run = out + (size_t)(l / BLOCK_FRAMES * channels + c) * BLOCK_FRAMES + l % BLOCK_FRAMES * I4_RUN;

            for (uint32_t i = 0; i < I4_RUN; i++)
                run[i] = q[(size_t)(c + i) * TILE + l];
        }
}

/* sum[frame] = all channels' activations */
static void sum_frames(const int8_t *q, uint32_t channels, int32_t sum[TILE]) {
    memset(sum, 0, TILE * sizeof *sum);
    for (uint32_t c = 0; c < channels; c++)
        for (uint32_t l = 0; l < TILE; l++)
            sum[l] += q[(size_t)c * TILE + l];
}

/* sums[BLOCK_ROWS][TILE], four neighbours of each row = rows from `row` on x a block of frames. */
INLINE void multiply_block(Shape shape, const Matrix *w, uint32_t row, const int8_t *x, const int32_t *q_sum, float *sums) {
    const uint32_t groups = w->channels / w->group;
    const uint8_t *bytes[BLOCK_ROWS];
    size_t scales[BLOCK_ROWS]; /* where a row's begin */
    Float4 sum[BLOCK_ROWS];

    find_rows(w, row, BLOCK_ROWS, w->rows, bytes);
    UNROLL for (uint32_t r = 0; r < BLOCK_ROWS; r++) {
        scales[r] = (size_t)(row + r < w->rows ? row + r : row) * groups;
        sum[r] = (Float4){0};
    }
    for (uint32_t g = 0; g < groups; g++) {
        Int4 dot[BLOCK_ROWS], too_much;

        memcpy(&too_much, q_sum + (size_t)g * TILE, sizeof too_much);
        multiply_group(shape, bytes, (size_t)g * w->group / 2, x + (size_t)g * w->group * BLOCK_FRAMES, w->group / I4_RUN, dot);
        UNROLL for (uint32_t r = 0; r < BLOCK_ROWS; r++) {
            const int32_t zero = shape.symmetric ? I4_MIDDLE : w->zero[scales[r] + g];

            sum[r] += w->scale[scales[r] + g] * to_float4(dot[r] - too_much * zero);
        }
    }
    UNROLL for (uint32_t r = 0; r < BLOCK_ROWS; r++)
        memcpy(sums + (size_t)r * TILE, &sum[r], sizeof sum[r]);
}

typedef void MultiplyBlock(const Matrix *w, uint32_t row, const int8_t *x, const int32_t *q_sum, float *sums);

/* Not inlined, so that all registers are theirs. */
#define BLOCK_NAME(SYMMETRIC, RUNS) multiply_block_##SYMMETRIC##_##RUNS
#define DEFINE_BLOCK(SYMMETRIC, RUNS)                                                                                  \
    static __attribute__((noinline)) void BLOCK_NAME(SYMMETRIC, RUNS)(const Matrix *w, uint32_t row, const int8_t *x,  \
                                                                      const int32_t *q_sum, float *sums) {             \
        const Shape shape = {                                                                                          \
            .rows = BLOCK_ROWS, .frames = BLOCK_FRAMES, .symmetric = SYMMETRIC, .runs = RUNS};                         \
                                                                                                                       \
        multiply_block(shape, w, row, x, q_sum, sums);                                                                 \
    }
FOR_KINDS(DEFINE_BLOCK)

static MultiplyBlock *block_for(const Matrix *w) {
#define BLOCK_ENTRY(SYMMETRIC, RUNS) [SYMMETRIC][RUNS] = BLOCK_NAME(SYMMETRIC, RUNS),
    static MultiplyBlock *const all[2][5] = {FOR_KINDS(BLOCK_ENTRY)};

    return all[!w->zero][runs_in_code(w)];
}

static void multiply_tile(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                          float *y, int8_t *turned) {
    MultiplyBlock *const block = block_for(w);
    const uint32_t groups = w->channels / w->group;
    int32_t q_sum[MAX_CHANNELS / I4_RUN][TILE];

    turn(q, w->channels, turned);
    for (uint32_t g = 0; g < groups; g++)
        sum_frames(q + (size_t)g * w->group * TILE, w->group, q_sum[g]);
    for (uint32_t row = 0; row < w->rows; row += BLOCK_ROWS) {
        float sums[BLOCK_ROWS][TILE];

        for (uint32_t f = 0; f < TILE; f += BLOCK_FRAMES)
            block(w, row, turned + (size_t)f * w->channels, q_sum[0] + f, sums[0] + f);
        for (uint32_t r = 0; r < BLOCK_ROWS && row + r < w->rows; r++)
            for (uint32_t l = 0; l < TILE; l += W)
                finish_lanes(finish, vf_load(sums[r] + l) * vf_load(x_scale + l), bias, row + r,
                             y + (size_t)(row + r) * TILE + l);
    }
}

static void gemm(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                 size_t n_tiles, float *y, void *scratch) {
    for (size_t t = 0; t < n_tiles; t++)
        multiply_tile(w, bias, finish, q + t * w->channels * TILE, x_scale + t * TILE, y + t * w->rows * TILE, scratch);
}

/* --------------------------------------------------------------------------------------------------- one frame */

/* Zero points of group `group` of four rows; anything for rows that are not there. */
static inline Int4 zero4(const Matrix *w, uint32_t row, uint32_t last, uint32_t groups, uint32_t group) {
    const uint8_t *zero = w->zero + (size_t)row * groups + group;

    if (row + ROWS > last)
        return (Int4){zero[0], row + 1 < last ? zero[groups] : 0, row + 2 < last ? zero[2 * (size_t)groups] : 0, 0};
    return (Int4){zero[0], zero[groups], zero[2 * (size_t)groups], zero[3 * (size_t)groups]};
}

/* Activations in parts, each of them a frame: x [run][part][I4_RUN], and their sum by groups. Of two parts the first counts
 * PART times. */
typedef struct Frame {
    const int8_t *x;
    int32_t *sum;
    float scale;
} Frame;

#define PART 128

INLINE void multiply_rows(Shape shape, const Matrix *w, const float *bias, Frame frame, uint32_t first, uint32_t last, float *y) {
    const uint32_t groups = w->channels / w->group;

    for (uint32_t row = first; row < last; row += ROWS) {
        const uint8_t *bytes[ROWS];
        Float4 sum = {0};

        find_rows(w, row, ROWS, last, bytes);
        prefetch(bytes[0] + AHEAD, (size_t)ROWS * w->channels / 2);
        for (uint32_t g = 0; g < groups; g++) {
            const size_t at = (size_t)g * w->group;
            Int4 dot[2], too_much;

            multiply_group(shape, bytes, at / 2, frame.x + at * shape.frames, w->group / I4_RUN, dot);
            if (shape.frames == 2)
                dot[0] = dot[0] * PART + dot[1];
            too_much = shape.symmetric ? (Int4){0} + I4_MIDDLE * frame.sum[g] : zero4(w, row, last, groups, g) * frame.sum[g];
            sum += scale4(w, row, last, groups, g) * to_float4(dot[0] - too_much);
        }
        put4(sum, frame.scale, bias, row, last, y);
    }
}

typedef void MultiplyRows(const Matrix *w, const float *bias, Frame frame, uint32_t first, uint32_t last, float *y);

#define ROWS_NAME(PARTS, SYMMETRIC, RUNS) multiply_rows_##PARTS##_##SYMMETRIC##_##RUNS
#define DEFINE_ROWS(PARTS, SYMMETRIC, RUNS)                                                                            \
    static __attribute__((noinline)) void ROWS_NAME(PARTS, SYMMETRIC, RUNS)(                                           \
        const Matrix *w, const float *bias, Frame frame, uint32_t first, uint32_t last, float *y) {                    \
        const Shape shape = {                                                                                          \
            .rows = ROWS, .frames = PARTS, .by_frame = true, .symmetric = SYMMETRIC, .runs = RUNS};                    \
                                                                                                                       \
        multiply_rows(shape, w, bias, frame, first, last, y);                                                          \
    }
#define DEFINE_ROWS_OF_1(SYMMETRIC, RUNS) DEFINE_ROWS(1, SYMMETRIC, RUNS)
#define DEFINE_ROWS_OF_2(SYMMETRIC, RUNS) DEFINE_ROWS(2, SYMMETRIC, RUNS)
FOR_KINDS(DEFINE_ROWS_OF_1)
FOR_KINDS(DEFINE_ROWS_OF_2)

static MultiplyRows *rows_for(const Matrix *w, uint32_t parts) {
#define ROWS_ENTRY_OF_1(SYMMETRIC, RUNS) [0][SYMMETRIC][RUNS] = ROWS_NAME(1, SYMMETRIC, RUNS),
#define ROWS_ENTRY_OF_2(SYMMETRIC, RUNS) [1][SYMMETRIC][RUNS] = ROWS_NAME(2, SYMMETRIC, RUNS),
    static MultiplyRows *const all[2][2][5] = {FOR_KINDS(ROWS_ENTRY_OF_1) FOR_KINDS(ROWS_ENTRY_OF_2)};

    return all[parts - 1][!w->zero][runs_in_code(w)];
}

/* frame.sum, of as many parts as it has. */
INLINE void sum_groups(uint32_t parts, const Matrix *w, Frame frame) {
    const int8_t *x = frame.x;

    for (uint32_t g = 0; g < w->channels / w->group; g++) {
        frame.sum[g] = 0;
        for (uint32_t i = 0; i < w->group / I4_RUN * parts; i++, x += I4_RUN) {
            int32_t sum = 0;

            for (uint32_t c = 0; c < I4_RUN; c++)
                sum += x[c];
            frame.sum[g] += parts == 2 && i % 2 == 0 ? sum * PART : sum;
        }
    }
}

static void gemv_i8(const Matrix *w, const float *bias, const int8_t *q, float x_scale, uint32_t first, uint32_t last,
                    float *y) {
    int32_t sum[MAX_CHANNELS / I4_RUN];
    const Frame frame = {.x = q, .sum = sum, .scale = x_scale};

    sum_groups(1, w, frame);
    rows_for(w, 1)(w, bias, frame, first, last, y);
}

static void gemv_i16(const Matrix *w, const float *bias, const int16_t *q, float x_scale, uint32_t first, uint32_t last,
                     float *y) {
    int32_t sum[MAX_CHANNELS / I4_RUN]; /* 15 times as much, at most 8192 x 8191 x 15, is below 2^31 */
    int8_t parts[2 * MAX_CHANNELS];     /* q = PART x upper + lower, both -64 to 64 */
    const Frame frame = {.x = parts, .sum = sum, .scale = x_scale};

    for (uint32_t c = 0; c < w->channels; c += I4_RUN)
        for (uint32_t i = 0; i < I4_RUN; i++) {
            const int upper = (q[c + i] + PART / 2) >> 7;

            parts[2 * c + i] = (int8_t)upper;
            parts[2 * c + I4_RUN + i] = (int8_t)(q[c + i] - PART * upper);
        }
    sum_groups(2, w, frame);
    rows_for(w, 2)(w, bias, frame, first, last, y);
}

void KERNELS_INIT(Kernels *k) {
    kernels_add_gemm_i8(k, MATRIX_I4, "nibbles", gemm);
    k->gemv_i8[MATRIX_I4] = gemv_i8;
    k->gemv_i16[MATRIX_I4] = gemv_i16;
}

#endif
