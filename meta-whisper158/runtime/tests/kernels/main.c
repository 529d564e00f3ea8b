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
#include "check.h"

#include <time.h>

#define POISON 1e30f

Kernels ref, new;
bool bench;
static uint64_t state;

void restart_random(void) {
    state = 158;
}

/* splitmix64 (Vigna): the same numbers everywhere */
uint64_t random_bits(void) {
    uint64_t z = (state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t below(uint32_t n) {
    return (uint32_t)(random_bits() % n);
}

/* The sum of a few uniform numbers. */
float normal(void) {
    float sum = 0;

    for (int i = 0; i < 12; i++)
        sum += (float)(random_bits() >> 40) * 0x1p-24f;
    return sum - 6;
}

void fill_normal(float *x, size_t n, float deviation) {
    for (size_t i = 0; i < n; i++)
        x[i] = normal() * deviation;
}

void poison(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = POISON;
}

void assert_within(const char *what, const float *a, const float *b, size_t n, float bound) {
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= bound)) {
            fprintf(stderr, "%s of %s: element %zu is %g, reference %g, bound %g\n", what, new.name, i, (double)b[i],
                    (double)a[i], (double)bound);
            assert(!"float kernel is too far from the reference");
        }
}

void assert_close(const char *what, const float *a, const float *b, size_t n, float bound) {
    float largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fabsf(a[i]) > largest ? fabsf(a[i]) : largest;
    assert_within(what, a, b, n, bound * largest);
}

void assert_same(const char *what, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0) {
            fprintf(stderr, "%s of %s: element %zu is %a, reference %a\n", what, new.name, i, (double)b[i], (double)a[i]);
            assert(!"integer kernel differs from the reference");
        }
}

void fill_i8(int8_t *q, size_t n, Kind kind, size_t period) {
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)(kind == RANDOM      ? (int)below(255) - 127
                        : kind == ALL_PLUS  ? 127
                        : kind == ALL_MINUS ? -127
                        : i / period % 2    ? 127
                                            : -127);
}

double cpu_seconds(void) {
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    bench = argc == 2 && strcmp(argv[1], "--bench") == 0;
    assert(kernels_init(&ref, 0) == 0);
    for (uint32_t set = 0; kernels_init(&new, set) == 0; set++) {
        if (set == 0 && !bench) /* the reference agrees with itself; only its speed is of interest */
            continue;
        restart_random();
        check_matrices();
        check_lanes();
        check_attention();
        printf("%s agrees with %s\n", new.name, ref.name);
    }
    return 0;
}
