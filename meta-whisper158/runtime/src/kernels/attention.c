/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Attention in integers (kernels.h says what is computed, ref_attention.c in plain C), compiled for each kind of
 * processor.
 *
 * A block of keys and one of values stay in the first-level cache while all queries of the tile pass by. Nothing is
 * summed across a register but pairs of lanes at the end: for scores the lanes are the frames and four channels of the
 * query are repeated in all of them; for values the lanes are the channels, and four frames' weights are repeated.
 * How products are summed is each processor's own; that sums are exact makes them the same.
 */
#include "lane_math.h"

#define KERNELS_INIT VARIANT(kernels_init_attention)

#ifdef W158_NO_SIMD

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

/* A template is compiled into each function that uses it, with its constant arguments. */
#define TEMPLATE static inline __attribute__((always_inline))
#define INSTANCE static __attribute__((noinline))

/* A tile of queries, or a single one, and what has been added up for them so far. */
typedef struct Queries {
    uint32_t n; /* TILE or 1 */
    uint32_t channels;
    const float *x;
    _Alignas(64) int8_t codes[MAX_HEAD_CHANNELS * TILE]; /* [channel / 4][n][4] */
#if defined(__aarch64__)
    int8x16_t repeated[TILE][MAX_HEAD_CHANNELS / 4]; /* the same, ready to be multiplied with four keys */
#endif
    int32_t sum[TILE];                                   /* of each query's codes */
    float factor[TILE];                                  /* steps for a product of codes, but for the key's scale */

    _Alignas(64) float best[TILE], weights[TILE];
    _Alignas(64) float y[TILE][MAX_HEAD_CHANNELS];
} Queries;

/* What one block gives. */
typedef struct Part {
    _Alignas(64) int16_t steps[TILE][BLOCK];
    _Alignas(64) uint8_t weights[TILE][BLOCK];
    _Alignas(64) float best_step[TILE], best[TILE]; /* in steps from the block's centre; as a score */
    _Alignas(64) float sum[TILE];                   /* of the weights */
    _Alignas(64) float fade[TILE], share[TILE];
} Part;

/*
 * Each processor has these functions:
 *   queries_ready  what it does once for the queries' codes
 *   score  steps of the first `frames` keys for all queries; it may write more of them, up to BLOCK
 *   best_step  the largest of BLOCK steps
 *   weigh  weights for the distances of BLOCK steps from the best one
 *   mix    y[c] = y[c] fade + share scale[c] (weights x codes) over the first `frames`; it may read more of both, zeros
 */

#if !defined(__aarch64__)
static void queries_ready(Queries *q) {
    (void)q;
}
#endif

#if defined(__AVX2__)

/* Four codes in every lane. */
static inline __m256i repeat4(const void *codes) {
    int32_t four;

    memcpy(&four, codes, sizeof four);
    return _mm256_set1_epi32(four);
}

/* sum += products of unsigned and signed bytes, four of each in a lane. Two products of pairs fit into 16 bits: at most
 * 4 x 126 x 63 = 31752 of scores, 4 x 127 x 63 = 32004 of values. */
static inline __m256i add_products(__m256i sum, __m256i a, __m256i x, __m256i b, __m256i y) {
#if defined(__AVX512VNNI__)
    return _mm256_dpbusd_epi32(_mm256_dpbusd_epi32(sum, a, x), b, y);
#else
    __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(a, x), _mm256_maddubs_epi16(b, y));

    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}

/*
 * One operand of the product of bytes has to be unsigned: keys, plus CODE_MAX. What this makes too much, CODE_MAX times
 * the sum of the query's codes, is subtracted at the end.
 * The numbers of queries and of registers of keys, W frames each, are constants where this is called.
 */
TEMPLATE void score_part(const Queries *q, uint32_t first, uint32_t queries, const int8_t *keys, uint32_t registers,
                         const float *factor, int16_t (*steps)[BLOCK]) {
    const __m256i offset = _mm256_set1_epi8(CODE_MAX);
    __m256i sum[8][8];

    for (uint32_t i = 0; i < queries; i++)
        for (uint32_t r = 0; r < registers; r++)
            sum[i][r] = _mm256_set1_epi32((int32_t)(0u - CODE_MAX * (uint32_t)q->sum[first + i]));
    for (uint32_t quad = 0; quad < q->channels / 4; quad += 2) {
        const int8_t *codes = q->codes + (quad * q->n + first) * 4;

        for (uint32_t r = 0; r < registers; r++) {
            const __m256i *key = (const __m256i *)(keys + r / 2 * q->channels * TILE + quad * TILE * 4) + r % 2;
            __m256i a = _mm256_add_epi8(_mm256_load_si256(key), offset);
            __m256i b = _mm256_add_epi8(_mm256_load_si256(key + TILE / W), offset);

            for (uint32_t i = 0; i < queries; i++)
                sum[i][r] = add_products(sum[i][r], a, repeat4(codes + i * 4), b, repeat4(codes + (q->n + i) * 4));
        }
    }
    for (uint32_t i = 0; i < queries; i++)
        for (uint32_t r = 0; r < registers; r++) {
            __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[i][r]), _mm256_set1_ps(factor[first + i]));
            __m256i step = _mm256_cvtps_epi32(scaled);

            _mm_store_si128((__m128i *)(steps[first + i] + r * W),
                            _mm_packs_epi32(_mm256_castsi256_si128(step), _mm256_extracti128_si256(step, 1)));
        }
}

INSTANCE void score(const Queries *q, const int8_t *keys, const float *factor, size_t frames, int16_t (*steps)[BLOCK]) {
    if (q->n == 1) {
        score_part(q, 0, 1, keys, BLOCK / W, factor, steps);
        return;
    }
    for (uint32_t first = 0; first < TILE; first += 8)
        for (size_t j = 0; j < frames; j += W)
            score_part(q, first, 8, keys + j / TILE * q->channels * TILE + j % TILE * 4, 1, factor,
                       (int16_t(*)[BLOCK])(steps[0] + j));
}

static inline int16_t best_step(const int16_t steps[BLOCK]) {
    const __m256i *s = (const __m256i *)steps;
    __m256i m = _mm256_max_epi16(_mm256_max_epi16(s[0], s[1]), _mm256_max_epi16(s[2], s[3]));
    __m128i n = _mm_max_epi16(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));

    n = _mm_max_epi16(n, _mm_shuffle_epi32(n, 0x4E));
    n = _mm_max_epi16(n, _mm_shuffle_epi32(n, 0xB1));
    n = _mm_max_epi16(n, _mm_srli_epi32(n, 16));
    return (int16_t)_mm_extract_epi16(n, 0);
}

static inline void weigh(const int16_t steps[BLOCK], int16_t best, uint8_t weights[BLOCK]) {
    const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)weight_mantissa));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)weight_mantissa + 1));
    const __m256i power = _mm256_broadcastsi128_si256(
        _mm_setr_epi8((char)128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0)); /* 2^(7 - n) */
    const __m256i even = _mm256_set1_epi16(255), seventh = _mm256_set1_epi16(256), m = _mm256_set1_epi16(best);
    const __m256i *s = (const __m256i *)steps;

    for (uint32_t i = 0; i < BLOCK / 32; i++) {
        __m256i n = _mm256_packus_epi16(_mm256_subs_epi16(m, s[2 * i]), _mm256_subs_epi16(m, s[2 * i + 1]));
        __m256i at = _mm256_and_si256(n, _mm256_set1_epi8(31)), mantissa, shift, a, b;

        mantissa = _mm256_blendv_epi8(_mm256_shuffle_epi8(low, at), _mm256_shuffle_epi8(high, at),
                                      _mm256_slli_epi16(at, 3));
        shift = _mm256_shuffle_epi8(power, _mm256_and_si256(_mm256_srli_epi16(n, 5), _mm256_set1_epi8(7)));
        /* mantissa 2^(7 - n) / 2^7, rounded half up */
        a = _mm256_mulhrs_epi16(_mm256_maddubs_epi16(_mm256_and_si256(even, shift), mantissa), seventh);
        b = _mm256_mulhrs_epi16(_mm256_maddubs_epi16(_mm256_andnot_si256(even, shift), mantissa), seventh);
        a = _mm256_or_si256(a, _mm256_slli_epi16(b, 8));
        _mm256_store_si256((__m256i *)weights + i, _mm256_permute4x64_epi64(a, 0xD8));
    }
}

static inline int32_t sum_weights(const uint8_t weights[BLOCK]) {
    const __m256i *w = (const __m256i *)weights, zero = _mm256_setzero_si256();
    __m256i s = _mm256_add_epi64(_mm256_sad_epu8(w[0], zero), _mm256_sad_epu8(w[1], zero));
    __m128i n = _mm_add_epi64(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));

    return _mm_cvtsi128_si32(_mm_add_epi32(n, _mm_shuffle_epi32(n, 0x4E)));
}

#define MIX_CHANNELS 32u

/* 4 x 124 x 63 = 31248 */
TEMPLATE void mix_part(const uint8_t *weights, const int8_t *codes, uint32_t channels, size_t frames,
                       vi sum[MIX_CHANNELS / W]) {
    for (uint32_t r = 0; r < MIX_CHANNELS / W; r++)
        sum[r] = (vi)_mm256_setzero_si256();
    for (size_t j = 0; j < frames; j += 8) {
        __m256i a = repeat4(weights + j), b = repeat4(weights + j + 4);
        const __m256i *v = (const __m256i *)(codes + j * channels);

        for (uint32_t r = 0; r < MIX_CHANNELS / W; r++)
            sum[r] = (vi)add_products((__m256i)sum[r], a, v[r], b, v[channels / W + r]);
    }
}

#elif defined(__aarch64__)

#define EXACT_KEYS 8u   /* 8 x 63 x 63 = 31752 */
#define EXACT_VALUES 4u /* 4 x 124 x 63 = 31248 */
#define REGISTERS 4u    /* of keys or values at a time, 4 frames or channels each */

/* Loads stay between these: pairs of them become one instruction, and all else fits into the registers. */
#define KEEP_ORDER __asm__ volatile("" ::: "memory")

static inline int8x16_t repeat4(const void *codes) {
    return vreinterpretq_s8_s32(vld1q_dup_s32(codes));
}

/*
 * sums += x[i] x (REGISTERS registers of codes, i x stride bytes on) over `quads`, as many as can be summed in 16 bits.
 * The two lanes that belong together are not added yet. `first`: sums begins here.
 */
TEMPLATE void multiply(const int8x16_t *x, const int8_t *codes, size_t stride, uint32_t quads, int first,
                       int32x4_t sums[2 * REGISTERS]) {
    int16x8_t pairs[2 * REGISTERS];

#pragma GCC unroll 8
    for (uint32_t i = 0; i < quads; i++) {
        int8x16_t c[REGISTERS];

        KEEP_ORDER;
#pragma GCC unroll 4
        for (uint32_t r = 0; r < REGISTERS; r++)
            c[r] = vld1q_s8(codes + i * stride + r * 16);
        KEEP_ORDER;
#pragma GCC unroll 4
        for (uint32_t r = 0; r < REGISTERS; r++) {
            if (i == 0) {
                pairs[2 * r] = vmull_s8(vget_low_s8(c[r]), vget_low_s8(x[i]));
                pairs[2 * r + 1] = vmull_high_s8(c[r], x[i]);
            } else {
                pairs[2 * r] = vmlal_s8(pairs[2 * r], vget_low_s8(c[r]), vget_low_s8(x[i]));
                pairs[2 * r + 1] = vmlal_high_s8(pairs[2 * r + 1], c[r], x[i]);
            }
        }
    }
#pragma GCC unroll 8
    for (uint32_t r = 0; r < 2 * REGISTERS; r++)
        sums[r] = first ? vpaddlq_s16(pairs[r]) : vpadalq_s16(sums[r], pairs[r]);
}

static void queries_ready(Queries *q) {
    for (uint32_t i = 0; i < q->n; i++)
        for (uint32_t quad = 0; quad < q->channels / 4; quad++)
            q->repeated[i][quad] = repeat4(q->codes + (quad * q->n + i) * 4);
}

TEMPLATE void score_channels(const Queries *q, const int8_t *keys, const float *factor, size_t frames,
                             uint32_t channels, int16_t (*steps)[BLOCK]) {
    for (uint32_t i = 0; i < q->n; i++)
        for (size_t j = 0; j < frames; j += 4 * REGISTERS) {
            const int8x16_t *x = q->repeated[i];
            const int8_t *tile = keys + j * channels;
            int32x4_t sums[2 * REGISTERS];

            multiply(x, tile, TILE * 4, EXACT_KEYS, 1, sums);
            for (uint32_t quad = EXACT_KEYS; quad < channels / 4; quad += EXACT_KEYS)
                multiply(x + quad, tile + quad * TILE * 4, TILE * 4, EXACT_KEYS, 0, sums);
            for (uint32_t r = 0; r < REGISTERS; r++) {
                float32x4_t dot = vcvtq_f32_s32(vpaddq_s32(sums[2 * r], sums[2 * r + 1]));

                vst1_s16(steps[i] + j + 4 * r, vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(dot, factor[i]))));
            }
        }
}

INSTANCE void score(const Queries *q, const int8_t *keys, const float *factor, size_t frames, int16_t (*steps)[BLOCK]) {
    if (q->channels == 64)
        score_channels(q, keys, factor, frames, 64, steps);
    else
        score_channels(q, keys, factor, frames, 32, steps);
}

static inline int16_t best_step(const int16_t steps[BLOCK]) {
    int16x8_t m = vld1q_s16(steps);

    for (uint32_t j = 8; j < BLOCK; j += 8)
        m = vmaxq_s16(m, vld1q_s16(steps + j));
    return vmaxvq_s16(m);
}

static inline void weigh(const int16_t steps[BLOCK], int16_t best, uint8_t weights[BLOCK]) {
    const uint8x16x2_t mantissas = {{vld1q_u8(weight_mantissa), vld1q_u8(weight_mantissa + 16)}};
    const int16x8_t m = vdupq_n_s16(best);

    for (uint32_t j = 0; j < BLOCK; j += 16) {
        uint8x8_t low = vqmovun_s16(vqsubq_s16(m, vld1q_s16(steps + j)));
        uint8x16_t n = vqmovun_high_s16(low, vqsubq_s16(m, vld1q_s16(steps + j + 8)));
        int8x16_t shift = vnegq_s8(vreinterpretq_s8_u8(vshrq_n_u8(n, 5)));

        vst1q_u8(weights + j, vrshlq_u8(vqtbl2q_u8(mantissas, vandq_u8(n, vdupq_n_u8(31))), shift));
    }
}

static inline int32_t sum_weights(const uint8_t weights[BLOCK]) {
    uint16x8_t s = vpaddlq_u8(vld1q_u8(weights));

    for (uint32_t j = 16; j < BLOCK; j += 16)
        s = vpadalq_u8(s, vld1q_u8(weights + j));
    return (int32_t)vaddlvq_u16(s);
}

#define MIX_CHANNELS (4 * REGISTERS)

/* The products with 16 weights. */
TEMPLATE void multiply_values(const uint8_t *weights, const int8_t *codes, uint32_t channels, int first,
                              int32x4_t sums[2 * REGISTERS]) {
    int32x4_t w = vreinterpretq_s32_u8(vld1q_u8(weights));
    int8x16_t x[EXACT_VALUES];

    __asm__("" : "+w"(w)); /* else the compiler would load each four again */
    x[0] = vreinterpretq_s8_s32(vdupq_laneq_s32(w, 0));
    x[1] = vreinterpretq_s8_s32(vdupq_laneq_s32(w, 1));
    x[2] = vreinterpretq_s8_s32(vdupq_laneq_s32(w, 2));
    x[3] = vreinterpretq_s8_s32(vdupq_laneq_s32(w, 3));
    multiply(x, codes, channels * 4, EXACT_VALUES, first, sums);
}

TEMPLATE void mix_part(const uint8_t *weights, const int8_t *codes, uint32_t channels, size_t frames,
                       vi sum[MIX_CHANNELS / W]) {
    int32x4_t sums[2 * REGISTERS];

    multiply_values(weights, codes, channels, 1, sums);
    for (size_t j = 4 * EXACT_VALUES; j < frames; j += 4 * EXACT_VALUES)
        multiply_values(weights + j, codes + j * channels, channels, 0, sums);
    for (uint32_t r = 0; r < REGISTERS; r++)
        sum[r] = (vi)vpaddq_s32(sums[2 * r], sums[2 * r + 1]);
}

#else /* SSE2: products of 16 bits, two of which make a sum of 32 */

#define REGISTERS 4u

static inline __m128i repeat4(const void *codes) {
    int32_t four;

    memcpy(&four, codes, sizeof four);
    return _mm_set1_epi32(four);
}

static inline __m128i low_i16(__m128i a) { return _mm_srai_epi16(_mm_unpacklo_epi8(a, a), 8); }
static inline __m128i high_i16(__m128i a) { return _mm_srai_epi16(_mm_unpackhi_epi8(a, a), 8); }

static inline void multiply(const int8_t *repeated, const int8_t *codes, __m128i sums[2 * REGISTERS]) {
    __m128i x = low_i16(repeat4(repeated));

    for (uint32_t r = 0; r < REGISTERS; r++) {
        __m128i c = _mm_load_si128((const __m128i *)codes + r);

        sums[2 * r] = _mm_add_epi32(sums[2 * r], _mm_madd_epi16(low_i16(c), x));
        sums[2 * r + 1] = _mm_add_epi32(sums[2 * r + 1], _mm_madd_epi16(high_i16(c), x));
    }
}

static inline __m128i add_pairs(__m128i a, __m128i b) {
    __m128 x = _mm_castsi128_ps(a), y = _mm_castsi128_ps(b);

    return _mm_add_epi32(_mm_castps_si128(_mm_shuffle_ps(x, y, 0x88)), _mm_castps_si128(_mm_shuffle_ps(x, y, 0xDD)));
}

INSTANCE void score(const Queries *q, const int8_t *keys, const float *factor, size_t frames, int16_t (*steps)[BLOCK]) {
    for (uint32_t i = 0; i < q->n; i++)
        for (size_t j = 0; j < frames; j += 4 * REGISTERS) {
            __m128i sums[2 * REGISTERS];

            for (uint32_t r = 0; r < 2 * REGISTERS; r++)
                sums[r] = _mm_setzero_si128();
            for (uint32_t quad = 0; quad < q->channels / 4; quad++)
                multiply(q->codes + (quad * q->n + i) * 4, keys + (j * q->channels) + quad * TILE * 4, sums);
            for (uint32_t r = 0; r < REGISTERS; r++) {
                __m128 dot = _mm_cvtepi32_ps(add_pairs(sums[2 * r], sums[2 * r + 1]));
                __m128i step = _mm_cvtps_epi32(_mm_mul_ps(dot, _mm_set1_ps(factor[i])));

                _mm_storel_epi64((__m128i *)(steps[i] + j + 4 * r), _mm_packs_epi32(step, step));
            }
        }
}

static inline int16_t best_step(const int16_t steps[BLOCK]) {
    int16_t best = steps[0];

    for (uint32_t j = 1; j < BLOCK; j++)
        best = steps[j] > best ? steps[j] : best;
    return best;
}

static inline void weigh(const int16_t steps[BLOCK], int16_t best, uint8_t weights[BLOCK]) {
    for (uint32_t j = 0; j < BLOCK; j++) {
        uint32_t n = (uint32_t)(best - steps[j]);

        weights[j] = n < 255 ? (uint8_t)((weight_mantissa[n % 32] + (1u << n / 32 >> 1)) >> n / 32) : 0;
    }
}

static inline int32_t sum_weights(const uint8_t weights[BLOCK]) {
    int32_t sum = 0;

    for (uint32_t j = 0; j < BLOCK; j++)
        sum += weights[j];
    return sum;
}

#define MIX_CHANNELS (4 * REGISTERS)

TEMPLATE void mix_part(const uint8_t *weights, const int8_t *codes, uint32_t channels, size_t frames,
                       vi sum[MIX_CHANNELS / W]) {
    __m128i sums[2 * REGISTERS];

    for (uint32_t r = 0; r < 2 * REGISTERS; r++)
        sums[r] = _mm_setzero_si128();
    for (size_t j = 0; j < frames; j += 4)
        multiply((const int8_t *)weights + j, codes + j * channels, sums);
    for (uint32_t r = 0; r < REGISTERS; r++)
        sum[r] = (vi)add_pairs(sums[2 * r], sums[2 * r + 1]);
}

#endif

/* ---------------------------------------------------------------------------------------------------- packing */

/* The codes of four vectors of numbers, one behind the other in each lane. */
static inline vi interleave(const vf x[4]) {
    vu byte = (vu)(vi){0} + 255u;

    return (vi)(((vu)vi_round(x[0]) & byte) | ((vu)vi_round(x[1]) & byte) << 8 | ((vu)vi_round(x[2]) & byte) << 16 |
                (vu)vi_round(x[3]) << 24);
}

static inline float lane_max(vf a) {
    float lanes[W], largest;

    vf_store(lanes, a);
    largest = lanes[0];
    for (uint32_t l = 1; l < W; l++)
        largest = lanes[l] > largest ? lanes[l] : largest;
    return largest;
}

/* The greatest and the least number of a channel in `frames` frames. */
static inline void range(const float *x, size_t stride, size_t frames, float *high, float *low) {
    vf most = vf_set(-INFINITY), least = vf_set(INFINITY);
    size_t whole = frames / TILE;

    for (size_t t = 0; t < whole; t++)
        for (uint32_t l = 0; l < TILE; l += W) {
            vf now = vf_load(x + t * stride + l);

            most = vf_max(now, most);
            least = vf_min(now, least);
        }
    *high = lane_max(most);
    *low = -lane_max(vf_set(0) - least);
    for (size_t l = 0; l < frames % TILE; l++) {
        float now = x[whole * stride + l];

        *high = now > *high ? now : *high;
        *low = now < *low ? now : *low;
    }
}

static void pack_keys(const float *k, size_t stride, size_t frames, uint32_t channels, void *block) {
    float *centre = block_floats(block, channels), *scale = centre + channels, largest = 0;
    int8_t *codes = block;
    vf factor;

    for (uint32_t c = 0; c < channels; c++) {
        float high, low;

        range(k + c * TILE, stride, frames, &high, &low);
        centre[c] = 0.5f * (high + low);
        largest = high - centre[c] > largest ? high - centre[c] : largest;
        largest = centre[c] - low > largest ? centre[c] - low : largest;
    }
    memset(scale, 0, 16 * sizeof *scale);
    *scale = largest / CODE_MAX;
    factor = vf_set(code_factor(largest));
    for (size_t t = 0; t < tiles(frames); t++)
        for (uint32_t c = 0; c < channels; c += 4) {
            const float *x = k + t * stride + c * TILE;
            int8_t *quad = codes + t * channels * TILE + c * TILE;

            for (uint32_t l = 0; l < TILE; l += W) {
                vf number[4];
                vi four;

                for (uint32_t i = 0; i < 4; i++)
                    number[i] = (vf_load(x + i * TILE + l) - vf_set(centre[c + i])) * factor;
                four = interleave(number);
                memcpy(quad + l * 4, &four, sizeof four);
            }
            if (frames - t * TILE < TILE)
                memset(quad + frames % TILE * 4, 0, (TILE - frames % TILE) * 4);
        }
    memset(codes + tiles(frames) * TILE * channels, 0, (BLOCK - tiles(frames) * TILE) * channels);
}

static void pack_values(const float *v, size_t stride, size_t frames, uint32_t channels, void *block) {
    float *scale = block_floats(block, channels);
    int8_t *codes = block;

    for (uint32_t c = 0; c < channels; c++) {
        float high, low, largest;
        vf factor;

        range(v + c * TILE, stride, frames, &high, &low);
        largest = high > -low ? high : -low;
        scale[c] = largest / CODE_MAX;
        factor = vf_set(code_factor(largest));
        for (size_t t = 0; t < tiles(frames); t++)
            for (uint32_t l = 0; l < TILE; l += W) {
                int8_t now[W];

                vf_to_i8(now, vf_load(v + t * stride + c * TILE + l) * factor);
                for (uint32_t i = 0; i < W; i += 4)
                    memcpy(codes + (t * TILE + l + i) * channels + c * 4, now + i, 4);
            }
        for (size_t j = frames; j < BLOCK; j++)
            codes[(j / 4 * channels + c) * 4 + j % 4] = 0;
    }
}

/* -------------------------------------------------------------------------------------------------- attention */

/* Codes of a tile of queries, which lie in the lanes. */
static void queries_tile(Queries *q) {
    for (uint32_t l = 0; l < TILE; l += W) {
        vf largest = vf_set(0), factor;
        vu sum = {0}; /* without a sign: what is no number gives any codes, and these may overflow */
        float lanes[W];

        for (uint32_t c = 0; c < q->channels; c++)
            largest = vf_max(vf_abs(vf_load(q->x + c * TILE + l)), largest);
        vf_store(lanes, largest);
        vf_store(q->factor + l, largest / vf_set(CODE_MAX));
        for (uint32_t i = 0; i < W; i++)
            lanes[i] = code_factor(lanes[i]);
        factor = vf_load(lanes);
        for (uint32_t c = 0; c < q->channels; c += 4) {
            vf x[4];
            vi four;

            for (uint32_t i = 0; i < 4; i++) {
                x[i] = vf_load(q->x + (c + i) * TILE + l) * factor;
                sum += (vu)vi_round(x[i]);
            }
            four = interleave(x);
            memcpy(q->codes + c * TILE + l * 4, &four, sizeof four);
        }
        memcpy(q->sum + l, &sum, sizeof sum);
    }
}

static void queries_single(Queries *q) {
    vf largest = vf_set(0), factor;

    for (uint32_t c = 0; c < q->channels; c += W)
        largest = vf_max(vf_abs(vf_load(q->x + c)), largest);
    q->factor[0] = lane_max(largest) / CODE_MAX;
    factor = vf_set(code_factor(lane_max(largest)));
    for (uint32_t c = 0; c < q->channels; c += W)
        vf_to_i8(q->codes + c, vf_load(q->x + c) * factor);
    q->sum[0] = 0;
    for (uint32_t c = 0; c < q->channels; c++)
        q->sum[0] += q->codes[c];
}

/* best[query] = query . centre / sqrt(channels) + step[query] / STEPS_PER_E, which is the score of the best weight */
INSTANCE void best_scores(const Queries *q, const float *centre, const float step[TILE], float best[TILE]) {
    vf root = vf_set(1.0f / sqrtf((float)q->channels)), unit = vf_set(1.0f / STEPS_PER_E), sum[TILE / W];

    if (q->n == 1) {
        sum[0] = vf_set(0);
        for (uint32_t c = 0; c < q->channels; c += W)
            sum[0] = vf_fma(vf_load(q->x + c), vf_load(centre + c), sum[0]);
        vf_store(best, vf_fma(vf_load(step), unit, vf_set(vf_sum(sum[0])) * root));
        return;
    }
    for (uint32_t v = 0; v < TILE / W; v++)
        sum[v] = vf_set(0);
    for (uint32_t c = 0; c < q->channels; c++)
        for (uint32_t v = 0; v < TILE / W; v++)
            sum[v] = vf_fma(vf_load(q->x + c * TILE + v * W), vf_set(centre[c]), sum[v]);
    for (uint32_t v = 0; v < TILE / W; v++)
        vf_store(best + v * W, vf_fma(vf_load(step + v * W), unit, sum[v] * root));
}

/* How much the totals so far and the new part count, now that the best score of both is known. */
static void balance(Queries *q, Part *part) {
    for (uint32_t l = 0; l < q->n; l += W) {
        vf before = vf_load(q->best + l), now = vf_load(part->best + l), best = vf_max(now, before);
        vf fade = exp_lanes(before - best), share = exp_lanes(now - best);

        vf_store(part->fade + l, fade);
        vf_store(part->share + l, share);
        vf_store(q->best + l, best);
        vf_store(q->weights + l, vf_load(q->weights + l) * fade + vf_load(part->sum + l) * share);
    }
}

/* y = y fade + share scale (weights x codes) */
TEMPLATE void mix_channels(const uint8_t *weights, const void *values, size_t frames, uint32_t channels, float fade,
                           float share, float *y) {
    const float *scale = block_floats_of(values, channels);

    for (uint32_t c = 0; c < channels; c += MIX_CHANNELS) {
        vi sum[MIX_CHANNELS / W];

        mix_part(weights, (const int8_t *)values + c * 4, channels, frames, sum);
        for (uint32_t r = 0; r < MIX_CHANNELS / W; r++, y += W, scale += W)
            vf_store(y, vf_fma(vf_from_i32(sum[r]), vf_load(scale) * vf_set(share), vf_load(y) * vf_set(fade)));
    }
}

INSTANCE void mix(Queries *q, const Part *part, const void *values, size_t frames) {
    for (uint32_t i = 0; i < q->n; i++) {
        if (q->channels == 64)
            mix_channels(part->weights[i], values, frames, 64, part->fade[i], part->share[i], q->y[i]);
        else
            mix_channels(part->weights[i], values, frames, 32, part->fade[i], part->share[i], q->y[i]);
    }
}

/* Steps become weights; frames beyond the block's last weigh nothing. */
INSTANCE void weigh_all(const Queries *q, Part *part, size_t frames) {
    for (uint32_t i = 0; i < q->n; i++) {
        int16_t best;

        for (size_t j = frames; j < BLOCK; j++)
            part->steps[i][j] = INT16_MIN;
        best = best_step(part->steps[i]);
        weigh(part->steps[i], best, part->weights[i]);
        if (frames < BLOCK)
            memset(part->weights[i] + frames, 0, BLOCK - frames);
        part->best_step[i] = best;
        part->sum[i] = (float)sum_weights(part->weights[i]);
    }
}

static void attend_block(Queries *q, Part *part, const void *keys, const void *values, size_t frames) {
    const float *centre = block_floats_of(keys, q->channels);
    float factor[TILE];

    for (uint32_t i = 0; i < q->n; i++) {
        factor[i] = q->factor[i] * centre[q->channels];
        factor[i] = factor[i] < MAX_FACTOR ? factor[i] : MAX_FACTOR;
    }
    score(q, keys, factor, tiles(frames) * TILE, part->steps);
    weigh_all(q, part, frames);
    best_scores(q, centre, part->best_step, part->best);
    balance(q, part);
    mix(q, part, values, tiles(frames) * TILE);
}

static void attend_blocks(Queries *q, const void *keys, size_t key_stride, const void *values, size_t value_stride,
                          size_t frames) {
    Part part = {.sum = {0}};

    for (uint32_t i = 0; i < TILE; i++)
        q->best[i] = -INFINITY;
    queries_ready(q);
    for (uint32_t i = 0; i < q->n; i++)
        q->factor[i] *= STEPS_PER_E / sqrtf((float)q->channels);
    for (size_t b = 0; b < blocks(frames); b++) {
        const int8_t *key = (const int8_t *)keys + b * key_stride, *value = (const int8_t *)values + b * value_stride;

        if (q->n == 1) { /* then the next block comes from memory, and no page says where it is */
            prefetch(key + key_stride, (size_t)BLOCK * q->channels);
            prefetch(value + value_stride, (size_t)BLOCK * q->channels);
        }
        attend_block(q, &part, key, value, block_frames(frames, b));
    }
}

static void attend_tile_i8(const float *x, const void *keys, size_t key_stride, const void *values, size_t value_stride,
                           size_t frames, uint32_t head_channels, float *y) {
    Queries q = {.n = TILE, .channels = head_channels, .x = x};

    queries_tile(&q);
    attend_blocks(&q, keys, key_stride, values, value_stride, frames);
    for (uint32_t c = 0; c < head_channels; c++)
        for (uint32_t l = 0; l < TILE; l++)
            y[c * TILE + l] = q.y[l][c] / q.weights[l];
}

static void attend_i8(const float *x, const void *keys, size_t key_stride, const void *values, size_t value_stride,
                      size_t frames, uint32_t head_channels, float *y) {
    Queries q = {.n = 1, .channels = head_channels, .x = x};

    queries_single(&q);
    attend_blocks(&q, keys, key_stride, values, value_stride, frames);
    for (uint32_t c = 0; c < head_channels; c++)
        y[c] = q.y[0][c] / q.weights[0];
}

void KERNELS_INIT(Kernels *k) {
    k->pack_keys = pack_keys;
    k->pack_values = pack_values;
    k->attend_tile_i8 = attend_tile_i8;
    k->attend_i8 = attend_i8;
}

#endif
