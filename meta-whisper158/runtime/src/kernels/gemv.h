/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* What products with one frame have in common (gemv.c, nibbles.c): four rows at a time, whatever their weights are. */
#ifndef W158_GEMV_H
#define W158_GEMV_H

#include "kernels.h"

#include <string.h>

#define ROWS 4u

/* Of four rows. */
typedef int32_t Int4 __attribute__((vector_size(16)));
typedef float Float4 __attribute__((vector_size(16)));

/* How far ahead of the rows that are multiplied others are asked for. Weights come from memory, in order; a processor
 * that guesses so by itself stops at the end of each page. */
#define AHEAD 4096u

/* Scales of group `group` of four rows; zero for rows that are not there. */
static inline Float4 scale4(const Matrix *w, uint32_t row, uint32_t last, uint32_t groups, uint32_t group) {
    const float *scale = w->scale + (size_t)row * groups + group;

    if (row + ROWS > last)
        return (Float4){scale[0], row + 1 < last ? scale[groups] : 0, row + 2 < last ? scale[2 * (size_t)groups] : 0, 0};
    return (Float4){scale[0], scale[groups], scale[2 * (size_t)groups], scale[3 * (size_t)groups]};
}

/* y[row ..] = sum x_scale + bias */
static inline void put4(Float4 sum, float x_scale, const float *bias, uint32_t row, uint32_t last, float *y) {
    float value[ROWS];

    sum *= x_scale;
    memcpy(value, &sum, sizeof value);
    for (uint32_t r = 0; r < ROWS && row + r < last; r++)
        y[row + r] = bias ? value[r] + bias[row + r] : value[r];
}

static inline Float4 to_float4(Int4 a) {
    return __builtin_convertvector(a, Float4);
}

#endif
