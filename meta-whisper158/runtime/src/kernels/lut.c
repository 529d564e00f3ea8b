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
#define LANES (uint32_t)(REGISTER / sizeof(int16_t))
typedef int16_t v16 __attribute__((vector_size(REGISTER)));
typedef int32_t v32 __attribute__((vector_size(2 * REGISTER)));

#define WIDEST 32u /* frames in one look-up */
#define MAX_PARTS (WIDEST / LANES)
#define MAX_PER_BYTE 5u
#define MAX_BYTES 8u

_Static_assert(LUT_SCRATCH >= 8u * 81 * WIDEST * sizeof(int16_t), "tables of t4");
_Static_assert(LUT_SCRATCH >= 4u * 243 * WIDEST * sizeof(int16_t), "tables of t5");

/* One shape of the algorithm. */
typedef struct Shape {
    uint32_t per_byte;   /* channels in a byte */
    uint32_t sums;       /* 3 to the power of that */
    uint32_t pass_bytes; /* of a row in one pass of the packing (docs/blob-format.md) */
    uint32_t bytes;      /* of these, looked up together; divides pass_bytes */
    uint32_t frames;     /* in one look-up: half a tile, a tile or two */
} Shape;

/* The two inner loops, below as templates over a constant shape and at the end as functions. */
typedef void Build(const int8_t *q, size_t step, v16 *table);
typedef void LookUp(const uint8_t *bytes, uint32_t rows, const v16 *tables, v16 *sums, v32 *total);
#define TEMPLATE static inline __attribute__((always_inline))
#define INSTANCE static __attribute__((noinline))

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

TEMPLATE Piece piece_add(Piece a, Piece b) {
    for (uint32_t i = 0; i < TOGETHER; i++)
        a.at[i] += b.at[i];
    return a;
}

TEMPLATE Piece piece_subtract(Piece a, Piece b) {
    for (uint32_t i = 0; i < TOGETHER; i++)
        a.at[i] -= b.at[i];
    return a;
}

/* LANES numbers of 8 bits in 16, those beyond a tile from `step` behind. (GCC 12 makes a mess of __builtin_convertvector.) */
TEMPLATE v16 load_i8(const int8_t *q, size_t step) {
    (void)step;
#if defined(__AVX512BW__)
    return (v16)_mm512_cvtepi8_epi16(_mm256_set_m128i(_mm_loadu_si128((const __m128i *)(const void *)(q + step)),
                                                      _mm_loadu_si128((const __m128i *)(const void *)q)));
#elif defined(__AVX2__)
    return (v16)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)q));
#elif defined(__aarch64__)
    return vmovl_s8(vld1_s8(q));
#else
    return (v16)_mm_srai_epi16(_mm_unpacklo_epi8(_mm_setzero_si128(), _mm_loadl_epi64((const __m128i *)(const void *)q)), 8);
#endif
}

/* A channel of the frames from register `part` on, as 16-bit numbers. q points at the channel in the first tile; the
 * second tile is `step` behind. */
TEMPLATE Piece load_channel(Shape s, const int8_t *q, size_t step, uint32_t part) {
    Piece x = {0};

    for (uint32_t i = 0; i < TOGETHER && (part + i) * LANES < s.frames; i++) {
        uint32_t frame = (part + i) * LANES;

        x.at[i] = load_i8(q + frame / TILE * step + frame % TILE, step);
    }
    return x;
}

/* Nine neighbouring entries: table[j] = low[j] + high. */
TEMPLATE void store_nine(Shape s, const Piece low[9], Piece high, v16 *table) {
    const uint32_t parts = s.frames / LANES;

    _Pragma("GCC unroll 9") for (uint32_t j = 0; j < 9; j++) {
        Piece sum = piece_add(low[j], high);

        for (uint32_t i = 0; i < TOGETHER && i < parts; i++)
            table[j * parts + i] = sum.at[i];
    }
}

/*
 * The table of one byte: entry t0 + 3 t1 + 9 t2 ... is the sum of (t_i - 1) x_i, with the channels x_i at q. The nine sums
 * of the first two channels stay in registers while those of the others pass by.
 */
TEMPLATE void build_table(Shape s, const int8_t *q, size_t step, v16 *table) {
    const uint32_t parts = s.frames / LANES;

    for (uint32_t part = 0; part < parts; part += TOGETHER) {
        const Piece zero = {0};
        Piece x[MAX_PER_BYTE] = {zero}, low[9], fifth, fourth, third;
        v16 *entry = table + part;

        for (uint32_t i = 0; i < s.per_byte; i++)
            x[i] = load_channel(s, q + i * TILE, step, part);
        low[1] = piece_subtract(zero, x[1]);
        low[4] = zero;
        low[7] = x[1];
        for (uint32_t i = 0; i < 9; i += 3) {
            low[i] = piece_subtract(low[i + 1], x[0]);
            low[i + 2] = piece_add(low[i + 1], x[0]);
        }
        fifth = piece_subtract(zero, x[4]); /* zero where a byte has four channels, and then once only */
        for (uint32_t i = 0; i < s.sums / 81; i++, fifth = piece_add(fifth, x[4])) {
            fourth = piece_subtract(fifth, x[3]);
            _Pragma("GCC unroll 1") for (uint32_t j = 0; j < 3; j++, fourth = piece_add(fourth, x[3])) {
                third = piece_subtract(fourth, x[2]);
                for (uint32_t k = 0; k < 3; k++, third = piece_add(third, x[2]), entry += 9 * parts)
                    store_nine(s, low, third, entry);
            }
        }
    }
}

/* -------------------------------------------------------------------------------------------------- look-up */

/* Hides from the compiler where a number comes from: it stays in a register instead of being computed again. */
#define KEEP(x) __asm__("" : "+r"(x))

/*
 * The entry that byte `i` of a word names in a table: the byte times the entry's size is one shift and one mask. (aarch64
 * does both in one instruction, and adds the table's address in another; on x86 the shift is a rotation, for which no
 * copy is needed, and the table's address is a constant offset in the load.)
 */
TEMPLATE const v16 *find(Shape s, uint64_t word, uint64_t mask, uint32_t i, const v16 *table) {
    const uint32_t log2 = (uint32_t)__builtin_ctz(s.frames * (uint32_t)sizeof(int16_t));
    const char *entry = (const char *)table;
#if defined(__aarch64__)
    entry += (i == 0 ? word << log2 : word >> (8 * i - log2)) & mask;
    KEEP(entry);
#else
    const uint32_t shift = (8 * i + 64 - log2) % 64;

    entry += (word >> shift | word << (64 - shift) % 64) & mask;
#endif
    return (const v16 *)(const void *)entry;
}

TEMPLATE uint64_t load_word(const uint8_t *bytes, uint32_t n) {
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    memcpy(&two, bytes, sizeof two);
    if (n == sizeof two)
        return two;
    memcpy(&four, bytes, sizeof four);
    if (n == sizeof four)
        return four;
    memcpy(&eight, bytes, sizeof eight);
    return eight;
}

/* What becomes of the sums of a look-up: they begin, go on, or go on and move to `total`. */
typedef enum Step { STEP_BEGIN, STEP_GO_ON, STEP_WIDEN, STEPS } Step;

/* sums[row][frames] = or += what each row's bytes find in the tables; STEP_WIDEN: total += sums, which are left undefined. */
TEMPLATE void look_up(Shape s, Step step, const uint8_t *bytes, uint32_t rows, const v16 *tables, v16 *sums, v32 *total) {
    const uint32_t parts = s.frames / LANES;
    uint64_t mask = UINT64_C(255) * s.frames * sizeof(int16_t);
    const v16 *table[MAX_BYTES];

    for (uint32_t i = 0; i < s.bytes; i++)
        table[i] = tables + (size_t)i * s.sums * parts;
#if defined(__aarch64__)
    KEEP(mask);
    for (uint32_t i = 0; i < s.bytes; i++)
        KEEP(table[i]);
#endif
    for (uint32_t row = 0; row < rows; row++, bytes += s.pass_bytes, sums += parts, total += parts) {
        uint64_t word = load_word(bytes, s.bytes);
        v16 sum[MAX_PARTS];

        for (uint32_t p = 0; p < parts && step != STEP_BEGIN; p++)
            sum[p] = sums[p];
        _Pragma("GCC unroll 8") for (uint32_t i = 0; i < s.bytes; i++) {
            const v16 *found = find(s, word, mask, i, table[i]);

            for (uint32_t p = 0; p < parts; p++)
                sum[p] = i == 0 && step == STEP_BEGIN ? found[p] : sum[p] + found[p];
        }
        for (uint32_t p = 0; p < parts; p++) {
            if (step == STEP_WIDEN)
                total[p] += __builtin_convertvector(sum[p], v32);
            else
                sums[p] = sum[p];
        }
    }
}

/* ------------------------------------------------------------------------------------------------ the product */

typedef struct Loops {
    Shape shape;
    Build *build;
    LookUp *look_up[STEPS];
} Loops;

/* What a call works with; the same for all of its tiles. */
typedef struct Call {
    const Matrix *w;
    const float *bias;
    Finish finish;
    size_t step;     /* from a tile's activations to the next one's */
    uint32_t frames; /* of the shape's that are wanted */
    v16 *tables;   /* [bytes][sums][frames] */
    int16_t *sums; /* [rows][frames] */
    int32_t *total;
    float *scaled; /* of several scales for each row */
} Call;

/* Tables of the bytes whose channels begin with `first`. Channels behind the span's end, which only its last byte may
 * have, count for nothing. */
static void build_tables(const Loops *loops, const Call *c, const int8_t *q, uint32_t first) {
    const Shape *s = &loops->shape;

    for (uint32_t b = 0; b < s->bytes; b++, first += s->per_byte) {
        v16 *table = c->tables + (size_t)b * s->sums * s->frames / LANES;
        uint32_t used = first < c->w->group ? c->w->group - first : 0;
        int8_t rest[WIDEST / TILE][MAX_PER_BYTE * TILE] = {{0}};

        if (used >= s->per_byte) {
            loops->build(q + (size_t)first * TILE, c->step, table);
            continue;
        }
        for (uint32_t frame = 0; frame < s->frames; frame += TILE)
            for (uint32_t i = 0; i < used; i++)
                memcpy(rest[frame / TILE] + i * TILE, q + (size_t)(first + i) * TILE + frame / TILE * c->step,
                       s->frames < TILE ? s->frames : TILE);
        loops->build(rest[0], sizeof rest[0], table);
    }
}

/* One span of channels: total[row][frames] = codes x q, exact. */
static void multiply_span(const Loops *loops, const Call *c, uint32_t span, const int8_t *q) {
    const Shape *s = &loops->shape;
    uint32_t channels = s->per_byte * s->bytes, exact = 32767 / (127 * channels);
    uint32_t pass_channels = s->per_byte * s->pass_bytes, passes = (c->w->group + pass_channels - 1) / pass_channels;
    uint32_t n = (c->w->group + channels - 1) / channels;

    memset(c->total, 0, (size_t)c->w->rows * s->frames * sizeof *c->total);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t pass = i * s->bytes / s->pass_bytes, byte = i * s->bytes % s->pass_bytes;
        const uint8_t *codes = c->w->codes;
        bool widen = i % exact == exact - 1 || i == n - 1;

        codes += ((size_t)span * passes + pass) * c->w->rows * s->pass_bytes + byte;
        build_tables(loops, c, q, i * channels);
        if (widen && i % exact == 0)
            memset(c->sums, 0, (size_t)c->w->rows * s->frames * sizeof *c->sums);
        loops->look_up[widen ? STEP_WIDEN : i % exact == 0 ? STEP_BEGIN : STEP_GO_ON](
            codes, c->w->rows, c->tables, (v16 *)(void *)c->sums, (v32 *)(void *)c->total);
    }
}

static inline vf load_total(const int32_t *total) {
    vi whole;

    memcpy(&whole, total, sizeof whole);
    return vf_from_i32(whole);
}

/* scaled += scale x total, or = for the first span */
static void scale_span(const Call *c, uint32_t frames, uint32_t span, uint32_t spans) {
    for (uint32_t row = 0; row < c->w->rows; row++) {
        vf scale = vf_set(c->w->scale[(size_t)row * spans + span]);

        for (uint32_t l = 0; l < frames; l += W) {
            float *sum = c->scaled + (size_t)row * frames + l;
            vf before = span == 0 ? vf_set(0) : vf_load(sum);

            vf_store(sum, before + scale * load_total(c->total + (size_t)row * frames + l));
        }
    }
}

/* y = finish(x_scale x scaled + bias); with one scale for each row straight from the total. frames: of the shape */
static void finish_rows(const Call *c, uint32_t frames, bool is_scaled, const float *x_scale, float *y) {
    size_t step = (size_t)c->w->rows * TILE;

    for (uint32_t row = 0; row < c->w->rows; row++)
        for (uint32_t l = 0; l < c->frames; l += W) {
            size_t at = (size_t)row * frames + l;
            vf value;

            if (is_scaled)
                value = vf_load(c->scaled + at);
            else
                value = vf_set(0) + vf_set(c->w->scale[row]) * load_total(c->total + at);
            finish_lanes(c->finish, value * vf_load(x_scale + l), c->bias, row,
                         y + l / TILE * step + row * TILE + l % TILE);
        }
}

/* As many frames as the shape has, from the one that q, x_scale and y point at. */
static void multiply_frames(const Loops *loops, const Call *c, const int8_t *q, const float *x_scale, float *y) {
    uint32_t spans = c->w->channels / c->w->group;

    for (uint32_t span = 0; span < spans; span++) {
        multiply_span(loops, c, span, q + (size_t)span * c->w->group * TILE);
        if (spans > 1)
            scale_span(c, loops->shape.frames, span, spans);
    }
    finish_rows(c, loops->shape.frames, spans > 1, x_scale, y);
}

static void multiply(const Loops *loops, const Matrix *w, const float *bias, Finish finish, const int8_t *q,
                     const float *x_scale, size_t n_tiles, float *y, void *scratch) {
    const size_t frames = n_tiles * TILE;
    Call c = {.w = w, .bias = bias, .finish = finish, .tables = scratch};

    c.sums = (int16_t *)scratch + LUT_SCRATCH / sizeof *c.sums;
    c.total = (int32_t *)(void *)(c.sums + (size_t)w->rows * WIDEST);
    c.scaled = (float *)(void *)(c.total + (size_t)w->rows * WIDEST);
    for (size_t frame = 0; frame < frames; frame += loops->shape.frames) {
        bool fits = frame + loops->shape.frames <= frames; /* else the last tile stands in for the one that is missing */

        c.step = fits ? (size_t)w->channels * TILE : 0;
        c.frames = fits ? loops->shape.frames : TILE;
        multiply_frames(loops, &c, q + frame / TILE * w->channels * TILE + frame % TILE, x_scale + frame,
                        y + frame / TILE * w->rows * TILE + frame % TILE);
    }
}

/* -------------------------------------------------------------------------------------------------- variants */

#define INSTANCE_OF_LOOK_UP(NAME, STEP, ...)                                                                           \
    INSTANCE void NAME(const uint8_t *bytes, uint32_t rows, const v16 *tables, v16 *sums, v32 *total) {                \
        look_up((Shape){__VA_ARGS__}, STEP, bytes, rows, tables, sums, total);                                         \
    }

/* A variant called NAME of a shape. */
#define VARIANT_OF_SHAPE(NAME, ...)                                                                                    \
    INSTANCE void NAME##_build(const int8_t *q, size_t step, v16 *table) {                                             \
        build_table((Shape){__VA_ARGS__}, q, step, table);                                                             \
    }                                                                                                                  \
    INSTANCE_OF_LOOK_UP(NAME##_begin, STEP_BEGIN, __VA_ARGS__)                                                         \
    INSTANCE_OF_LOOK_UP(NAME##_go_on, STEP_GO_ON, __VA_ARGS__)                                                         \
    INSTANCE_OF_LOOK_UP(NAME##_widen, STEP_WIDEN, __VA_ARGS__)                                                         \
    static const Loops NAME##_loops = {{__VA_ARGS__}, NAME##_build, {NAME##_begin, NAME##_go_on, NAME##_widen}};       \
    static void NAME(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,         \
                     size_t n_tiles, float *y, void *scratch) {                                                        \
        multiply(&NAME##_loops, w, bias, finish, q, x_scale, n_tiles, y, scratch);                       \
    }
#define T4(BYTES, FRAMES) 4, 81, 8, BYTES, FRAMES
#define T5(BYTES, FRAMES) 5, 243, 4, BYTES, FRAMES

VARIANT_OF_SHAPE(t4_32, T4(8, 32))
VARIANT_OF_SHAPE(t4_32_half, T4(4, 32))
VARIANT_OF_SHAPE(t5_32, T5(4, 32))
VARIANT_OF_SHAPE(t5_32_half, T5(2, 32))
#if !defined(__AVX512BW__) /* a tile is less than a register there */
VARIANT_OF_SHAPE(t4_16, T4(8, 16))
VARIANT_OF_SHAPE(t5_16, T5(4, 16))
#endif
#if !defined(__AVX2__) /* nor half a tile */
VARIANT_OF_SHAPE(t4_8, T4(8, 8))
VARIANT_OF_SHAPE(t5_8, T5(4, 8))
#endif

static void add(Kernels *k, const char *name, GemmI8 *t4, GemmI8 *t5) {
    kernels_add_gemm_i8(k, MATRIX_T4, name, t4);
    kernels_add_gemm_i8(k, MATRIX_T5, name, t5);
}

/*
 * The last one added is the default where nothing was measured: on aarch64 the one with the fewest instructions whose
 * tables leave room in a first-level cache of 32 KB; with AVX-512, whose processors have more, the wide one.
 */
void KERNELS_INIT(Kernels *k) {
#if defined(__AVX512BW__)
    add(k, "lut-32-half", t4_32_half, t5_32_half);
    add(k, "lut-32", t4_32, t5_32);
#elif defined(__AVX2__)
    add(k, "lut-32", t4_32, t5_32);
    add(k, "lut-32-half", t4_32_half, t5_32_half);
    add(k, "lut-16", t4_16, t5_16);
#else
    add(k, "lut-8", t4_8, t5_8);
    add(k, "lut-16", t4_16, t5_16);
    add(k, "lut-32", t4_32, t5_32);
    add(k, "lut-32-half", t4_32_half, t5_32_half);
#endif
}

#endif
