/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Ternary matrix products by looking sums up in memory, for many frames (packings t4 and t5).
 *
 * A byte of weights stands for four or five channels in base 3, so there are only 81 or 243 different sums that it can
 * ask for. For a few bytes of channels and a few frames all of these are computed beforehand, each as a vector of sums,
 * one for each frame; every row then needs one load and one addition for four or five channels of all these frames, no
 * unpacking and no multiplication. It is the method of the four Russians (Arlazarov, Dinic, Kronrod, Faradzev 1970) with
 * vectors for numbers.
 *
 * The tables should stay in the first-level cache; how large that is differs, and so does how much a narrow table costs.
 * Hence several shapes of one algorithm, each a variant: lut-8, lut-16 and lut-32 look up that many frames at a time,
 * and in lut-32-half the tables cover half as many channels.
 *
 * Sums are 16-bit while that is exact, and then move to 32 bits (docs/kernels.md has the arithmetic).
 */
#include "lane_math.h"

#include <stdbool.h>

#define KERNELS_INIT VARIANT(kernels_init_lut)

#ifdef W158_NO_SIMD

void KERNELS_INIT(Kernels *k) {
    (void)k;
}

#else

/* The widest registers that there are. */
#define REGISTER (W * sizeof(float))
#define LANES (REGISTER / sizeof(int16_t))
typedef int16_t v16 __attribute__((vector_size(REGISTER)));
typedef int32_t v32 __attribute__((vector_size(2 * REGISTER)));
typedef int8_t v8 __attribute__((vector_size(REGISTER / 2)));
typedef int32_t vi __attribute__((vector_size(REGISTER))); /* as many as a vf has floats */

#define WIDEST 32u /* frames in one look-up */
#define MAX_PARTS (WIDEST / LANES)
#define MAX_PER_BYTE 5u

/* One shape of the algorithm. Always a constant: everything below is inlined into the variants at the end. */
typedef struct Shape {
    uint32_t per_byte;   /* channels in a byte */
    uint32_t sums;       /* 3 to the power of that */
    uint32_t pass_bytes; /* of a row in one pass of the packing (docs/blob-format.md) */
    uint32_t bytes;      /* of these, looked up together; divides pass_bytes */
    uint32_t frames;     /* in one look-up: half a tile, a tile or two */
} Shape;

#define INLINE static inline __attribute__((always_inline))

_Static_assert(LUT_SCRATCH >= 8u * 81 * WIDEST * sizeof(int16_t), "tables of t4");
_Static_assert(LUT_SCRATCH >= 4u * 243 * WIDEST * sizeof(int16_t), "tables of t5");

/* ---------------------------------------------------------------------------------------------------- tables */

/* Registers of a table entry that are worked on together: NEON stores two with one instruction. */
#if defined(__aarch64__)
#define TOGETHER 2u
#else
#define TOGETHER 1u
#endif

typedef struct Piece {
    v16 at[TOGETHER];
} Piece;

INLINE Piece piece_add(Piece a, Piece b) {
    for (uint32_t i = 0; i < TOGETHER; i++)
        a.at[i] += b.at[i];
    return a;
}

INLINE Piece piece_negative(Piece a) {
    for (uint32_t i = 0; i < TOGETHER; i++)
        a.at[i] = -a.at[i];
    return a;
}

/* A channel of the frames from register `part` on, as 16-bit numbers. q points at the channel in the first tile; the
 * second tile is `step` behind. */
INLINE Piece load_channel(Shape s, const int8_t *q, size_t step, uint32_t part) {
    Piece x = {0};

    for (uint32_t i = 0; i < TOGETHER && (part + i) * LANES < s.frames; i++) {
        uint32_t frame = (part + i) * (uint32_t)LANES;
        v8 narrow;

        memcpy(&narrow, q + frame / TILE * step + frame % TILE, sizeof narrow);
        x.at[i] = __builtin_convertvector(narrow, v16);
    }
    return x;
}

/* Nine neighbouring entries: table[j] = low[j] + high. */
INLINE void store_nine(Shape s, const Piece low[9], Piece high, v16 *table) {
    const uint32_t parts = s.frames / LANES;

    _Pragma("GCC unroll 9") for (uint32_t j = 0; j < 9; j++) {
        Piece sum = piece_add(low[j], high);

        for (uint32_t i = 0; i < TOGETHER && i < parts; i++)
            table[j * parts + i] = sum.at[i];
    }
}

/*
 * The table of one byte: entry t0 + 3 t1 + 9 t2 ... is the sum of (t_i - 1) x_i. The nine sums of the first two channels
 * stay in registers while those of the others pass by. Channels from `used` on count for nothing.
 */
INLINE void build_table(Shape s, const int8_t *q, size_t step, uint32_t used, v16 *table) {
    const uint32_t parts = s.frames / LANES;

    for (uint32_t part = 0; part < parts; part += TOGETHER) {
        v16 *entry = table + part;
        Piece x[MAX_PER_BYTE] = {{{{0}}}}, low[9], fifth, fourth, third;

        for (uint32_t i = 0; i < s.per_byte && i < used; i++)
            x[i] = load_channel(s, q + i * TILE, step, part);
        low[1] = piece_negative(x[1]);
        low[4] = (Piece){{{0}}};
        low[7] = x[1];
        for (uint32_t i = 0; i < 9; i += 3) {
            low[i] = piece_add(low[i + 1], piece_negative(x[0]));
            low[i + 2] = piece_add(low[i + 1], x[0]);
        }
        fifth = piece_negative(x[4]); /* zero where a byte has four channels, and then once only */
        for (uint32_t i = 0; i < s.sums / 81; i++, fifth = piece_add(fifth, x[4])) {
            fourth = piece_add(fifth, piece_negative(x[3]));
            for (uint32_t j = 0; j < 3; j++, fourth = piece_add(fourth, x[3])) {
                third = piece_add(fourth, piece_negative(x[2]));
                for (uint32_t k = 0; k < 3; k++, third = piece_add(third, x[2]), entry += 9 * parts)
                    store_nine(s, low, third, entry);
            }
        }
    }
}

/* -------------------------------------------------------------------------------------------------- look-up */

/* Where the entry of byte `i` of a word begins in its table: one shift and one mask give the byte times its size. (The
 * shift is written as a rotation, which some processors do without a copy.) */
INLINE size_t entry_offset(uint64_t word, uint32_t i, uint32_t entry) {
    uint32_t log2 = (uint32_t)__builtin_ctz(entry), shift = (8 * i + 64 - log2) % 64;

    return (word >> shift | word << (64 - shift) % 64) & ((uint64_t)255 << log2);
}

/* What a look-up does with its sums: they start at zero or go on, and stay 16-bit or move to `total`, which they also
 * start or add to. */
typedef enum Step { STEP_START = 1, STEP_WIDEN = 2, STEP_FIRST_TOTAL = 4 } Step;

INLINE void look_up(Shape s, unsigned step, const uint8_t *bytes, uint32_t rows, const v16 *tables, v16 *sums,
                    v32 *total) {
    const uint32_t parts = s.frames / LANES, entry = s.frames * (uint32_t)sizeof(int16_t);

    for (uint32_t row = 0; row < rows; row++) {
        uint64_t word = 0;
        v16 sum[MAX_PARTS];

        memcpy(&word, bytes + (size_t)row * s.pass_bytes, s.bytes);
        for (uint32_t p = 0; p < parts && !(step & STEP_START); p++)
            sum[p] = sums[row * parts + p];
        _Pragma("GCC unroll 8") for (uint32_t i = 0; i < s.bytes; i++) {
            const v16 *found = (const v16 *)(const void *)((const char *)tables + (size_t)i * s.sums * entry +
                                                           entry_offset(word, i, entry));

            for (uint32_t p = 0; p < parts; p++)
                sum[p] = i == 0 && step & STEP_START ? found[p] : sum[p] + found[p];
        }
        for (uint32_t p = 0; p < parts; p++) {
            if (!(step & STEP_WIDEN))
                sums[row * parts + p] = sum[p];
            else if (step & STEP_FIRST_TOTAL)
                total[row * parts + p] = __builtin_convertvector(sum[p], v32);
            else
                total[row * parts + p] += __builtin_convertvector(sum[p], v32);
        }
    }
}

/* look_up with the step for look-up number `i` of `n` that fill a total, where `exact` of them fit into 16 bits. */
INLINE void look_up_number(Shape s, uint32_t i, uint32_t n, uint32_t exact, const uint8_t *bytes, uint32_t rows,
                           const v16 *tables, v16 *sums, v32 *total) {
    bool start = i % exact == 0, widen = i % exact == exact - 1 || i == n - 1, first = i < exact;

    if (!widen && start)
        look_up(s, STEP_START, bytes, rows, tables, sums, total);
    else if (!widen)
        look_up(s, 0, bytes, rows, tables, sums, total);
    else if (start && first)
        look_up(s, STEP_START | STEP_WIDEN | STEP_FIRST_TOTAL, bytes, rows, tables, sums, total);
    else if (start)
        look_up(s, STEP_START | STEP_WIDEN, bytes, rows, tables, sums, total);
    else if (first)
        look_up(s, STEP_WIDEN | STEP_FIRST_TOTAL, bytes, rows, tables, sums, total);
    else
        look_up(s, STEP_WIDEN, bytes, rows, tables, sums, total);
}

/* One span of channels: total[row][frames] = codes x q, exact. */
INLINE void multiply_span(Shape s, const Matrix *w, uint32_t span, const int8_t *q, v16 *tables, v16 *sums, v32 *total) {
    const uint32_t parts = s.frames / LANES, channels = s.per_byte * s.bytes, exact = 32767 / (127 * channels);
    uint32_t passes = (w->group + s.per_byte * s.pass_bytes - 1) / (s.per_byte * s.pass_bytes);
    uint32_t n = (w->group + channels - 1) / channels;
    size_t step = (size_t)w->channels * TILE;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t pass = i * s.bytes / s.pass_bytes, byte = i * s.bytes % s.pass_bytes;
        const uint8_t *bytes = (const uint8_t *)w->codes + ((size_t)span * passes + pass) * w->rows * s.pass_bytes + byte;

        for (uint32_t b = 0; b < s.bytes; b++) {
            uint32_t first = (i * s.bytes + b) * s.per_byte, left = first < w->group ? w->group - first : 0;
            v16 *table = tables + (size_t)b * s.sums * parts;

            if (left >= s.per_byte)
                build_table(s, q + (size_t)first * TILE, step, s.per_byte, table);
            else
                build_table(s, q + (size_t)first * TILE, step, left, table);
        }
        look_up_number(s, i, n, exact, bytes, w->rows, tables, sums, total);
    }
}

/* --------------------------------------------------------------------------------------------------- the product */

/* What a call works with; the same for all of its tiles. */
typedef struct Call {
    const Matrix *w;
    const float *bias;
    Finish finish;
    v16 *tables, *sums; /* [bytes][sums][frames], [rows][frames] */
    v32 *total;         /* [rows][frames] */
    float *scaled;      /* [rows][frames], where rows have several scales */
} Call;

INLINE vf total_lanes(const v32 *total, size_t at) {
    vi whole;

    memcpy(&whole, (const int32_t *)total + at, sizeof whole);
    return (vf)__builtin_convertvector(whole, vf);
}

/* scaled += scale x total, or = for the first span */
INLINE void scale_span(Shape s, const Call *c, uint32_t span, uint32_t spans) {
    for (uint32_t row = 0; row < c->w->rows; row++) {
        vf scale = vf_set(c->w->scale[(size_t)row * spans + span]);

        for (uint32_t l = 0; l < s.frames; l += W) {
            size_t at = (size_t)row * s.frames + l;
            vf before = span == 0 ? vf_set(0) : vf_load(c->scaled + at);

            vf_store(c->scaled + at, before + scale * total_lanes(c->total, at));
        }
    }
}

/* y = finish(x_scale x scaled + bias); with one scale for each row straight from the total. */
INLINE void finish_rows(Shape s, const Call *c, uint32_t spans, const float *x_scale, float *y) {
    size_t step = (size_t)c->w->rows * TILE;

    for (uint32_t row = 0; row < c->w->rows; row++)
        for (uint32_t l = 0; l < s.frames; l += W) {
            size_t at = (size_t)row * s.frames + l;
            vf value;

            if (spans > 1)
                value = vf_load(c->scaled + at);
            else
                value = vf_set(0) + vf_set(c->w->scale[row]) * total_lanes(c->total, at);
            finish_lanes(c->finish, value * vf_load(x_scale + l), c->bias, row,
                         y + l / TILE * step + row * TILE + l % TILE);
        }
}

/* As many frames as the shape has, from the one that q, x_scale and y point at. */
INLINE void multiply_frames(Shape s, const Call *c, const int8_t *q, const float *x_scale, float *y) {
    uint32_t spans = c->w->channels / c->w->group;

    for (uint32_t span = 0; span < spans; span++) {
        multiply_span(s, c->w, span, q + (size_t)span * c->w->group * TILE, c->tables, c->sums, c->total);
        if (spans > 1)
            scale_span(s, c, span, spans);
    }
    finish_rows(s, c, spans, x_scale, y);
}

INLINE void multiply(Shape s, const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                     size_t n_tiles, float *y, void *scratch) {
    const Shape last = {s.per_byte, s.sums, s.pass_bytes, s.bytes, TILE}; /* where two tiles are one too many */
    const size_t frames = n_tiles * TILE;
    Call c = {.w = w, .bias = bias, .finish = finish, .tables = scratch};
    size_t frame = 0;

    c.sums = c.tables + LUT_SCRATCH / sizeof(v16);
    c.total = (v32 *)(void *)((int16_t *)(void *)c.sums + (size_t)w->rows * WIDEST);
    c.scaled = (float *)(void *)((int32_t *)(void *)c.total + (size_t)w->rows * WIDEST);
    for (; frame + s.frames <= frames; frame += s.frames)
        multiply_frames(s, &c, q + frame / TILE * w->channels * TILE + frame % TILE, x_scale + frame,
                        y + frame / TILE * w->rows * TILE + frame % TILE);
    if (frame < frames)
        multiply_frames(last, &c, q + frame * w->channels, x_scale + frame, y + frame * w->rows);
}

#define VARIANT_OF(NAME, ...)                                                                                          \
    static void NAME(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,        \
                     size_t n_tiles, float *y, void *scratch) {                                                        \
        multiply((Shape){__VA_ARGS__}, w, bias, finish, q, x_scale, n_tiles, y, scratch);                              \
    }
#define T4(BYTES, FRAMES) .per_byte = 4, .sums = 81, .pass_bytes = 8, .bytes = BYTES, .frames = FRAMES
#define T5(BYTES, FRAMES) .per_byte = 5, .sums = 243, .pass_bytes = 4, .bytes = BYTES, .frames = FRAMES
#if !defined(__AVX2__)
VARIANT_OF(t4_8, T4(8, 8))
VARIANT_OF(t5_8, T5(4, 8))
#endif
VARIANT_OF(t4_16, T4(8, 16))
VARIANT_OF(t4_32, T4(8, 32))
VARIANT_OF(t4_32_half, T4(4, 32))
VARIANT_OF(t5_16, T5(4, 16))
VARIANT_OF(t5_32, T5(4, 32))
VARIANT_OF(t5_32_half, T5(2, 32))

void KERNELS_INIT(Kernels *k) {
#if !defined(__AVX2__) /* half a tile is less than a register there */
    kernels_add_gemm_i8(k, MATRIX_T4, "lut-8", t4_8);
    kernels_add_gemm_i8(k, MATRIX_T5, "lut-8", t5_8);
#endif
    kernels_add_gemm_i8(k, MATRIX_T4, "lut-32", t4_32);
    kernels_add_gemm_i8(k, MATRIX_T4, "lut-32-half", t4_32_half);
    kernels_add_gemm_i8(k, MATRIX_T4, "lut-16", t4_16);
    kernels_add_gemm_i8(k, MATRIX_T5, "lut-32", t5_32);
    kernels_add_gemm_i8(k, MATRIX_T5, "lut-32-half", t5_32_half);
    kernels_add_gemm_i8(k, MATRIX_T5, "lut-16", t5_16);
}

#endif
