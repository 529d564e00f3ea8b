/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Integer matrix products for many frames as plain dot products: a tile of activations is turned so that the channels of
 * a frame are neighbours, and a block of four rows and a few frames is kept in registers while the channels pass by.
 *
 * For 8-bit weights it is the way to do it. For ternary ones (packing t2, unpacked on the fly) it is what the look-ups of
 * lut.c have to beat: no tables, so no demands on the cache, but a multiplication for every weight.
 */
#include "lane_math.h"

#define KERNELS_INIT VARIANT(kernels_init_dot)
#define ROWS 4u

#if defined(__AVX2__)

#define FRAMES 2u /* in a block */
#define T2_STEP 32u
#define I8_STEP 16u

static inline int32_t sum_i32(__m256i a) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));

    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

typedef __m256i Sum16; /* of digits x activations; Sum32: of codes x activations */
typedef __m256i Sum32;
typedef __m256i Bytes;

static inline Bytes bytes_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline Bytes digits(Bytes b, uint32_t row) {
    return _mm256_and_si256(_mm256_srli_epi16(b, (int)(2 * row)), _mm256_set1_epi8(3));
}
static inline Sum16 sum16_zero(void) { return _mm256_setzero_si256(); }
static inline Sum16 sum16_add(Sum16 s, Bytes digits, Bytes x) { return _mm256_add_epi16(s, _mm256_maddubs_epi16(digits, x)); }
static inline int32_t sum16_all(Sum16 s) { return sum_i32(_mm256_madd_epi16(s, _mm256_set1_epi16(1))); }

typedef __m256i Wide; /* I8_STEP numbers, ready to be multiplied */
static inline Wide wide_load(const int8_t *p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p)); }
static inline Sum32 sum32_zero(void) { return _mm256_setzero_si256(); }
static inline Sum32 sum32_add(Sum32 s, Wide a, Wide b) { return _mm256_add_epi32(s, _mm256_madd_epi16(a, b)); }
static inline int32_t sum32_all(Sum32 s) { return sum_i32(s); }

#elif defined(__aarch64__)

#define FRAMES 4u
#define T2_STEP 16u
#define I8_STEP 16u

typedef int16x8_t Sum16;
typedef int32x4_t Sum32;
typedef int8x16_t Bytes;

static inline Bytes bytes_load(const void *p) { return vld1q_s8(p); }
static inline Bytes digits(Bytes b, uint32_t row) {
    const int8x16_t down[ROWS] = {vdupq_n_s8(0), vdupq_n_s8(-2), vdupq_n_s8(-4), vdupq_n_s8(-6)};

    return vandq_s8(vreinterpretq_s8_u8(vshlq_u8(vreinterpretq_u8_s8(b), down[row])), vdupq_n_s8(3));
}
static inline Sum16 sum16_zero(void) { return vdupq_n_s16(0); }
static inline Sum16 sum16_add(Sum16 s, Bytes digits, Bytes x) {
    return vmlal_high_s8(vmlal_s8(s, vget_low_s8(digits), vget_low_s8(x)), digits, x);
}
static inline int32_t sum16_all(Sum16 s) { return vaddlvq_s16(s); }

typedef int8x16_t Wide;
static inline Wide wide_load(const int8_t *p) { return vld1q_s8(p); }
static inline Sum32 sum32_zero(void) { return vdupq_n_s32(0); }
static inline Sum32 sum32_add(Sum32 s, Wide a, Wide b) { /* 2 x 127 x 127 fits 16 bits */
    return vpadalq_s16(s, vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b));
}
static inline int32_t sum32_all(Sum32 s) { return vaddvq_s32(s); }

#else
#define W158_NO_DOT
#endif

#ifdef W158_NO_DOT

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

#define T2_EXACT 64u /* steps whose sums fit 16 bits: 64 x 2 x 2 x 127 = 32512 */

/* dot[row][frame] += of four rows and FRAMES frames, `channels` of them, the frames `stride` bytes apart. */
typedef void Block(const Matrix *w, uint32_t row, uint32_t first, uint32_t channels, const int8_t *x, size_t stride,
                   int32_t dot[ROWS][TILE]);

static void block_t2(const Matrix *w, uint32_t row, uint32_t first, uint32_t channels, const int8_t *x, size_t stride,
                     int32_t dot[ROWS][TILE]) {
    const uint8_t *bytes = (const uint8_t *)w->codes + (size_t)row / ROWS * w->channels + first;
    uint32_t whole = channels / T2_STEP * T2_STEP;

    for (uint32_t begin = 0; begin < whole; begin += T2_EXACT * T2_STEP) {
        uint32_t end = whole - begin < T2_EXACT * T2_STEP ? whole : begin + T2_EXACT * T2_STEP;
        Sum16 sum[ROWS][FRAMES];

        for (uint32_t i = 0; i < ROWS * FRAMES; i++)
            sum[i / FRAMES][i % FRAMES] = sum16_zero();
        for (uint32_t c = begin; c < end; c += T2_STEP) {
            Bytes b = bytes_load(bytes + c), d[ROWS];

            for (uint32_t r = 0; r < ROWS; r++)
                d[r] = digits(b, r);
            for (uint32_t f = 0; f < FRAMES; f++)
                for (uint32_t r = 0; r < ROWS; r++)
                    sum[r][f] = sum16_add(sum[r][f], d[r], bytes_load(x + f * stride + c));
        }
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t f = 0; f < FRAMES; f++)
                dot[r][f] += sum16_all(sum[r][f]);
    }
    for (uint32_t c = whole; c < channels; c++)
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t f = 0; f < FRAMES; f++)
                dot[r][f] += (bytes[c] >> (2 * r) & 3) * x[f * stride + c];
}

static void block_i8(const Matrix *w, uint32_t row, uint32_t first, uint32_t channels, const int8_t *x, size_t stride,
                     int32_t dot[ROWS][TILE]) {
    uint32_t whole = channels / I8_STEP * I8_STEP;
    const int8_t *codes[ROWS];
    Sum32 sum[ROWS][FRAMES];

    for (uint32_t r = 0; r < ROWS; r++) { /* rows that are not there are another one once more */
        codes[r] = (const int8_t *)w->codes + (size_t)(row + r < w->rows ? row + r : row) * w->channels + first;
        for (uint32_t f = 0; f < FRAMES; f++)
            sum[r][f] = sum32_zero();
    }
    for (uint32_t c = 0; c < whole; c += I8_STEP) {
        Wide a[ROWS];

        for (uint32_t r = 0; r < ROWS; r++)
            a[r] = wide_load(codes[r] + c);
        for (uint32_t f = 0; f < FRAMES; f++) {
            Wide b = wide_load(x + f * stride + c);

            for (uint32_t r = 0; r < ROWS; r++)
                sum[r][f] = sum32_add(sum[r][f], a[r], b);
        }
    }
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t f = 0; f < FRAMES; f++) {
            dot[r][f] += sum32_all(sum[r][f]);
            for (uint32_t c = whole; c < channels; c++)
                dot[r][f] += codes[r][c] * x[f * stride + c];
        }
}

/* out[frame][channels] = q[channel][TILE] */
static void turn(const int8_t *q, uint32_t channels, int8_t *out) {
    for (uint32_t l = 0; l < TILE; l++)
        for (uint32_t c = 0; c < channels; c++)
            out[(size_t)l * channels + c] = q[(size_t)c * TILE + l];
}

/* dot[row][frame] = four rows x one tile over one group. Digits are the codes plus one: `less` is what they give too much. */
static inline void dot_tile(Block *block, const Matrix *w, uint32_t row, uint32_t group, const int8_t *turned,
                            const int32_t less[TILE], int32_t dot[ROWS][TILE]) {
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t l = 0; l < TILE; l++)
            dot[r][l] = -less[l];
    for (uint32_t f = 0; f < TILE; f += FRAMES)
        block(w, row, group * w->group, w->group, turned + (size_t)f * w->channels + group * w->group, w->channels,
              (int32_t(*)[TILE])(dot[0] + f));
}

static void sum_group(const int8_t *q, uint32_t channels, int32_t sum[TILE]) {
    memset(sum, 0, TILE * sizeof *sum);
    for (uint32_t c = 0; c < channels; c++)
        for (uint32_t l = 0; l < TILE; l++)
            sum[l] += q[c * TILE + l];
}

static void multiply_tile(Block *block, const Matrix *w, const float *bias, Finish finish, const int8_t *q,
                          const float *x_scale, float *y, int8_t *turned) {
    uint32_t groups = w->channels / w->group;
    int32_t less[MAX_CHANNELS / 32][TILE];

    turn(q, w->channels, turned);
    for (uint32_t g = 0; g < groups; g++) {
        if (w->format == MATRIX_T2)
            sum_group(q + (size_t)g * w->group * TILE, w->group, less[g]);
        else
            memset(less[g], 0, sizeof less[g]);
    }
    for (uint32_t row = 0; row < w->rows; row += ROWS) {
        float sum[ROWS][TILE] = {{0}};

        for (uint32_t g = 0; g < groups; g++) {
            int32_t dot[ROWS][TILE];

            dot_tile(block, w, row, g, turned, less[g], dot);
            for (uint32_t r = 0; r < ROWS && row + r < w->rows; r++) {
                float scale = w->scale[(size_t)(row + r) * groups + g];

                for (uint32_t l = 0; l < TILE; l++)
                    sum[r][l] += scale * (float)dot[r][l];
            }
        }
        for (uint32_t r = 0; r < ROWS && row + r < w->rows; r++)
            for (uint32_t l = 0; l < TILE; l += W)
                finish_lanes(finish, vf_load(sum[r] + l) * vf_load(x_scale + l), bias, row + r,
                             y + (size_t)(row + r) * TILE + l);
    }
}

static void gemm(Block *block, const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                 size_t n_tiles, float *y, void *scratch) {
    for (size_t t = 0; t < n_tiles; t++)
        multiply_tile(block, w, bias, finish, q + t * w->channels * TILE, x_scale + t * TILE, y + t * w->rows * TILE,
                      scratch);
}

static void gemm_t2(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                    size_t n_tiles, float *y, void *scratch) {
    gemm(block_t2, w, bias, finish, q, x_scale, n_tiles, y, scratch);
}

static void gemm_i8(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                    size_t n_tiles, float *y, void *scratch) {
    gemm(block_i8, w, bias, finish, q, x_scale, n_tiles, y, scratch);
}

void KERNELS_INIT(Kernels *k) {
    kernels_add_gemm_i8(k, MATRIX_T2, "unpack", gemm_t2);
    kernels_add_gemm_i8(k, MATRIX_I8, "int", gemm_i8);
}

#endif
