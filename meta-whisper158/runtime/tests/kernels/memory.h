/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef CHECK_MEMORY_H
#define CHECK_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Zeroed memory for n elements of `size` bytes, aligned to 64; NULL when it cannot be had. Free with free. */
static inline void *aligned_array(size_t n, size_t size) {
    size_t bytes;
    void *p;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - 64)
        return NULL;
    bytes = (bytes + 63) / 64 * 64;
    p = aligned_alloc(64, bytes ? bytes : 64);
    if (p)
        __builtin_memset(p, 0, bytes);
    return p;
}

static inline float *floats(size_t n) {
    return aligned_array(n, sizeof(float));
}

#endif
