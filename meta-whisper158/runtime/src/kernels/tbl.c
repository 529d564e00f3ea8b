/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Ternary matrix products by looking sums up in registers, for many frames (packing t2): NEON's TBL, AVX2's VPSHUFB.
 *
 * Two channels of a row have nine different sums, so a register of sixteen bytes holds all of them for one frame, and one
 * instruction finds the sums of as many rows as a register has bytes. A sum of two activations does not fit a byte,
 * though. Each activation is therefore taken apart, x = 2 h + l with l in {-1, 0, 1}, and looked up in two tables, which
 * makes it exact. (T-MAC and bitnet.cpp look up in the same way, the one with rounded sums, the other by bytes of 16-bit
 * sums.)
 */
#include "lane_math.h"

#define KERNELS_INIT VARIANT(kernels_init_tbl)

#if defined(__AVX2__)

#define WIDTH 32u /* rows in one look-up */
typedef __m256i Rows8;
typedef struct Rows16 {
    __m256i low, high;
} Rows16;

static inline Rows8 rows_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
static inline Rows8 rows_find(const int8_t *table, Rows8 index) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table)), index);
}
static inline Rows8 rows_zero(void) { return _mm256_setzero_si256(); }
static inline Rows8 rows_add(Rows8 a, Rows8 b) { return _mm256_add_epi8(a, b); }
static inline Rows16 rows_widen(Rows16 sum, Rows8 a) {
    sum.low = _mm256_add_epi16(sum.low, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(a)));
    sum.high = _mm256_add_epi16(sum.high, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(a, 1)));
    return sum;
}
static inline Rows16 rows_double(Rows16 a) {
    return (Rows16){_mm256_add_epi16(a.low, a.low), _mm256_add_epi16(a.high, a.high)};
}
static inline void rows_store(Rows16 sum, int16_t *p) {
    _mm256_storeu_si256((__m256i *)(void *)p, sum.low);
    _mm256_storeu_si256((__m256i *)(void *)(p + 16), sum.high);
}

#elif defined(__aarch64__)

#define WIDTH 16u
typedef int8x16_t Rows8;
typedef struct Rows16 {
    int16x8_t low, high;
} Rows16;

static inline Rows8 rows_load(const uint8_t *p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
static inline Rows8 rows_find(const int8_t *table, Rows8 index) {
    return vqtbl1q_s8(vld1q_s8(table), vreinterpretq_u8_s8(index));
}
static inline Rows8 rows_zero(void) { return vdupq_n_s8(0); }
static inline Rows8 rows_add(Rows8 a, Rows8 b) { return vaddq_s8(a, b); }
static inline Rows16 rows_widen(Rows16 sum, Rows8 a) {
    sum.low = vaddw_s8(sum.low, vget_low_s8(a));
    sum.high = vaddw_high_s8(sum.high, a);
    return sum;
}
static inline Rows16 rows_double(Rows16 a) {
    return (Rows16){vaddq_s16(a.low, a.low), vaddq_s16(a.high, a.high)};
}
static inline void rows_store(Rows16 sum, int16_t *p) {
    vst1q_s16(p, sum.low);
    vst1q_s16(p + 8, sum.high);
}

#else
#define W158_NO_TBL
#endif

#ifdef W158_NO_TBL

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

#define FRAMES 4u /* looked up together */
#define PAIRS 32u /* of channels; the sums of l stay within 8 bits, all of them within 16 */

typedef int8_t Table __attribute__((vector_size(16)));

/* What a look-up of PAIRS pairs works with. */
typedef struct Tables {
    Table h[PAIRS][FRAMES], l[PAIRS][FRAMES];
} Tables;

/* table[d + 4 e] = (d - 1) a + (e - 1) b */
static inline Table make_table(int8_t a, int8_t b) {
    const Table a_minus = {-1, 0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0};
    const Table a_plus = {0, 0, -1, 0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0, 0, 0};
    const Table b_minus = {-1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    const Table b_plus = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, 0, 0, 0, 0, 0};
    const Table zero = {0}, all_a = zero + a, all_b = zero + b;

    return (all_a & a_plus) - (all_a & a_minus) + (all_b & b_plus) - (all_b & b_minus);
}

/* Tables of the pairs of q[channels][TILE] for the FRAMES frames from the first one that q points at. */
static void make_tables(const int8_t *q, uint32_t channels, Tables *out) {
    for (uint32_t c = 0; c < channels; c += 2)
        for (uint32_t f = 0; f < FRAMES; f++) {
            int8_t a = q[(size_t)c * TILE + f], b = c + 1 < channels ? q[(size_t)(c + 1) * TILE + f] : 0;
            int8_t a_half = (int8_t)(a / 2), b_half = (int8_t)(b / 2);

            out->h[c / 2][f] = make_table(a_half, b_half);
            out->l[c / 2][f] = make_table((int8_t)(a - 2 * a_half), (int8_t)(b - 2 * b_half));
        }
}

/* index[pair][WIDTH]: what the rows from `row` on look up for the channels of a group. Rows and channels that are not
 * there have the code 0. */
static void make_indices(const Matrix *w, uint32_t row, uint32_t group, uint8_t *index) {
    for (uint32_t r = 0; r < WIDTH; r++) {
        const uint8_t *bytes = (const uint8_t *)w->codes + (size_t)((row + r) / 4) * w->channels + group * w->group;
        uint32_t shift = 2 * (r % 4);

        for (uint32_t c = 0; c < w->group; c += 2) {
            uint32_t d = 1, e = 1;

            if (row + r < w->rows) {
                d = bytes[c] >> shift & 3;
                e = c + 1 < w->group ? bytes[c + 1] >> shift & 3 : 1;
            }
            index[(size_t)c / 2 * WIDTH + r] = (uint8_t)(d | e << 2);
        }
    }
}

/* total[frame][WIDTH] += of at most PAIRS pairs */
static inline void look_up(const uint8_t *index, uint32_t pairs, const Tables *tables, int32_t total[FRAMES][WIDTH]) {
    Rows16 h[FRAMES];
    Rows8 l[FRAMES];

    for (uint32_t f = 0; f < FRAMES; f++) {
        l[f] = rows_zero();
        h[f] = rows_widen((Rows16){0}, l[f]);
    }
    for (uint32_t p = 0; p < pairs; p++) {
        Rows8 rows = rows_load(index + (size_t)p * WIDTH);

        for (uint32_t f = 0; f < FRAMES; f++) {
            h[f] = rows_widen(h[f], rows_find((const int8_t *)&tables->h[p][f], rows));
            l[f] = rows_add(l[f], rows_find((const int8_t *)&tables->l[p][f], rows));
        }
    }
    for (uint32_t f = 0; f < FRAMES; f++) {
        int16_t sums[WIDTH];

        rows_store(rows_widen(rows_double(h[f]), l[f]), sums);
        for (uint32_t r = 0; r < WIDTH; r++)
            total[f][r] += sums[r];
    }
}

/* Rows that are taken through all tiles together: their indices are made once, and tables serve all of them. */
#define BLOCKS (TBL_ROWS / WIDTH)

/* sum[row][frame] += scale x (codes x q) of one group, for FRAMES frames. index: [block][pairs of the group][WIDTH] */
static void multiply_group(const Matrix *w, uint32_t row, uint32_t blocks, uint32_t group, const uint8_t *index,
                           const int8_t *q, float (*sum)[TILE]) {
    uint32_t groups = w->channels / w->group, pairs = (w->group + 1) / 2;
    int32_t total[BLOCKS][FRAMES][WIDTH] = {{{0}}};
    Tables tables;

    for (uint32_t first = 0; first < pairs; first += PAIRS) {
        uint32_t n = pairs - first < PAIRS ? pairs - first : PAIRS;
        uint32_t channels = w->group - 2 * first < 2 * PAIRS ? w->group - 2 * first : 2 * PAIRS;

        make_tables(q + (size_t)(group * w->group + 2 * first) * TILE, channels, &tables);
        for (uint32_t b = 0; b < blocks; b++)
            look_up(index + ((size_t)b * pairs + first) * WIDTH, n, &tables, total[b]);
    }
    for (uint32_t r = 0; r < blocks * WIDTH && row + r < w->rows; r++)
        for (uint32_t f = 0; f < FRAMES; f++)
            sum[r][f] += w->scale[(size_t)(row + r) * groups + group] * (float)total[r / WIDTH][f][r % WIDTH];
}

static void gemm(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale, size_t n_tiles,
                 float *y, void *scratch) {
    uint32_t groups = w->channels / w->group, pairs = (w->group + 1) / 2;
    uint8_t *index = scratch; /* [group][block][pair][WIDTH] */

    for (uint32_t row = 0; row < w->rows; row += TBL_ROWS) {
        uint32_t rows = w->rows - row < TBL_ROWS ? w->rows - row : TBL_ROWS, blocks = (rows + WIDTH - 1) / WIDTH;

        for (uint32_t i = 0; i < groups * blocks; i++)
            make_indices(w, row + i % blocks * WIDTH, i / blocks, index + (size_t)i * pairs * WIDTH);
        for (size_t t = 0; t < n_tiles; t++) {
            float sum[TBL_ROWS][TILE] = {{0}};

            for (uint32_t f = 0; f < TILE; f += FRAMES)
                for (uint32_t g = 0; g < groups; g++)
                    multiply_group(w, row, blocks, g, index + (size_t)g * blocks * pairs * WIDTH,
                                   q + t * w->channels * TILE + f, (float(*)[TILE])(sum[0] + f));
            for (uint32_t r = 0; r < rows; r++)
                for (uint32_t l = 0; l < TILE; l += W)
                    finish_lanes(finish, vf_load(sum[r] + l) * vf_load(x_scale + t * TILE + l), bias, row + r,
                                 y + (t * w->rows + row + r) * TILE + l);
        }
    }
}

void KERNELS_INIT(Kernels *k) {
    kernels_add_gemm_i8(k, MATRIX_T2, "tbl", gemm);
}

#endif
