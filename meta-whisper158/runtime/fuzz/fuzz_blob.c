/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The reader of blobs under hostile bytes. What it accepts has to be as it promises: this reads every payload to its
 * last byte, as the kernels will, and traps where a promise does not hold. fuzz_blob_mutator.c gets past the checksums.
 */
#include "blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise) {
    if (!promise)
        abort();
}

/* Every trit of every byte, by division: those beyond the span are 1, and nothing is left after the last. */
static void check_trits(const BlobSection *section, uint32_t trits, uint32_t row_bytes) {
    const uint32_t rows = section->shape[0], group = section->group, spans = section->shape[1] / group;
    const uint32_t passes = (group + trits * row_bytes - 1) / (trits * row_bytes);
    const uint8_t *byte = section->data;

    for (uint32_t span = 0; span < spans; span++)
        for (uint32_t pass = 0; pass < passes; pass++)
            for (uint32_t row = 0; row < rows; row++)
                for (uint32_t column = 0; column < row_bytes; column++, byte++) {
                    uint32_t rest = *byte;

                    for (uint32_t trit = 0; trit < trits; trit++, rest /= 3)
                        if ((pass * row_bytes + column) * trits + trit >= group)
                            require(rest % 3 == 1);
                    require(rest == 0);
                }
    require(byte == (const uint8_t *)section->data + section->size);
}

static void check_pairs(const BlobSection *section) {
    const uint8_t *bytes = section->data;

    require(section->size == (uint64_t)section->shape[0] / 4 * section->shape[1]);
    for (uint64_t i = 0; i < section->size; i++)
        for (int shift = 0; shift < 8; shift += 2)
            require((bytes[i] >> shift & 3) != 3);
}

static void check_numbers(const BlobSection *section, bool scale) {
    for (uint64_t i = 0; section->dtype == BLOB_F32 && i < section->size / 4; i++) {
        const float value = ((const float *)section->data)[i];

        require(value - value == 0); /* finite */
        require(!scale || value >= 0);
    }
    for (uint64_t i = 0; section->dtype == BLOB_F16 && i < section->size / 2; i++)
        require((((const uint16_t *)section->data)[i] >> 10 & 31) != 31);
    for (uint64_t i = 0; section->dtype == BLOB_I8 && i < section->size; i++)
        require(((const int8_t *)section->data)[i] != -128);
    for (uint64_t i = 0; section->dtype == BLOB_I4 && i < section->size; i++)
        require((((const uint8_t *)section->data)[i] & 15) && ((const uint8_t *)section->data)[i] >> 4);
}

static void check_section(const Blob *blob, const BlobSection *section) {
    const uint64_t offset = (uint64_t)((const uint8_t *)section->data - blob->data);
    const BlobSection *scale, *zero;
    char name[80];

    require(blob_find(blob, section->name) == section);
    require(offset == section->offset && offset % 64 == 0);
    require(offset <= blob->size && section->size <= blob->size - offset);
    require(blob_dtype_name(section->dtype) && blob_packing_name(section->packing));
    for (uint32_t i = 0; i < 4; i++)
        require((section->shape[i] != 0) == (i < section->rank));

    if (section->packing == BLOB_T2)
        check_pairs(section);
    else if (section->packing == BLOB_T4)
        check_trits(section, 4, 8);
    else if (section->packing == BLOB_T5)
        check_trits(section, 5, 4);
    else
        check_numbers(section, false);

    require((section->group != 0) == (section->dtype == BLOB_I8 || section->dtype == BLOB_I4 || section->dtype == BLOB_U4 ||
                                     section->dtype == BLOB_T158));
    if (section->group) {
        snprintf(name, sizeof name, "%s.scale", section->name);
        scale = blob_find(blob, name);
        require(scale && scale->dtype == BLOB_F32 && scale->rank == 2 && scale->shape[0] == section->shape[0] &&
                (uint64_t)scale->shape[1] * section->group == section->shape[1]);
        check_numbers(scale, true);
    }
    if (section->dtype == BLOB_U4) {
        snprintf(name, sizeof name, "%s.zero", section->name);
        zero = blob_find(blob, name);
        require(zero && zero->dtype == BLOB_U8 && zero->rank == 2 && zero->shape[0] == section->shape[0] &&
                (uint64_t)zero->shape[1] * section->group == section->shape[1]);
        for (uint64_t i = 0; i < zero->size; i++)
            require(((const uint8_t *)zero->data)[i] <= 15);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    whisper158_error error = {""};
    void *copy = NULL;
    Blob blob;
    int r;

    /* Aligned as a mapping is, and exactly as large, so that the sanitizer sees a step beyond the end. */
    if (posix_memalign(&copy, 64, size ? size : 1) != 0)
        abort();
    if (size)
        memcpy(copy, data, size);
    r = blob_open_memory(&blob, copy, size, "fuzz", &error);
    if (r < 0)
        require(strncmp(error.text, "fuzz: ", 6) == 0 && !strchr(error.text, '\n'));
    else
        for (uint32_t i = 0; i < blob.n_sections; i++)
            check_section(&blob, &blob.sections[i]);
    blob_close(&blob);
    free(copy);
    return 0;
}
