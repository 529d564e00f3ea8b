/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer changes bytes; a blob whose bytes were changed fails its checksums, and nothing behind them would ever be
 * looked at. So most inputs are sealed again after the change, and many changes go straight to one entry or payload.
 */
#include <stdlib.h>

#include "seal.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* Changes bytes within [offset, offset + length) and leaves their number alone. */
static void mutate_in_place(uint8_t *data, size_t size, size_t offset, size_t length) {
    if (length && offset < size)
        (void)LLVMFuzzerMutate(data + offset, length < size - offset ? length : size - offset,
                               length < size - offset ? length : size - offset);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    const size_t count = size < SEAL_HEADER ? 0 : seal_count(data, size);
    const size_t at = count ? SEAL_HEADER + seed / 8 % count * SEAL_ENTRY : 0;

    switch (count ? seed % 8 : 0) {
    case 0: /* anything, also the checksums */
        return LLVMFuzzerMutate(data, size, max_size);
    case 1: /* anything, of any length */
        size = LLVMFuzzerMutate(data, size, max_size);
        break;
    case 2: /* the header */
        mutate_in_place(data, size, 8, 48);
        break;
    case 3: /* an entry's name, or everything behind it */
        mutate_in_place(data, size, at, 64);
        break;
    case 4:
    case 5:
        mutate_in_place(data, size, at + 64, 56);
        break;
    default: /* a payload */
        mutate_in_place(data, size, seal_get(data + at + 104, 8), seal_get(data + at + 112, 8));
        break;
    }
    seal(data, size);
    return size;
}
