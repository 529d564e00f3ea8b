/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Integer matrix-vector products for decoding, one token at a time: here every weight is used once, and what counts is
 * how few instructions it takes to bring it from memory to a sum. Four rows go together, so that an activation is loaded
 * once for all of them.
 *
 * Ternary weights (packing t2) are left as the digits 0, 1, 2: a byte holds one channel of four rows, so a mask and a
 * shift give each row's digits for as many channels as a register has bytes. Digit x activation is summed in 16 bits as
 * long as that is exact, and the sum of the activations, which the digits have too much, is subtracted at the end.
 */
#include "gemv.h"

#define KERNELS_INIT VARIANT(kernels_init_gemv)

#if defined(__AVX2__)
#include <immintrin.h>

#define STEP 32u
#define EXACT_STEPS 64u /* 64 x 2 x 2 x 127 = 32512 */

/* The sums of four registers. */
static inline Int4 sum4(__m256i a, __m256i b, __m256i c, __m256i d) {
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));

    return (Int4)_mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

/* Digits of four rows x q: `steps` of STEP channels, at most EXACT_STEPS. */
static inline Int4 dot_digits(const uint8_t *bytes, const int8_t *q, uint32_t steps) {
    const __m256i three = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;

    for (uint32_t i = 0; i < steps; i++) {
        __m256i b = _mm256_loadu_si256((const __m256i *)(bytes + i * STEP));
        __m256i x = _mm256_loadu_si256((const __m256i *)(q + i * STEP));

        s0 = _mm256_add_epi16(s0, _mm256_maddubs_epi16(_mm256_and_si256(b, three), x));
        s1 = _mm256_add_epi16(s1, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(b, 2), three), x));
        s2 = _mm256_add_epi16(s2, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(b, 4), three), x));
        s3 = _mm256_add_epi16(s3, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(b, 6), three), x));
    }
    return sum4(_mm256_madd_epi16(s0, ones), _mm256_madd_epi16(s1, ones), _mm256_madd_epi16(s2, ones),
                _mm256_madd_epi16(s3, ones));
}

/* 16 numbers of 8 or 16 bits as 16 bits */
static inline __m256i load16_i8(const int8_t *p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}
static inline __m256i load16_i16(const int16_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

#define DOT4(NAME, TYPE, LOAD)                                                                                         \
    static inline Int4 NAME(const int8_t *const row[ROWS], const TYPE *q, uint32_t steps) {                            \
        __m256i s[ROWS];                                                                                               \
                                                                                                                       \
        for (uint32_t r = 0; r < ROWS; r++)                                                                            \
            s[r] = _mm256_setzero_si256();                                                                             \
        for (uint32_t i = 0; i < steps * STEP; i += 16) {                                                              \
            __m256i x = LOAD(q + i);                                                                                   \
                                                                                                                       \
            for (uint32_t r = 0; r < ROWS; r++)                                                                        \
                s[r] = _mm256_add_epi32(s[r], _mm256_madd_epi16(load16_i8(row[r] + i), x));                            \
        }                                                                                                              \
        return sum4(s[0], s[1], s[2], s[3]);                                                                           \
    }
DOT4(dot4_i8, int8_t, load16_i8)
DOT4(dot4_i16, int16_t, load16_i16)

#elif defined(__aarch64__)
#include <arm_neon.h>

#define STEP 16u
#define EXACT_STEPS 64u /* 64 x 2 x 2 x 127 = 32512 */

static inline Int4 sum4(const int32x4_t s[ROWS]) {
    return (Int4)vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
}

static inline int16x8_t multiply_add(int16x8_t sum, uint8x16_t digits, int8x16_t x) {
    int8x16_t d = vreinterpretq_s8_u8(digits);

    return vmlal_high_s8(vmlal_s8(sum, vget_low_s8(d), vget_low_s8(x)), d, x);
}

/* Digits of four rows x q: `steps` of STEP channels, at most EXACT_STEPS. */
static inline Int4 dot_digits(const uint8_t *bytes, const int8_t *q, uint32_t steps) {
    const uint8x16_t three = vdupq_n_u8(3);
    int16x8_t s0 = vdupq_n_s16(0), s1 = s0, s2 = s0, s3 = s0;

    _Pragma("GCC unroll 2") for (uint32_t i = 0; i < steps; i++) {
        uint8x16_t b = vld1q_u8(bytes + i * STEP);
        int8x16_t x = vld1q_s8(q + i * STEP);

        s0 = multiply_add(s0, vandq_u8(b, three), x);
        s1 = multiply_add(s1, vandq_u8(vshrq_n_u8(b, 2), three), x);
        s2 = multiply_add(s2, vandq_u8(vshrq_n_u8(b, 4), three), x);
        s3 = multiply_add(s3, vshrq_n_u8(b, 6), x);
    }
    return sum4((int32x4_t[]){vpaddlq_s16(s0), vpaddlq_s16(s1), vpaddlq_s16(s2), vpaddlq_s16(s3)});
}

static inline Int4 dot4_i8(const int8_t *const row[ROWS], const int8_t *q, uint32_t steps) {
    int32x4_t s[ROWS];

    for (uint32_t r = 0; r < ROWS; r++)
        s[r] = vdupq_n_s32(0);
    for (uint32_t i = 0; i < steps * STEP; i += STEP) {
        int8x16_t x = vld1q_s8(q + i);

        for (uint32_t r = 0; r < ROWS; r++) {
            int8x16_t w = vld1q_s8(row[r] + i);

            /* 2 x 127 x 127 fits 16 bits */
            s[r] = vpadalq_s16(s[r], vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(x)), w, x));
        }
    }
    return sum4(s);
}

static inline Int4 dot4_i16(const int8_t *const row[ROWS], const int16_t *q, uint32_t steps) {
    int32x4_t s[ROWS];

    for (uint32_t r = 0; r < ROWS; r++)
        s[r] = vdupq_n_s32(0);
    for (uint32_t i = 0; i < steps * STEP; i += STEP) {
        int16x8_t x0 = vld1q_s16(q + i), x1 = vld1q_s16(q + i + 8);

        for (uint32_t r = 0; r < ROWS; r++) {
            int8x16_t w = vld1q_s8(row[r] + i);
            int16x8_t w0 = vmovl_s8(vget_low_s8(w)), w1 = vmovl_high_s8(w);

            s[r] = vmlal_high_s16(vmlal_s16(s[r], vget_low_s16(w0), vget_low_s16(x0)), w0, x0);
            s[r] = vmlal_high_s16(vmlal_s16(s[r], vget_low_s16(w1), vget_low_s16(x1)), w1, x1);
        }
    }
    return sum4(s);
}

#else
#define W158_NO_GEMV
#endif

#ifdef W158_NO_GEMV

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

static int32_t sum_i8(const int8_t *q, uint32_t n) {
    int32_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += q[i];
    return sum;
}

/* Codes of four rows x q over one group, exact; q_sum is the sum of q. */
static inline Int4 dot_ternary4(const uint8_t *bytes, const int8_t *q, int32_t q_sum, uint32_t channels) {
    uint32_t steps = channels / STEP;
    Int4 dot = (Int4){0} - q_sum;

    for (uint32_t done = 0; done < steps; done += EXACT_STEPS)
        dot += dot_digits(bytes + done * STEP, q + done * STEP, steps - done < EXACT_STEPS ? steps - done : EXACT_STEPS);
    for (uint32_t c = steps * STEP; c < channels; c++)
        dot += (Int4){bytes[c] & 3, bytes[c] >> 2 & 3, bytes[c] >> 4 & 3, bytes[c] >> 6} * q[c];
    return dot;
}

static void gemv_t2(const Matrix *w, const float *bias, const int8_t *q, float x_scale, uint32_t first, uint32_t last,
                    float *y) {
    uint32_t groups = w->channels / w->group;
    int32_t q_sum[MAX_CHANNELS / 32 + 1];

    for (uint32_t g = 0; g < groups; g++)
        q_sum[g] = sum_i8(q + g * w->group, w->group);
    for (uint32_t row = first; row < last; row += ROWS) {
        const uint8_t *bytes = (const uint8_t *)w->codes + (size_t)row / ROWS * w->channels;
        Float4 sum = {0};

        prefetch(bytes + AHEAD, w->channels);
        for (uint32_t g = 0; g < groups; g++)
            sum += scale4(w, row, last, groups, g) *
                   to_float4(dot_ternary4(bytes + g * w->group, q + g * w->group, q_sum[g], w->group));
        put4(sum, x_scale, bias, row, last, y);
    }
}

/* y = W q of 8-bit weights for activations of 8 or 16 bits. The vocabulary is no multiple of four: rows that are not
 * there are another row once more. */
#define GEMV_OF_I8(NAME, TYPE, DOT4_OF_TYPE)                                                                           \
    static void NAME(const Matrix *w, const float *bias, const TYPE *q, float x_scale, uint32_t first, uint32_t last,  \
                     float *y) {                                                                                       \
        uint32_t groups = w->channels / w->group, steps = w->group / STEP;                                             \
                                                                                                                       \
        for (uint32_t row = first; row < last; row += ROWS) {                                                          \
            const int8_t *codes[ROWS];                                                                                 \
            Float4 sum = {0};                                                                                          \
                                                                                                                       \
            for (uint32_t r = 0; r < ROWS; r++)                                                                        \
                codes[r] = (const int8_t *)w->codes + (size_t)(row + r < last ? row + r : row) * w->channels;          \
            prefetch(codes[0] + AHEAD, (size_t)ROWS * w->channels);                                                    \
            for (uint32_t g = 0; g < groups; g++, q += w->group) {                                                     \
                Int4 dot = DOT4_OF_TYPE(codes, q, steps);                                                              \
                                                                                                                       \
                for (uint32_t c = steps * STEP; c < w->group; c++)                                                     \
                    dot += (Int4){codes[0][c], codes[1][c], codes[2][c], codes[3][c]} * q[c];                          \
                sum += scale4(w, row, last, groups, g) * to_float4(dot);                                               \
                for (uint32_t r = 0; r < ROWS; r++)                                                                    \
                    codes[r] += w->group;                                                                              \
            }                                                                                                          \
            q -= w->channels;                                                                                          \
            put4(sum, x_scale, bias, row, last, y);                                                                    \
        }                                                                                                              \
    }
GEMV_OF_I8(gemv_i8, int8_t, dot4_i8)
GEMV_OF_I8(gemv_i16, int16_t, dot4_i16)

void KERNELS_INIT(Kernels *k) {
    k->gemv_i8[MATRIX_T2] = gemv_t2;
    k->gemv_i8[MATRIX_I8] = gemv_i8;
    k->gemv_i16[MATRIX_I8] = gemv_i16;
}

#endif
