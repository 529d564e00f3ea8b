/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_SEAL_H
#define W158_SEAL_H
/*
 * Makes a blob's checksums and file_size right again after a test or the fuzzer has changed it, so that the reader
 * looks at what was changed and not only at the checksum over it. Knows the places of docs/blob-format.md; what lies
 * outside of the file is left alone.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SEAL_HEADER = 64, SEAL_ENTRY = 128 };

static inline uint64_t seal_get(const uint8_t *bytes, size_t width) {
    uint64_t value = 0;

    memcpy(&value, bytes, width);
    return value;
}

static inline void seal_put(uint8_t *bytes, size_t width, uint64_t value) {
    memcpy(bytes, &value, width);
}

static inline size_t seal_count(const uint8_t *data, size_t size) {
    const size_t fitting = (size - SEAL_HEADER) / SEAL_ENTRY;
    const uint64_t count = seal_get(data + 12, 4);

    return count < fitting ? (size_t)count : fitting;
}

/* Writes the checksum of a header that is otherwise left as it is. */
static inline void seal_header(uint8_t *data) {
    seal_put(data + 56, 8, XXH64(data, 56, 0));
}

static inline void seal(uint8_t *data, size_t size) {
    if (size < SEAL_HEADER)
        return;
    for (size_t i = 0; i < seal_count(data, size); i++) {
        uint8_t *entry = data + SEAL_HEADER + i * SEAL_ENTRY;
        const uint64_t offset = seal_get(entry + 104, 8), length = seal_get(entry + 112, 8);

        if (offset <= size && length <= size - offset)
            seal_put(entry + 120, 8, XXH64(data + offset, length, 0));
    }
    seal_put(data + 16, 8, size);
    seal_put(data + 32, 8, XXH64(data + SEAL_HEADER, seal_count(data, size) * SEAL_ENTRY, 0));
    seal_header(data);
}

#endif
