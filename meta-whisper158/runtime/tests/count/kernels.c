/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Calls every kernel of the best set once, each in a region of its own (region.h), so that its instructions can be
 * counted; checks nothing, for which check-kernels is there. Prints a line for each region:
 *
 *     REGION KERNEL FORMAT SHAPE WORK
 *
 * WORK is multiplications and additions of a matrix product or an attention, and else numbers written. Region 1 is an
 * empty function: what it takes to call one.
 */
#undef NDEBUG
#include "../kernels/memory.h"
#include "chunk.h"
#include "kernels/kernels.h"
#include "region.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Whisper small. */
#define WIDTH 768u
#define MLP 3072u
#define HEAD 64u
#define FRAMES 1500u

/* Memory for the largest case, filled once with numbers that every kernel can work on. */
typedef struct Memory {
    Kernels k;
    float *x, *y, *bias, *row_scale, *frame_scale, *values, *scores;
    int8_t *q;
    int16_t *q16;
    uint8_t *keys, *values_i8; /* of one head, packed for attention in integers */
    void *codes, *scratch;
} Memory;

/* A kernel on a shape. */
typedef struct Case {
    const char *kernel;
    const char *format; /* "-" where there is only one */
    uint64_t work;
    void (*run)(const struct Case *c, Memory *m);
    GemmI8 *gemm_i8; /* the variant */
    Matrix w;
    size_t n; /* tiles of a gemm, frames of an attention, else channels or numbers */
} Case;

static uint64_t random_bits(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return *state >> 33;
}

static void fill_floats(float *x, size_t n) {
    uint64_t state = 158;

    for (size_t i = 0; i < n; i++)
        x[i] = (float)(random_bits(&state) % 2001) * 1e-3f - 1;
}

static void fill_i8(int8_t *q, size_t n) {
    uint64_t state = 158;

    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)(random_bits(&state) % 255 - 127);
}

/* Codes that the format allows, for the largest matrix. */
static void fill_codes(Memory *m, MatrixFormat format) {
    static const uint32_t values[MATRIX_FORMATS] = {[MATRIX_T4] = 81, [MATRIX_T5] = 243};
    uint8_t *bytes = m->codes;
    uint64_t state = 158;

    for (size_t i = 0; i < (size_t)WIDTH * MLP; i++) {
        uint64_t bits = random_bits(&state);

        if (format == MATRIX_F16) /* exponents about 1 */
            ((uint16_t *)m->codes)[i] = (uint16_t)((bits & 0x83ff) | 0x3000);
        else if (format == MATRIX_I8)
            ((int8_t *)m->codes)[i] = (int8_t)(bits % 255 - 127);
        else if (format == MATRIX_I4) /* 1 to 15, twice */
            bytes[i] = (uint8_t)((1 + bits % 15) << 4 | (1 + bits / 15 % 15));
        else if (format == MATRIX_T2) /* 0 to 2, four times */
            bytes[i] = (uint8_t)(bits % 3 | bits / 3 % 3 << 2 | bits / 9 % 3 << 4 | bits / 27 % 3 << 6);
        else
            bytes[i] = (uint8_t)(bits % values[format]);
    }
}

/* One head's keys and values: those that attention in floats has. */
static void pack_head(Memory *m) {
    for (size_t b = 0; b < blocks(FRAMES); b++) {
        size_t at = b * BLOCK * HEAD, frames = block_frames(FRAMES, b);

        m->k.pack_keys(m->x + at, (size_t)HEAD * TILE, frames, HEAD, m->keys + b * key_block_bytes(HEAD));
        m->k.pack_values(m->values + at, (size_t)HEAD * TILE, frames, HEAD, m->values_i8 + b * value_block_bytes(HEAD));
    }
}

/* ------------------------------------------------------------------------------------------------------- kernels */

static void run_nothing(const Case *c, Memory *m) {
    (void)c, (void)m;
}

static void run_gemm_f32(const Case *c, Memory *m) {
    m->k.gemm_f32[c->w.format](&c->w, m->bias, FINISH_STORE, m->x, c->n, m->y, m->scratch);
}

static void run_gemm_i8(const Case *c, Memory *m) {
    c->gemm_i8(&c->w, m->bias, FINISH_STORE, m->q, m->frame_scale, c->n, m->y, m->scratch);
}

static void run_gemv_f32(const Case *c, Memory *m) {
    m->k.gemv_f32[c->w.format](&c->w, m->bias, m->x, 0, c->w.rows, m->y);
}

static void run_gemv_i8(const Case *c, Memory *m) {
    m->k.gemv_i8[c->w.format](&c->w, m->bias, m->q, 0.01f, 0, c->w.rows, m->y);
}

static void run_gemv_i16(const Case *c, Memory *m) {
    m->k.gemv_i16[c->w.format](&c->w, m->bias, m->q16, 0.01f, 0, c->w.rows, m->y);
}

static void run_norm_tile(const Case *c, Memory *m) {
    m->k.norm_tile(m->x, m->values, m->bias, (uint32_t)c->n, m->y);
}

static void run_norm(const Case *c, Memory *m) {
    m->k.norm(m->x, m->values, m->bias, (uint32_t)c->n, m->y);
}

static void run_norm_quantise_tile(const Case *c, Memory *m) {
    m->k.norm_quantise_tile(m->x, m->values, m->bias, (uint32_t)c->n, m->y, m->q, m->frame_scale);
}

static void run_quantise_tile(const Case *c, Memory *m) {
    m->k.quantise_tile(m->x, (uint32_t)c->n, m->q, m->frame_scale);
}

static void run_quantise(const Case *c, Memory *m) {
    m->k.quantise(m->x, (uint32_t)c->n, m->q, m->frame_scale);
}

static void run_quantise_i16(const Case *c, Memory *m) {
    m->k.quantise_i16(m->x, (uint32_t)c->n, m->q16, m->frame_scale);
}

static void run_gelu(const Case *c, Memory *m) {
    m->k.gelu(m->y, c->n);
}

static void run_attend_tile(const Case *c, Memory *m) {
    m->k.attend_tile(m->x, m->x, m->values, (size_t)HEAD * TILE, c->n, HEAD, m->y, m->scores);
}

static void run_attend(const Case *c, Memory *m) {
    m->k.attend(m->x, m->x, m->values, (size_t)HEAD * TILE, c->n, HEAD, m->y, m->scores);
}

static void run_pack_keys(const Case *c, Memory *m) {
    m->k.pack_keys(m->x, (size_t)HEAD * TILE, c->n, HEAD, m->keys);
}

static void run_pack_values(const Case *c, Memory *m) {
    m->k.pack_values(m->values, (size_t)HEAD * TILE, c->n, HEAD, m->values_i8);
}

static void run_attend_tile_i8(const Case *c, Memory *m) {
    m->k.attend_tile_i8(m->x, m->keys, key_block_bytes(HEAD), m->values_i8, value_block_bytes(HEAD), c->n, HEAD, m->y);
}

static void run_attend_i8(const Case *c, Memory *m) {
    m->k.attend_i8(m->x, m->keys, key_block_bytes(HEAD), m->values_i8, value_block_bytes(HEAD), c->n, HEAD, m->y);
}

/* --------------------------------------------------------------------------------------------------------- cases */

/* Runs a case in region `number` and prints its line. */
static void count(Memory *m, long number, const Case *c, const char *shape) {
    region(number);
    c->run(c, m);
    region(0);
    printf("%ld %s %s %s %llu\n", number, c->kernel, c->format, shape, (unsigned long long)c->work);
}

/* What activations may be. */
enum { F32 = 1, I8 = 2, I16 = 4 };

/* A format of weights, and the activations that it meets in our models (FORMATS in model/pack.py). */
typedef struct Weights {
    const char *name;
    MatrixFormat format;
    uint32_t group; /* 0: per row */
    unsigned meets;
} Weights;

/* Float products are emulated so slowly that the smallest shape has to do; what they cost depends on it very little. */
static bool is_counted(bool in_floats, uint32_t rows, uint32_t channels) {
    return !in_floats || rows * channels <= WIDTH * WIDTH;
}

/* A matrix product of c->n tiles, or of one frame where that is 0. */
static void count_product(Memory *m, long number, Case c, const Weights *weights, uint32_t rows, uint32_t channels) {
    size_t frames = c.n ? c.n * TILE : 1;
    char shape[64];

    c.work = (uint64_t)rows * channels * frames;
    c.w = (Matrix){.format = weights->format,
                   .rows = rows,
                   .channels = channels,
                   .group = weights->group ? weights->group : channels,
                   .codes = m->codes,
                   .scale = weights->format == MATRIX_F16 ? NULL : m->row_scale};
    snprintf(shape, sizeof shape, "%ux%ux%zu", rows, channels, frames);
    count(m, number, &c, shape);
}

/* Every variant of gemm_i8. Return: the number after the last region's. */
static long count_gemm_i8(Memory *m, long number, const Weights *weights, uint32_t rows, uint32_t channels) {
    const GemmVariants *variants = &m->k.gemm_i8_variants[weights->format];
    char name[64];

    for (uint32_t i = 0; i < variants->count; i++) {
        Case c = {.kernel = "gemm_i8", .format = name, .run = run_gemm_i8, .n = CHUNK_TILES};

        if (!is_counted(strcmp(variants->at[i].name, "f32") == 0, rows, channels))
            continue;
        c.gemm_i8 = variants->at[i].run;
        snprintf(name, sizeof name, "%s/%s", weights->name, variants->at[i].name);
        count_product(m, number++, c, weights, rows, channels);
    }
    return number;
}

/* All kernels for matrices of one shape. */
static long count_shape(Memory *m, long number, const Weights *weights, uint32_t rows, uint32_t channels) {
    const Case gemm_f32 = {.kernel = "gemm_f32", .format = weights->name, .run = run_gemm_f32, .n = CHUNK_TILES};
    const Case gemv_f32 = {.kernel = "gemv_f32", .format = weights->name, .run = run_gemv_f32};
    const Case gemv_i8 = {.kernel = "gemv_i8", .format = weights->name, .run = run_gemv_i8};
    const Case gemv_i16 = {.kernel = "gemv_i16", .format = weights->name, .run = run_gemv_i16};

    if (weights->meets & F32 && is_counted(true, rows, channels))
        count_product(m, number++, gemm_f32, weights, rows, channels);
    if (weights->meets & F32)
        count_product(m, number++, gemv_f32, weights, rows, channels);
    if (weights->meets & I8) {
        number = count_gemm_i8(m, number, weights, rows, channels);
        count_product(m, number++, gemv_i8, weights, rows, channels);
    }
    if (weights->meets & I16 && (weights->group ? weights->group : channels) <= MAX_I16_GROUP)
        count_product(m, number++, gemv_i16, weights, rows, channels);
    return number;
}

static long count_products(Memory *m, long number) {
    static const Weights weights[] = {
        {"f16", MATRIX_F16, 0, F32}, {"i8/32", MATRIX_I8, 32, F32 | I16}, {"i8", MATRIX_I8, 0, I8 | I16},
        {"i4/32", MATRIX_I4, 32, I8 | I16},  {"i4/64", MATRIX_I4, 64, F32 | I8 | I16}, {"i4", MATRIX_I4, 0, I8 | I16},
        {"i8/64", MATRIX_I8, 64, I8 | I16},
        {"t2", MATRIX_T2, 0, I8},    {"t4", MATRIX_T4, 0, I8},      {"t5", MATRIX_T5, 0, I8},
    };

    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        fill_codes(m, weights[i].format);
        number = count_shape(m, number, &weights[i], WIDTH, WIDTH);
        number = count_shape(m, number, &weights[i], MLP, WIDTH);
        number = count_shape(m, number, &weights[i], WIDTH, MLP);
    }
    return number;
}

static void count_others(Memory *m, long number) {
    static const Case cases[] = {
        {.kernel = "norm_tile", .work = (uint64_t)WIDTH * TILE, .run = run_norm_tile, .n = WIDTH},
        {.kernel = "norm", .work = WIDTH, .run = run_norm, .n = WIDTH},
        {.kernel = "norm_quantise_tile", .work = (uint64_t)WIDTH * TILE, .run = run_norm_quantise_tile, .n = WIDTH},
        {.kernel = "quantise_tile", .work = (uint64_t)WIDTH * TILE, .run = run_quantise_tile, .n = WIDTH},
        {.kernel = "quantise_tile", .work = (uint64_t)MLP * TILE, .run = run_quantise_tile, .n = MLP},
        {.kernel = "quantise", .work = WIDTH, .run = run_quantise, .n = WIDTH},
        {.kernel = "quantise_i16", .work = WIDTH, .run = run_quantise_i16, .n = WIDTH},
        {.kernel = "gelu", .work = (uint64_t)MLP * TILE, .run = run_gelu, .n = (size_t)MLP * TILE},
        {.kernel = "attend_tile", .work = 2ull * HEAD * TILE * FRAMES, .run = run_attend_tile, .n = FRAMES},
        {.kernel = "attend_tile", .work = 2ull * HEAD * TILE * 464, .run = run_attend_tile, .n = 464},
        {.kernel = "attend", .work = 2ull * HEAD * FRAMES, .run = run_attend, .n = FRAMES},
        {.kernel = "attend", .work = 2ull * HEAD * 464, .run = run_attend, .n = 464},
        {.kernel = "pack_keys", .work = BLOCK * HEAD, .run = run_pack_keys, .n = BLOCK},
        {.kernel = "pack_values", .work = BLOCK * HEAD, .run = run_pack_values, .n = BLOCK},
        {.kernel = "attend_tile_i8", .work = 2ull * HEAD * TILE * FRAMES, .run = run_attend_tile_i8, .n = FRAMES},
        {.kernel = "attend_tile_i8", .work = 2ull * HEAD * TILE * 464, .run = run_attend_tile_i8, .n = 464},
        {.kernel = "attend_i8", .work = 2ull * HEAD * FRAMES, .run = run_attend_i8, .n = FRAMES},
        {.kernel = "attend_i8", .work = 2ull * HEAD * 464, .run = run_attend_i8, .n = 464},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Case c = cases[i];
        char shape[32];

        c.format = "-";
        snprintf(shape, sizeof shape, "%zu", c.n);
        count(m, number++, &c, shape);
    }
}

static void *array(size_t n, size_t size) {
    void *p = aligned_array(n, size);

    assert(p);
    return p;
}

static float *filled(size_t n) {
    float *x = array(n, sizeof *x);

    fill_floats(x, n);
    return x;
}

static Memory memory_new(void) {
    const size_t activations = (size_t)MLP * TILE * CHUNK_TILES;
    Memory m = {.x = filled(activations),
                .y = filled(activations),
                .values = filled(activations),
                .bias = filled(MLP),
                .row_scale = filled((size_t)MLP * WIDTH / 32),
                .frame_scale = filled(TILE * CHUNK_TILES),
                .scores = filled(tiles(FRAMES) * TILE * TILE),
                .q = array(activations, sizeof *m.q),
                .q16 = array(MLP, sizeof *m.q16),
                .keys = array(blocks(FRAMES), key_block_bytes(HEAD)),
                .values_i8 = array(blocks(FRAMES), value_block_bytes(HEAD)),
                .codes = array((size_t)MLP * WIDTH, sizeof(uint16_t)),
                .scratch = array(kernels_scratch(MLP, MLP), 1)};

    assert(tiles(FRAMES) * HEAD * TILE <= activations);
    fill_i8(m.q, activations);
    for (size_t i = 0; i < MLP; i++)
        m.q16[i] = (int16_t)(m.q[i] * (MAX_I16 / 127));
    return m;
}

static void memory_free(Memory *m) {
    free(m->x);
    free(m->y);
    free(m->values);
    free(m->bias);
    free(m->row_scale);
    free(m->frame_scale);
    free(m->scores);
    free(m->q);
    free(m->q16);
    free(m->keys);
    free(m->values_i8);
    free(m->codes);
    free(m->scratch);
}

int main(void) {
    static const Case nothing = {.kernel = "nothing", .format = "-", .run = run_nothing};
    Memory m = memory_new();

    for (uint32_t set = 0; kernels_init(&m.k, set) == 0; set++) {}
    pack_head(&m);
    count(&m, 1, &nothing, "-");
    count_others(&m, count_products(&m, 2));
    memory_free(&m);
    return 0;
}
