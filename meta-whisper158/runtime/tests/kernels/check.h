/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the checks of kernels share: numbers that are the same everywhere, comparisons with the reference, and a stopwatch.
 */
#ifndef W158_CHECK_H
#define W158_CHECK_H

#undef NDEBUG
#include "kernels/kernels.h"
#include "memory.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern Kernels ref, new; /* the reference, and the set that is held against it */
extern bool bench;

/* Starts the random numbers anew, so that every set sees the same. */
void restart_random(void);
uint64_t random_bits(void);
uint32_t below(uint32_t n);
float normal(void); /* about normal, standard deviation 1 */
void fill_normal(float *x, size_t n, float deviation);

/* How numbers and codes are filled: at random, or so that sums run to their ends. */
typedef enum Kind { RANDOM, ALL_PLUS, ALL_MINUS, ALTERNATING, KINDS } Kind;

/* int8 activations up to +-127; ALTERNATING changes the sign every `period` numbers. */
void fill_i8(int8_t *q, size_t n, Kind kind, size_t period);

/* Fills what a kernel shall write with a number that it never writes. */
void poison(float *x, size_t n);

/* |a - b| <= bound x (largest |a|), for all of them; prints where not. */
void assert_close(const char *what, const float *a, const float *b, size_t n, float bound);
/* |a - b| <= bound */
void assert_within(const char *what, const float *a, const float *b, size_t n, float bound);
void assert_same(const char *what, const float *a, const float *b, size_t n);

double cpu_seconds(void);

/* Repeats CALL for a fifth of a second; prints `work` per second in units of 10^9. */
#define BENCH(LABEL, WORK, CALL)                                                                                       \
    do {                                                                                                               \
        if (bench) {                                                                                                   \
            double since = cpu_seconds(), spent;                                                                       \
            unsigned runs = 0;                                                                                         \
                                                                                                                       \
            do {                                                                                                       \
                CALL;                                                                                                  \
                runs++;                                                                                                \
                spent = cpu_seconds() - since;                                                                         \
            } while (spent < 0.2);                                                                                     \
            printf("%-6s %-36s %8.2f G/s\n", new.name, LABEL, (double)(WORK) * runs / spent * 1e-9);                   \
        }                                                                                                              \
    } while (0)

void check_matrices(void);
void check_lanes(void);
void check_attention(void);

#endif
