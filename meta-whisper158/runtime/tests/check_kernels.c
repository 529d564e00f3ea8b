/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Holds every kernel set that this processor runs against the reference: on random input, on input that drives each sum
 * to its extreme, for every packing and for sizes that leave a rest. Integer kernels must agree bit for bit, float
 * kernels within a bound that is stated where it is checked. What is not written may not change: outputs are poisoned,
 * and stand at the end of their allocation where the sanitizer watches.
 *
 *     check-kernels            checks
 *     check-kernels --bench    checks, and prints how fast each kernel is
 */
#undef NDEBUG
#include "kernels/kernels.h"
#include "memory.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POISON 1e30f

static Kernels ref, new;
static int bench;
static uint64_t state = 158;

/* splitmix64 (Vigna): the same numbers everywhere */
static uint64_t random_bits(void) {
    uint64_t z = (state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n) {
    return (uint32_t)(random_bits() % n);
}

/* About normal: the sum of a few uniform numbers, standard deviation 1. */
static float normal(void) {
    float sum = 0;

    for (int i = 0; i < 12; i++)
        sum += (float)(random_bits() >> 40) * 0x1p-24f;
    return sum - 6;
}

static void fill_normal(float *x, size_t n, float deviation) {
    for (size_t i = 0; i < n; i++)
        x[i] = normal() * deviation;
}

static void poison(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = POISON;
}

/* |a - b| <= bound x (largest |a|), for all of them; prints where not. */
static void assert_close(const char *what, const float *a, const float *b, size_t n, float bound) {
    float largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fabsf(a[i]) > largest ? fabsf(a[i]) : largest;
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= bound * largest)) {
            fprintf(stderr, "%s of %s: element %zu is %g, reference %g, bound %g\n", what, new.name, i, (double)b[i],
                    (double)a[i], (double)(bound * largest));
            assert(!"float kernel is too far from the reference");
        }
}

static void assert_same(const char *what, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0) {
            fprintf(stderr, "%s of %s: element %zu is %a, reference %a\n", what, new.name, i, (double)b[i], (double)a[i]);
            assert(!"integer kernel differs from the reference");
        }
}

/* ---------------------------------------------------------------------------------------------------- benchmarks */

static double seconds(void) {
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Repeats CALL for a fifth of a second; prints `work` per second in units of 10^9. */
#define BENCH(LABEL, WORK, CALL)                                                                                       \
    do {                                                                                                               \
        if (bench) {                                                                                                   \
            double since = seconds(), spent;                                                                           \
            unsigned runs = 0;                                                                                         \
                                                                                                                       \
            do {                                                                                                       \
                CALL;                                                                                                  \
                runs++;                                                                                                \
                spent = seconds() - since;                                                                             \
            } while (spent < 0.2);                                                                                     \
            printf("%-6s %-28s %8.2f G/s\n", new.name, LABEL, (double)(WORK) * runs / spent * 1e-9);                    \
        }                                                                                                              \
    } while (0)

/* ------------------------------------------------------------------------------------------------------- matrices */

static const char *const format_names[] = {"f16", "i8", "t2", "t4", "t5"};

static uint32_t passes(uint32_t group, uint32_t channels) {
    return (group + channels - 1) / channels;
}

static size_t packed_bytes(MatrixFormat format, uint32_t rows, uint32_t channels, uint32_t group) {
    switch (format) {
    case MATRIX_F16:
        return (size_t)rows * channels * 2;
    case MATRIX_I8:
        return (size_t)rows * channels;
    case MATRIX_T2:
        return (size_t)rows * channels / 4;
    case MATRIX_T4:
        return (size_t)rows * (channels / group) * passes(group, 32) * 8;
    default:
        return (size_t)rows * (channels / group) * passes(group, 20) * 4;
    }
}

typedef enum Kind { RANDOM, ALL_PLUS, ALL_MINUS, ALTERNATING, KINDS } Kind;

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
} Case;

static Case make_case(MatrixFormat format, uint32_t rows, uint32_t channels, uint32_t group, Kind kind) {
    Case c = {.w = {.format = format, .rows = rows, .channels = channels, .group = group}};

    c.w.codes = c.codes = malloc(packed_bytes(format, rows, channels, group));
    c.scale = malloc((size_t)rows * (channels / group) * sizeof(float));
    c.bias = malloc(rows * sizeof(float));
    assert(c.codes && c.scale && c.bias);
    for (size_t i = 0; i < (size_t)rows * (channels / group); i++)
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
}

static void fill_i8(int8_t *q, size_t n, Kind kind, size_t period) {
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)(kind == RANDOM      ? (int)below(255) - 127
                        : kind == ALL_PLUS  ? 127
                        : kind == ALL_MINUS ? -127
                        : i / period % 2    ? 127
                                            : -127);
}

/* Bound of float matrix products: rounding of a sum of n terms, 2^-24 each, grows like its root; 16 is slack. */
static float sum_bound(uint32_t channels) {
    return 16 * 0x1p-24f * sqrtf((float)channels);
}

static void check_gemm(const Case *c, size_t n_tiles, Kind kind, bool with_bias) {
    const Matrix *w = &c->w;
    size_t in = n_tiles * w->channels * TILE, out = n_tiles * w->rows * TILE;
    float *x = floats(in), *a = floats(out), *b = floats(out), *x_scale = floats(n_tiles * TILE);
    int8_t *q = aligned_array(in, 1);
    void *scratch = aligned_array(kernels_scratch(w->rows, w->channels), 1);
    const float *bias = with_bias ? c->bias : NULL;
    char label[64];

    assert(x && a && b && x_scale && q && scratch);
    fill_normal(x, in, 1);
    fill_i8(q, in, kind, TILE);
    for (size_t i = 0; i < n_tiles * TILE; i++)
        x_scale[i] = fabsf(normal()) * 0.1f;

    poison(a, out);
    poison(b, out);
    ref.gemm_f32[w->format](w, bias, x, n_tiles, a, scratch);
    new.gemm_f32[w->format](w, bias, x, n_tiles, b, scratch);
    assert_close("gemm_f32", a, b, out, sum_bound(w->channels));
    if (w->format != MATRIX_F16) {
        poison(a, out);
        poison(b, out);
        ref.gemm_i8[w->format](w, bias, q, x_scale, n_tiles, a, scratch);
        new.gemm_i8[w->format](w, bias, q, x_scale, n_tiles, b, scratch);
        assert_same("gemm_i8", a, b, out);
    }
    if (n_tiles >= 8) {
        snprintf(label, sizeof label, "gemm_f32 %s %ux%u", format_names[w->format], w->rows, w->channels);
        BENCH(label, out * w->channels, new.gemm_f32[w->format](w, bias, x, n_tiles, b, scratch));
        snprintf(label, sizeof label, "gemm_i8  %s %ux%u", format_names[w->format], w->rows, w->channels);
        if (w->format != MATRIX_F16)
            BENCH(label, out * w->channels, new.gemm_i8[w->format](w, bias, q, x_scale, n_tiles, b, scratch));
    }
    free(x);
    free(a);
    free(b);
    free(x_scale);
    free(q);
    free(scratch);
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
    assert_close("gemv_f32", a + first, b + first, w->rows - first, sum_bound(w->channels));
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

static void check_matrices(void) {
    static const struct {
        uint32_t rows, channels, group; /* group 0: per row */
    } shapes[] = {{4, 32, 0}, {8, 64, 32}, {12, 96, 32}, {20, 100, 0}, {16, 384, 128}, {4, 1056, 0}, {4, 2176, 1088}, {8, 3072, 0}, {4, 8192, 0}};

    for (MatrixFormat f = 0; f < MATRIX_FORMATS; f++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (Kind kind = 0; kind < KINDS; kind++) {
                uint32_t channels = shapes[i].channels, group = shapes[i].group ? shapes[i].group : channels;
                Case c = make_case(f, shapes[i].rows, channels, group, kind);

                for (Kind activations = 0; activations < KINDS; activations++)
                    check_gemv(&c, activations);
                for (size_t n_tiles = 1; n_tiles <= 2; n_tiles++)
                    check_gemm(&c, n_tiles, kind == RANDOM ? RANDOM : ALL_PLUS, n_tiles == 1);
                check_rows(&c);
                free_case(&c);
            }
        if (f == MATRIX_F16 || f == MATRIX_I8) { /* rows that are no multiple of four: the vocabulary */
            Case c = make_case(f, 7, 64, 64, RANDOM);

            check_gemv(&c, RANDOM);
            check_gemm(&c, 1, RANDOM, true);
            check_rows(&c);
            free_case(&c);
        }
        if (bench) {
            Case c = make_case(f, 1536, 384, 384, RANDOM);

            check_gemm(&c, 8, RANDOM, true);
            check_gemv(&c, RANDOM);
            free_case(&c);
        }
    }
}

/* --------------------------------------------------------------------------------------------------- lane by lane */

static void check_quantise(uint32_t channels, float deviation, int zero_lane) {
    size_t n = (size_t)channels * TILE;
    float *x = floats(n), a_scale[TILE], b_scale[TILE];
    int8_t *a = aligned_array(n, 1), *b = aligned_array(n, 1);

    assert(x && a && b);
    fill_normal(x, n, deviation);
    for (uint32_t ch = 0; ch < channels && zero_lane; ch++)
        x[ch * TILE + 3] = 0;
    x[(channels / 2) * TILE + 5] = 127; /* lane 5 has a scale of 1 for small deviations: halves, to be rounded to even */
    for (uint32_t ch = 0; ch < channels && ch < 8 && deviation <= 1; ch++)
        x[ch * TILE + 5] = ch == channels / 2 ? 127 : (float)ch - 3.5f;

    ref.quantise_tile(x, channels, a, a_scale);
    new.quantise_tile(x, channels, b, b_scale);
    assert_same("quantise_tile scale", a_scale, b_scale, TILE);
    assert(memcmp(a, b, n) == 0);
    ref.quantise(x, channels, a, a_scale);
    new.quantise(x, channels, b, b_scale);
    assert_same("quantise scale", a_scale, b_scale, 1);
    assert(memcmp(a, b, channels) == 0);
    if (channels == 384)
        BENCH("quantise_tile 384", n, new.quantise_tile(x, channels, b, b_scale));
    free(x);
    free(a);
    free(b);
}

static void check_norm(uint32_t channels, float offset) {
    size_t n = (size_t)channels * TILE;
    float *x = floats(n), *a = floats(n), *b = floats(n), *weight = floats(channels), *bias = floats(channels);

    assert(x && a && b && weight && bias);
    fill_normal(x, n, 2);
    for (size_t i = 0; i < n; i++)
        x[i] += offset;
    fill_normal(weight, channels, 1);
    fill_normal(bias, channels, 1);
    ref.norm_tile(x, weight, bias, channels, a);
    new.norm_tile(x, weight, bias, channels, b);
    assert_close("norm_tile", a, b, n, 1e-5f);
    ref.norm(x, weight, bias, channels, a);
    new.norm(x, weight, bias, channels, b);
    assert_close("norm", a, b, channels, 1e-5f);
    if (channels == 384)
        BENCH("norm_tile 384", n, new.norm_tile(x, weight, bias, channels, b));
    free(x);
    free(a);
    free(b);
    free(weight);
    free(bias);
}

static void check_gelu(size_t n) {
    float *x = floats(n), *a = floats(n), *b = floats(n);

    assert(x && a && b);
    for (size_t i = 0; i < n; i++)
        x[i] = n > 64 ? -12 + 24 * (float)i / (float)n : normal() * 40;
    memcpy(a, x, n * sizeof *a);
    memcpy(b, x, n * sizeof *b);
    ref.gelu(a, n);
    new.gelu(b, n);
    for (size_t i = 0; i < n; i++) /* absolute, growing with x: what a polynomial for erf can promise */
        assert(fabsf(a[i] - b[i]) <= 5e-7f * (1 + fabsf(x[i])));
    if (n > 64)
        BENCH("gelu", n, (memcpy(b, x, n * sizeof *b), new.gelu(b, n)));
    free(x);
    free(a);
    free(b);
}

static void check_attention(uint32_t channels, size_t frames, float deviation) {
    size_t heads = 2, stride = heads * channels * TILE, n = tiles(frames) * stride;
    float *k = floats(n), *v = floats(n), *q = floats(channels * TILE), *scratch = floats(tiles(frames) * TILE * TILE);
    float *a = floats(channels * TILE), *b = floats(channels * TILE);

    assert(k && v && q && scratch && a && b);
    fill_normal(k, n, 1);
    fill_normal(v, n, 1);
    fill_normal(q, channels * TILE, deviation);
    ref.attend_tile(q, k + channels * TILE, v + channels * TILE, stride, frames, channels, a, scratch);
    new.attend_tile(q, k + channels * TILE, v + channels * TILE, stride, frames, channels, b, scratch);
    assert_close("attend_tile", a, b, channels * TILE, 2e-5f);
    ref.attend(q, k, v, stride, frames, channels, a, scratch);
    new.attend(q, k, v, stride, frames, channels, b, scratch);
    assert_close("attend", a, b, channels, 2e-5f);
    if (frames == 500) {
        BENCH("attend_tile 64x500", 2 * channels * TILE * frames,
              new.attend_tile(q, k, v, stride, frames, channels, b, scratch));
        BENCH("attend 64x500", 2 * channels * frames, new.attend(q, k, v, stride, frames, channels, b, scratch));
    }
    free(k);
    free(v);
    free(q);
    free(scratch);
    free(a);
    free(b);
}

static void check_lanes(void) {
    static const uint32_t channels[] = {4, 32, 64, 100, 384};
    static const size_t frames[] = {1, 3, 15, 16, 17, 33, 100};

    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        for (int zero_lane = 0; zero_lane < 2; zero_lane++) {
            check_quantise(channels[i], 1, zero_lane);
            check_quantise(channels[i], 1e-20f, zero_lane);
            check_quantise(channels[i], 1e4f, zero_lane);
        }
        check_norm(channels[i], 0);
        check_norm(channels[i], 30);
    }
    for (size_t n = 4; n <= 64; n += 4)
        check_gelu(n);
    check_gelu(16384);
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        check_attention(32, frames[i], 1);
        check_attention(64, frames[i], 1);
        check_attention(64, frames[i], 50); /* one frame takes all */
    }
    check_attention(64, 500, 1);
}

int main(int argc, char **argv) {
    bench = argc == 2 && strcmp(argv[1], "--bench") == 0;
    assert(kernels_init(&ref, 0) == 0);
    for (uint32_t set = 0; kernels_init(&new, set) == 0; set++) {
        if (set == 0 && !bench) /* the reference agrees with itself; only its speed is of interest */
            continue;
        state = 158;
        check_matrices();
        check_lanes();
        printf("%s agrees with %s\n", new.name, ref.name);
    }
    return 0;
}
