/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Integer matrix-vector products for decoding, one token at a time: here every weight is used once, and what counts is
 * how few instructions it takes to bring it from memory to a sum.
 *
 * Ternary weights (packing t2) are left as the digits 0, 1, 2: a byte holds one channel of four rows, so a mask and a
 * shift give each row's digits for as many channels as a register has bytes. Digit x activation is summed in 16 bits as
 * long as that is exact, and the sum of the activations, which the digits have too much, is subtracted at the end.
 */
#include "kernels.h"

#include <string.h>

#define KERNELS_INIT VARIANT(kernels_init_gemv)

#if defined(__AVX2__)
#include <immintrin.h>

#define STEP 32u
#define EXACT_STEPS 64u /* 64 x 2 x 2 x 127 = 32512 */

static inline int32_t sum_i32(__m256i a) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));

    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

/* dot[r] += digits of row r x q, for r < 4, and dot[4] += sum of q: `steps` of STEP channels, at most EXACT_STEPS. */
static inline void dot_digits(const uint8_t *bytes, const int8_t *q, uint32_t steps, int32_t dot[5]) {
    const __m256i three = _mm256_set1_epi8(3), one = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0, sq = s0;

    for (uint32_t i = 0; i < steps; i++) {
        __m256i b = _mm256_loadu_si256((const __m256i *)(bytes + i * STEP));
        __m256i x = _mm256_loadu_si256((const __m256i *)(q + i * STEP));

        s0 = _mm256_add_epi16(s0, _mm256_maddubs_epi16(_mm256_and_si256(b, three), x));
        s1 = _mm256_add_epi16(s1, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(b, 2), three), x));
        s2 = _mm256_add_epi16(s2, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(b, 4), three), x));
        s3 = _mm256_add_epi16(s3, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(b, 6), three), x));
        sq = _mm256_add_epi16(sq, _mm256_maddubs_epi16(one, x));
    }
    dot[0] += sum_i32(_mm256_madd_epi16(s0, ones));
    dot[1] += sum_i32(_mm256_madd_epi16(s1, ones));
    dot[2] += sum_i32(_mm256_madd_epi16(s2, ones));
    dot[3] += sum_i32(_mm256_madd_epi16(s3, ones));
    dot[4] += sum_i32(_mm256_madd_epi16(sq, ones));
}

static inline int32_t dot_bytes(const int8_t *a, const int8_t *b, uint32_t steps) {
    __m256i s = _mm256_setzero_si256(), t = s;

    for (uint32_t i = 0; i < steps; i++) {
        const __m128i *p = (const __m128i *)(a + i * STEP), *q = (const __m128i *)(b + i * STEP);

        s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(p)),
                                                  _mm256_cvtepi8_epi16(_mm_loadu_si128(q))));
        t = _mm256_add_epi32(t, _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(p + 1)),
                                                  _mm256_cvtepi8_epi16(_mm_loadu_si128(q + 1))));
    }
    return sum_i32(_mm256_add_epi32(s, t));
}

#elif defined(__aarch64__)
#include <arm_neon.h>

#define STEP 16u
#define EXACT_STEPS 64u /* 64 x 2 x 2 x 127 = 32512 */

static inline int16x8_t multiply_add(int16x8_t sum, uint8x16_t digits, int8x16_t x) {
    int8x16_t d = vreinterpretq_s8_u8(digits);

    return vmlal_high_s8(vmlal_s8(sum, vget_low_s8(d), vget_low_s8(x)), d, x);
}

static inline void dot_digits(const uint8_t *bytes, const int8_t *q, uint32_t steps, int32_t dot[5]) {
    const uint8x16_t three = vdupq_n_u8(3);
    int16x8_t s0 = vdupq_n_s16(0), s1 = s0, s2 = s0, s3 = s0, sq = s0;

    for (uint32_t i = 0; i < steps; i++) {
        uint8x16_t b = vld1q_u8(bytes + i * STEP);
        int8x16_t x = vld1q_s8(q + i * STEP);

        s0 = multiply_add(s0, vandq_u8(b, three), x);
        s1 = multiply_add(s1, vandq_u8(vshrq_n_u8(b, 2), three), x);
        s2 = multiply_add(s2, vandq_u8(vshrq_n_u8(b, 4), three), x);
        s3 = multiply_add(s3, vshrq_n_u8(b, 6), x);
        sq = vpadalq_s8(sq, x);
    }
    dot[0] += vaddlvq_s16(s0);
    dot[1] += vaddlvq_s16(s1);
    dot[2] += vaddlvq_s16(s2);
    dot[3] += vaddlvq_s16(s3);
    dot[4] += vaddlvq_s16(sq);
}

static inline int32_t dot_bytes(const int8_t *a, const int8_t *b, uint32_t steps) {
    int32x4_t s = vdupq_n_s32(0);

    for (uint32_t i = 0; i < steps; i++) {
        int8x16_t x = vld1q_s8(a + i * STEP), y = vld1q_s8(b + i * STEP);

        /* 2 x 127 x 127 fits 16 bits */
        s = vpadalq_s16(s, vmlal_high_s8(vmull_s8(vget_low_s8(x), vget_low_s8(y)), x, y));
    }
    return vaddvq_s32(s);
}

#else
#define W158_NO_GEMV
#endif

#ifdef W158_NO_GEMV

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

/* Codes of four rows x q over one group, exact. */
static void dot_ternary4(const uint8_t *bytes, const int8_t *q, uint32_t channels, int32_t dot[4]) {
    int32_t sums[5] = {0};
    uint32_t steps = channels / STEP;

    for (uint32_t done = 0; done < steps; done += EXACT_STEPS)
        dot_digits(bytes + done * STEP, q + done * STEP, steps - done < EXACT_STEPS ? steps - done : EXACT_STEPS, sums);
    for (uint32_t c = steps * STEP; c < channels; c++) {
        for (uint32_t r = 0; r < 4; r++)
            sums[r] += (bytes[c] >> (2 * r) & 3) * q[c];
        sums[4] += q[c];
    }
    for (uint32_t r = 0; r < 4; r++)
        dot[r] = sums[r] - sums[4];
}

static void gemv_t2(const Matrix *w, const float *bias, const int8_t *q, float x_scale, uint32_t first, uint32_t last,
                    float *y) {
    uint32_t groups = w->channels / w->group;

    for (uint32_t row = first; row < last; row += 4) {
        const uint8_t *bytes = (const uint8_t *)w->codes + (size_t)row / 4 * w->channels;
        float sum[4] = {0};

        for (uint32_t g = 0; g < groups; g++) {
            int32_t dot[4];

            dot_ternary4(bytes + g * w->group, q + g * w->group, w->group, dot);
            for (uint32_t r = 0; r < 4; r++)
                sum[r] += w->scale[(size_t)(row + r) * groups + g] * (float)dot[r];
        }
        for (uint32_t r = 0; r < 4; r++) {
            float value = sum[r] * x_scale;

            y[row + r] = bias ? value + bias[row + r] : value;
        }
    }
}

static void gemv_i8(const Matrix *w, const float *bias, const int8_t *q, float x_scale, uint32_t first, uint32_t last,
                    float *y) {
    uint32_t groups = w->channels / w->group;

    for (uint32_t row = first; row < last; row++) {
        const int8_t *codes = (const int8_t *)w->codes + (size_t)row * w->channels;
        float sum = 0, value;

        for (uint32_t g = 0; g < groups; g++) {
            uint32_t begin = g * w->group, steps = w->group / STEP;
            int32_t dot = dot_bytes(codes + begin, q + begin, steps);

            for (uint32_t c = begin + steps * STEP; c < begin + w->group; c++)
                dot += codes[c] * q[c];
            sum += w->scale[(size_t)row * groups + g] * (float)dot;
        }
        value = sum * x_scale;
        y[row] = bias ? value + bias[row] : value;
    }
}

void KERNELS_INIT(Kernels *k) {
    k->gemv_i8[MATRIX_T2] = gemv_t2;
    k->gemv_i8[MATRIX_I8] = gemv_i8;
}

#endif
