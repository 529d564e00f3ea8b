/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Ternary matrix products by looking sums up in memory, for many frames (packings t4 and t5).
 *
 * A byte of weights stands for four or five channels in base 3, so there are only 81 or 243 different sums that it can
 * ask for. For one pass of channels (docs/blob-format.md) and one tile all of these are computed beforehand, each as a
 * vector of TILE sums, one for each frame; every row then needs one load and one addition for four or five channels of
 * sixteen frames, no unpacking and no multiplication. The tables of a pass fit the first-level cache: 81 x 8 x 32 bytes
 * or 243 x 4 x 32. It is the method of the four Russians (Arlazarov, Dinic, Kronrod, Faradzev 1970) with vectors for
 * numbers.
 *
 * Sums are 16-bit: a pass adds at most 32 x 127, so PASSES of them fit, and then move to 32 bits. All of it is exact.
 */
#include "simd.h"

#define KERNELS_INIT VARIANT(kernels_init_lut)

#ifdef W158_NO_SIMD

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

/* The widest registers that there are; a tile is one or two of them. */
#define REGISTER (W * sizeof(float))
#define LANES (REGISTER / sizeof(int16_t))
#define PARTS (TILE / LANES)
typedef int16_t v16 __attribute__((vector_size(REGISTER)));

#define T4_BYTES 8u /* of a row in one pass, and channels in one byte */
#define T4_CHANNELS 4u
#define T4_SUMS 81u
#define T5_BYTES 4u
#define T5_CHANNELS 5u
#define T5_SUMS 243u
#define PASSES 8u /* 32767 / (32 x 127) */

_Static_assert(LUT_SCRATCH >= T4_BYTES * T4_SUMS * TILE * sizeof(int16_t), "tables of t4");
_Static_assert(LUT_SCRATCH >= T5_BYTES * T5_SUMS * TILE * sizeof(int16_t), "tables of t5");

/* A frame's channel as 16-bit numbers, zero behind the span's end. */
static inline v16 load_channel(const int8_t *q, uint32_t channel, uint32_t channels, uint32_t part) {
    int16_t wide[LANES];
    v16 x;

    for (uint32_t l = 0; l < LANES; l++)
        wide[l] = channel < channels ? q[channel * TILE + part * LANES + l] : 0;
    memcpy(&x, wide, sizeof x);
    return x;
}

/*
 * table[sum][TILE]: sum number t0 + 3 t1 + 9 t2 ... is that of (t_i - 1) x_i. Each entry is another one plus one channel.
 */
static inline void build_table(const int8_t *q, uint32_t first, uint32_t channels, uint32_t per_byte, int16_t *table) {
    for (uint32_t part = 0; part < PARTS; part++) {
        v16 x[T5_CHANNELS], least = {0};
        uint32_t power = 1;
        v16 *t = (v16 *)table + part;

        for (uint32_t i = 0; i < per_byte; i++) {
            x[i] = load_channel(q, first + i, channels, part);
            least -= x[i];
        }
        t[0] = least;
        for (uint32_t i = 0; i < per_byte; i++, power *= 3)
            for (uint32_t j = 0; j < 2 * power; j++)
                t[(power + j) * PARTS] = t[j * PARTS] + x[i];
    }
}

/* Where in a table the entry of byte `i` of `indices` begins: one shift and one mask give the byte times its size. */
#define ENTRY (TILE * sizeof(int16_t))
#define ENTRY_SHIFT 5
#define OFFSET(indices, i) (((i) == 0 ? (indices) << ENTRY_SHIFT : (indices) >> (8 * (i)-ENTRY_SHIFT)) & 255 * ENTRY)
_Static_assert(ENTRY == 1 << ENTRY_SHIFT, "the size of an entry");

/* sums[row][TILE] += what each row's bytes of this pass look up. */
#define LOOK_UP(NAME, BYTES, SUMS, WORD)                                                                               \
    static inline void NAME(const uint8_t *bytes, uint32_t rows, const int16_t *tables, int16_t *sums) {               \
        for (uint32_t row = 0; row < rows; row++) {                                                                    \
            WORD word;                                                                                                 \
            uint64_t indices;                                                                                          \
            v16 sum[PARTS];                                                                                            \
                                                                                                                       \
            memcpy(&word, bytes + row * sizeof word, sizeof word);                                                     \
            indices = word;                                                                                            \
            for (uint32_t part = 0; part < PARTS; part++)                                                              \
                sum[part] = ((const v16 *)sums)[row * PARTS + part];                                                   \
            _Pragma("GCC unroll 8") for (uint32_t i = 0; i < BYTES; i++) {                                             \
                const char *entry = (const char *)tables + i * SUMS * ENTRY + OFFSET(indices, i);                      \
                                                                                                                       \
                for (uint32_t part = 0; part < PARTS; part++)                                                          \
                    sum[part] += ((const v16 *)(const void *)entry)[part];                                             \
            }                                                                                                          \
            for (uint32_t part = 0; part < PARTS; part++)                                                              \
                ((v16 *)sums)[row * PARTS + part] = sum[part];                                                         \
        }                                                                                                              \
    }
LOOK_UP(look_up_t4, T4_BYTES, T4_SUMS, uint64_t)
LOOK_UP(look_up_t5, T5_BYTES, T5_SUMS, uint32_t)

/* total += sums, sums = 0 */
static inline void widen(int16_t *sums, size_t n, int32_t *total) {
    for (size_t i = 0; i < n; i++)
        total[i] += sums[i];
    memset(sums, 0, n * sizeof *sums);
}

/* One tile and one span: total[row][TILE] = codes x q, exact. */
static inline void multiply_span(const Matrix *w, uint32_t span, const int8_t *q, int16_t *tables, int16_t *sums,
                                 int32_t *total) {
    uint32_t per_byte = w->format == MATRIX_T4 ? T4_CHANNELS : T5_CHANNELS;
    uint32_t pass_bytes = w->format == MATRIX_T4 ? T4_BYTES : T5_BYTES;
    uint32_t table_sums = w->format == MATRIX_T4 ? T4_SUMS : T5_SUMS;
    uint32_t passes = (w->group + per_byte * pass_bytes - 1) / (per_byte * pass_bytes);
    size_t n = (size_t)w->rows * TILE;

    memset(total, 0, n * sizeof *total);
    memset(sums, 0, n * sizeof *sums);
    for (uint32_t pass = 0; pass < passes; pass++) {
        const uint8_t *bytes = (const uint8_t *)w->codes + ((size_t)span * passes + pass) * w->rows * pass_bytes;

        for (uint32_t i = 0; i < pass_bytes; i++)
            build_table(q, (pass * pass_bytes + i) * per_byte, w->group, per_byte, tables + i * table_sums * TILE);
        if (w->format == MATRIX_T4)
            look_up_t4(bytes, w->rows, tables, sums);
        else
            look_up_t5(bytes, w->rows, tables, sums);
        if ((pass + 1) % PASSES == 0 || pass + 1 == passes)
            widen(sums, n, total);
    }
}

static void gemm_i8(const Matrix *w, const float *bias, const int8_t *q, const float *x_scale, size_t n_tiles, float *y,
                    void *scratch) {
    uint32_t spans = w->channels / w->group;
    size_t n = (size_t)w->rows * TILE;
    int16_t *tables = scratch, *sums = tables + LUT_SCRATCH / sizeof *tables;
    int32_t *total = (int32_t *)(sums + n);

    for (size_t t = 0; t < n_tiles; t++) {
        float *out = y + t * n;

        memset(out, 0, n * sizeof *out);
        for (uint32_t span = 0; span < spans; span++) {
            multiply_span(w, span, q + (t * w->channels + span * w->group) * TILE, tables, sums, total);
            for (uint32_t row = 0; row < w->rows; row++) {
                float scale = w->scale[(size_t)row * spans + span];

                for (uint32_t l = 0; l < TILE; l++)
                    out[row * TILE + l] += scale * (float)total[row * TILE + l];
            }
        }
        for (uint32_t row = 0; row < w->rows; row++)
            for (uint32_t l = 0; l < TILE; l++) {
                float value = out[row * TILE + l] * x_scale[t * TILE + l];

                out[row * TILE + l] = bias ? value + bias[row] : value;
            }
    }
}

void KERNELS_INIT(Kernels *k) {
    k->gemm_i8[MATRIX_T4] = gemm_i8;
    k->gemm_i8[MATRIX_T5] = gemm_i8;
}

#endif
