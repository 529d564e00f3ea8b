/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* What goes lane by lane: norms, GELU, quantisation. */
#include "check.h"

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

/* The fused kernel gives what its set's two give one after the other, to the bit. */
static void check_norm_quantise(const float *x, const float *weight, const float *bias, uint32_t channels) {
    size_t n = (size_t)channels * TILE;
    float *a = floats(n), *b = floats(n), a_scale[TILE], b_scale[TILE];
    int8_t *a_q = aligned_array(n, 1), *b_q = aligned_array(n, 1);

    assert(a && b && a_q && b_q);
    new.norm_tile(x, weight, bias, channels, a);
    new.quantise_tile(a, channels, a_q, a_scale);
    new.norm_quantise_tile(x, weight, bias, channels, b, b_q, b_scale);
    assert_same("norm_quantise_tile", a, b, n);
    assert_same("norm_quantise_tile scale", a_scale, b_scale, TILE);
    assert(memcmp(a_q, b_q, n) == 0);
    if (channels == 384)
        BENCH("norm_quantise_tile 384", n, new.norm_quantise_tile(x, weight, bias, channels, b, b_q, b_scale));
    free(a);
    free(b);
    free(a_q);
    free(b_q);
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
    check_norm_quantise(x, weight, bias, channels);
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

void check_lanes(void) {
    static const uint32_t channels[] = {4, 32, 64, 100, 384};

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
}
