/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* Matrix products: gemm, gemv and rows, in every packing. */
#include "check.h"

static const char *const format_names[] = {"f16", "i8", "i4", "t2", "t4", "t5"};

static uint32_t passes(uint32_t group, uint32_t channels) {
    return (group + channels - 1) / channels;
}

static size_t packed_bytes(MatrixFormat format, uint32_t rows, uint32_t channels, uint32_t group) {
    switch (format) {
    case MATRIX_F16:
        return (size_t)rows * channels * 2;
    case MATRIX_I8:
        return (size_t)rows * channels;
    case MATRIX_I4:
        return (size_t)rows * channels / 2;
    case MATRIX_T2:
        return (size_t)rows * channels / 4;
    case MATRIX_T4:
        return (size_t)rows * (channels / group) * passes(group, 32) * 8;
    default:
        return (size_t)rows * (channels / group) * passes(group, 20) * 4;
    }
}

/* A byte of base-3 digits, `digit` for all of them or random ones; digits from `used` on are 1, as the format asks. */
static uint8_t base3(Kind kind, uint32_t digits, uint32_t used) {
    uint32_t byte = 0, power = 1;

    for (uint32_t i = 0; i < digits; i++, power *= 3) {
        uint32_t trit = kind == RANDOM ? below(3) : kind == ALL_PLUS ? 2 : kind == ALL_MINUS ? 0 : i % 2 * 2;

        byte += (i < used ? trit : 1) * power;
    }
    return (uint8_t)byte;
}

static void fill_base3(uint8_t *p, const Matrix *w, Kind kind, uint32_t digits, uint32_t pass_bytes) {
    uint32_t n = passes(w->group, digits * pass_bytes);

    for (uint32_t span = 0; span < w->channels / w->group; span++)
        for (uint32_t pass = 0; pass < n; pass++)
            for (uint32_t row = 0; row < w->rows; row++)
                for (uint32_t i = 0; i < pass_bytes; i++) {
                    uint32_t at = (pass * pass_bytes + i) * digits;

                    *p++ = base3(kind, digits, at >= w->group ? 0 : w->group - at);
                }
}

static void fill_codes(void *codes, const Matrix *w, Kind kind) {
    size_t n = packed_bytes(w->format, w->rows, w->channels, w->group);
    uint8_t *bytes = codes;
    uint32_t least;

    switch (w->format) {
    case MATRIX_F16: /* finite: any sign, exponents around 1, any mantissa; and now and then a subnormal */
        for (size_t i = 0; i < n / 2; i++)
            ((uint16_t *)codes)[i] =
                (uint16_t)(below(2) << 15 | (below(50) ? 10 + below(8) : 0) << 10 | below(1024));
        break;
    case MATRIX_I8:
        for (size_t i = 0; i < n; i++)
            ((int8_t *)codes)[i] = (int8_t)(kind == RANDOM      ? (int)below(255) - 127
                                            : kind == ALL_PLUS  ? 127
                                            : kind == ALL_MINUS ? -127
                                            : i % 2             ? 127
                                                                : -127);
        break;
    case MATRIX_I4: /* nibbles of 1 to 15, or with zero points of 0 to 15 */
        least = w->zero ? 0 : 1;
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(kind == RANDOM      ? (least + below(16 - least)) << 4 | (least + below(16 - least))
                                 : kind == ALL_PLUS  ? 0xff
                                 : kind == ALL_MINUS ? least << 4 | least
                                 : i % 2             ? 0xf0 | least
                                                     : least << 4 | 0x0f);
        break;
    case MATRIX_T2:
        for (size_t i = 0; i < n; i++) {
            bytes[i] = 0;
            for (uint32_t r = 0; r < 8; r += 2)
                bytes[i] |= (uint8_t)((kind == RANDOM ? below(3) : kind == ALL_PLUS ? 2 : kind == ALL_MINUS ? 0 : i % 2 * 2) << r);
        }
        break;
    case MATRIX_T4:
        fill_base3(codes, w, kind, 4, 8);
        break;
    default:
        fill_base3(codes, w, kind, 5, 4);
        break;
    }
}

typedef struct Case {
    Matrix w;
    void *codes;
    float *scale, *bias;
    uint8_t *zero;
} Case;

/* Zero points that are as far from the codes as they can be, or random ones. */
static void fill_zeros(uint8_t *zero, size_t n, Kind kind) {
    for (size_t i = 0; i < n; i++)
        zero[i] = (uint8_t)(kind == RANDOM ? below(16) : kind == ALL_PLUS ? 0 : kind == ALL_MINUS ? 15 : i % 2 * 15);
}

static Case make_case(MatrixFormat format, uint32_t rows, uint32_t channels, uint32_t group, Kind kind, bool asymmetric) {
    Case c = {.w = {.format = format, .rows = rows, .channels = channels, .group = group}};
    size_t groups = (size_t)rows * (channels / group);

    c.w.codes = c.codes = malloc(packed_bytes(format, rows, channels, group));
    c.scale = malloc(groups * sizeof(float));
    c.zero = malloc(groups);
    c.bias = malloc(rows * sizeof(float));
    assert(c.codes && c.scale && c.bias && c.zero);
    fill_zeros(c.zero, groups, kind);
    c.w.zero = asymmetric ? c.zero : NULL;
    for (size_t i = 0; i < groups; i++)
        c.scale[i] = fabsf(normal()) * 0.01f;
    fill_normal(c.bias, rows, 1);
    fill_codes(c.codes, &c.w, kind);
    c.w.scale = format == MATRIX_F16 ? NULL : c.scale;
    return c;
}

static void free_case(Case *c) {
    free(c->codes);
    free(c->scale);
    free(c->bias);
    free(c->zero);
}

/*
 * Bound of float matrix products, for activations of deviation 1. The rounding of a sum of n terms, 2^-24 of what it has
 * reached each time, grows like the root of n, and what it has reached does, too; 16 is slack. (How large the result is
 * says nothing: terms may cancel.) BESIDES is the magnitude of bias and residual.
 */
#define BESIDES 2
static float sum_bound(const Matrix *w) {
    float *row = malloc(w->channels * sizeof *row), largest = 0;

    assert(row);
    for (uint32_t r = 0; r < w->rows; r += 1 + w->rows / 8) {
        ref.dequantise_row(w, r, row);
        for (uint32_t c = 0; c < w->channels; c++)
            largest = fabsf(row[c]) > largest ? fabsf(row[c]) : largest;
    }
    free(row);
    return 16 * 0x1p-24f * (largest * (float)w->channels + BESIDES);
}

/* What a product finds in y: for FINISH_ADD the residual, else nothing that may be left. */
static void prepare(Finish finish, float *a, float *b, size_t n) {
    if (finish == FINISH_ADD) {
        fill_normal(a, n, 1);
        memcpy(b, a, n * sizeof *a);
    } else {
        poison(a, n);
        poison(b, n);
    }
}

/* GELU of int8 products is the one float function there: the bound of check_gelu. */
static void assert_gelu(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        assert(fabsf(a[i] - b[i]) <= 5e-7f * (1 + fabsf(a[i])));
}

typedef struct Product {
    const Matrix *w;
    const float *bias;
    size_t n_tiles;
    float *x, *x_scale, *a, *b;
    int8_t *q;
    void *scratch;
} Product;

static void check_gemm_f32(const Product *p, Finish finish) {
    size_t out = p->n_tiles * p->w->rows * TILE;
    MatrixFormat f = p->w->format;
    char label[64];

    prepare(finish, p->a, p->b, out);
    ref.gemm_f32[f](p->w, p->bias, finish, p->x, p->n_tiles, p->a, p->scratch);
    new.gemm_f32[f](p->w, p->bias, finish, p->x, p->n_tiles, p->b, p->scratch);
    assert_within("gemm_f32", p->a, p->b, out, sum_bound(p->w));
    snprintf(label, sizeof label, "gemm_f32 %s %ux%u", format_names[f], p->w->rows, p->w->channels);
    if (p->n_tiles >= 8 && finish == FINISH_STORE)
        BENCH(label, out * p->w->channels,
              new.gemm_f32[f](p->w, p->bias, finish, p->x, p->n_tiles, p->b, p->scratch));
}

static void check_gemm_i8(const Product *p, Finish finish, const char *name, GemmI8 *run) {
    size_t out = p->n_tiles * p->w->rows * TILE;
    char label[64];

    prepare(finish, p->a, p->b, out);
    ref.gemm_i8[p->w->format](p->w, p->bias, finish, p->q, p->x_scale, p->n_tiles, p->a, p->scratch);
    memset(p->scratch, 0xff, kernels_scratch(p->w->rows, p->w->channels));
    run(p->w, p->bias, finish, p->q, p->x_scale, p->n_tiles, p->b, p->scratch);
    if (finish == FINISH_GELU)
        assert_gelu(p->a, p->b, out);
    else
        assert_same(name, p->a, p->b, out);
    snprintf(label, sizeof label, "gemm_i8  %s %ux%u %s", format_names[p->w->format], p->w->rows, p->w->channels, name);
    if (p->n_tiles >= 8 && finish == FINISH_STORE)
        BENCH(label, out * p->w->channels, run(p->w, p->bias, finish, p->q, p->x_scale, p->n_tiles, p->b, p->scratch));
}

static void check_gemm(const Case *c, size_t n_tiles, Kind kind, bool with_bias) {
    const Matrix *w = &c->w;
    size_t in = n_tiles * w->channels * TILE, out = n_tiles * w->rows * TILE;
    Product p = {.w = w, .bias = with_bias ? c->bias : NULL, .n_tiles = n_tiles};

    p.x = floats(in);
    p.a = floats(out);
    p.b = floats(out);
    p.x_scale = floats(n_tiles * TILE);
    p.q = aligned_array(in, 1);
    p.scratch = aligned_array(kernels_scratch(w->rows, w->channels), 1);
    assert(p.x && p.a && p.b && p.x_scale && p.q && p.scratch);
    fill_normal(p.x, in, 1);
    fill_i8(p.q, in, kind, TILE);
    for (size_t i = 0; i < n_tiles * TILE; i++)
        p.x_scale[i] = fabsf(normal()) * 0.1f;
    for (Finish finish = FINISH_STORE; finish <= FINISH_ADD; finish++) {
        const GemmVariants *variants = &new.gemm_i8_variants[w->format];

        check_gemm_f32(&p, finish);
        for (uint32_t i = 0; w->format != MATRIX_F16 && i < variants->count; i++)
            check_gemm_i8(&p, finish, variants->at[i].name, variants->at[i].run);
    }
    free(p.x);
    free(p.a);
    free(p.b);
    free(p.x_scale);
    free(p.q);
    free(p.scratch);
}

static void check_gemv(const Case *c, Kind kind) {
    const Matrix *w = &c->w;
    float *x = malloc(w->channels * sizeof *x), *a = malloc(w->rows * sizeof *a), *b = malloc(w->rows * sizeof *b);
    int8_t *q = malloc(w->channels);
    uint32_t first = w->rows / 8 * 4;
    char label[64];

    assert(x && a && b && q);
    fill_normal(x, w->channels, 1);
    fill_i8(q, w->channels, kind, 1);

    poison(a, w->rows);
    poison(b, w->rows);
    ref.gemv_f32[w->format](w, c->bias, x, first, w->rows, a); /* a part of the rows: the others keep their poison */
    new.gemv_f32[w->format](w, c->bias, x, first, w->rows, b);
    assert_same("gemv_f32 outside", a, b, first);
    assert_within("gemv_f32", a + first, b + first, w->rows - first, sum_bound(w));
    if (w->format != MATRIX_F16) {
        poison(a, w->rows);
        poison(b, w->rows);
        ref.gemv_i8[w->format](w, c->bias, q, 0.037f, first, w->rows, a);
        new.gemv_i8[w->format](w, c->bias, q, 0.037f, first, w->rows, b);
        assert_same("gemv_i8", a, b, w->rows);
    }
    if (w->rows >= 1024) {
        snprintf(label, sizeof label, "gemv_f32 %s %ux%u", format_names[w->format], w->rows, w->channels);
        BENCH(label, (size_t)w->rows * w->channels, new.gemv_f32[w->format](w, c->bias, x, 0, w->rows, b));
        snprintf(label, sizeof label, "gemv_i8  %s %ux%u", format_names[w->format], w->rows, w->channels);
        if (w->format != MATRIX_F16)
            BENCH(label, (size_t)w->rows * w->channels, new.gemv_i8[w->format](w, c->bias, q, 0.037f, 0, w->rows, b));
    }
    free(x);
    free(a);
    free(b);
    free(q);
}

static void check_gemv_i16(const Case *c, Kind kind) {
    const Matrix *w = &c->w;
    float *x = malloc(w->channels * sizeof *x), *a = malloc(w->rows * sizeof *a), *b = malloc(w->rows * sizeof *b);
    int16_t *q = malloc(w->channels * sizeof *q), *q_ref = malloc(w->channels * sizeof *q);
    uint32_t first = w->rows / 8 * 4;
    float scale, scale_ref;
    char label[64];

    assert(x && a && b && q && q_ref);
    fill_normal(x, w->channels, 1);
    ref.quantise_i16(x, w->channels, q_ref, &scale_ref);
    new.quantise_i16(x, w->channels, q, &scale);
    assert_same("quantise_i16 scale", &scale_ref, &scale, 1);
    assert(memcmp(q, q_ref, w->channels * sizeof *q) == 0);
    for (uint32_t i = 0; i < w->channels && kind != RANDOM; i++)
        q[i] = kind == ALL_PLUS || (kind == ALTERNATING && i % 2) ? MAX_I16 : -MAX_I16;
    poison(a, w->rows);
    poison(b, w->rows);
    ref.gemv_i16[w->format](w, c->bias, q, 0.037f, first, w->rows, a);
    new.gemv_i16[w->format](w, c->bias, q, 0.037f, first, w->rows, b);
    assert_same("gemv_i16", a, b, w->rows);
    snprintf(label, sizeof label, "gemv_i16 %s/%u %ux%u", format_names[w->format], w->group, w->rows, w->channels);
    if (w->rows >= 1024)
        BENCH(label, (size_t)w->rows * w->channels, new.gemv_i16[w->format](w, c->bias, q, 0.037f, 0, w->rows, b));
    free(x);
    free(a);
    free(b);
    free(q);
    free(q_ref);
}

static void check_rows(const Case *c) {
    float *a = malloc(c->w.channels * sizeof *a), *b = malloc(c->w.channels * sizeof *b);

    assert(a && b);
    for (uint32_t row = 0; row < c->w.rows; row += 1 + c->w.rows / 7) {
        ref.dequantise_row(&c->w, row, a);
        new.dequantise_row(&c->w, row, b);
        assert_same("dequantise_row", a, b, c->w.channels);
    }
    free(a);
    free(b);
}

static void check_case(MatrixFormat format, uint32_t rows, uint32_t channels, uint32_t group, Kind kind, bool asymmetric) {
    Case c = make_case(format, rows, channels, group, kind, asymmetric);

    for (Kind activations = 0; activations < KINDS; activations++) {
        check_gemv(&c, activations);
        if (kernels_have_i16(&ref, &c.w))
            check_gemv_i16(&c, activations);
    }
    for (size_t n_tiles = 1; n_tiles <= 3; n_tiles++)
        check_gemm(&c, n_tiles, kind == RANDOM ? RANDOM : ALL_PLUS, n_tiles == 1);
    check_rows(&c);
    free_case(&c);
}

/* Rows that are no multiple of four: the vocabulary. */
static void check_odd_rows(MatrixFormat format, bool asymmetric) {
    Case c = make_case(format, 7, 64, 64, RANDOM, asymmetric);

    check_gemv(&c, RANDOM);
    if (ref.gemv_i16[format])
        check_gemv_i16(&c, RANDOM);
    check_gemm(&c, 1, RANDOM, true);
    check_rows(&c);
    free_case(&c);
}

static void bench_format(MatrixFormat format) {
    Case c = make_case(format, 1536, 384, format == MATRIX_I4 ? 64 : 384, RANDOM, false);

    check_gemm(&c, 8, RANDOM, true);
    check_gemv(&c, RANDOM);
    if (ref.gemv_i16[format])
        check_gemv_i16(&c, RANDOM);
    free_case(&c);
}

void check_matrices(void) {
    static const struct {
        uint32_t rows, channels, group; /* group 0: per row */
    } shapes[] = {{4, 32, 0},      {8, 64, 32},     {12, 96, 32},      {20, 100, 0},  {12, 192, 64},
                  {16, 384, 128},  {4, 1056, 0},    {4, 2048, 0},      {4, 2176, 1088}, {8, 3072, 0}, {4, 8192, 0},
                  {516, 32, 0}};

    for (MatrixFormat f = 0; f < MATRIX_FORMATS; f++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (Kind kind = 0; kind < KINDS; kind++) {
                uint32_t channels = shapes[i].channels, group = shapes[i].group ? shapes[i].group : channels;

                if (f == MATRIX_I4 && group % I4_RUN)
                    continue;
                check_case(f, shapes[i].rows, channels, group, kind, false);
                if (f == MATRIX_I4)
                    check_case(f, shapes[i].rows, channels, group, kind, true);
            }
        if (f < MATRIX_T2)
            check_odd_rows(f, false);
        if (f == MATRIX_I4)
            check_odd_rows(f, true);
        if (bench)
            bench_format(f);
    }
}
