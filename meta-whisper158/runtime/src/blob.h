/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_BLOB_H
#define W158_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

/* Sizes of docs/blob-format.md, for reader and writer. */
enum { BLOB_ALIGNMENT = 64, BLOB_HEADER_SIZE = 64, BLOB_ENTRY_SIZE = 128 };

typedef enum BlobDtype { BLOB_F32 = 1, BLOB_F16, BLOB_I8, BLOB_U8, BLOB_U32, BLOB_T158, BLOB_I4, BLOB_U4 } BlobDtype;
typedef enum BlobPacking { BLOB_PLAIN = 0, BLOB_T2, BLOB_T4, BLOB_T5 } BlobPacking;

/* One checked entry of the section table; pointers lead into the mapping. */
typedef struct BlobSection {
    const char *name; /* NUL-terminated */
    BlobDtype dtype;
    BlobPacking packing;
    bool optional;
    uint32_t rank;
    uint32_t shape[4]; /* zero beyond rank */
    uint32_t group;
    uint64_t offset;
    uint64_t size;
    uint64_t checksum; /* of the payload */
    const void *data;
} BlobSection;

typedef struct Blob {
    const uint8_t *data;
    size_t size;
    BlobSection *sections; /* [n_sections], owned */
    uint32_t n_sections;
    bool mapped; /* data is ours to unmap */
} Blob;

/*
 * Maps the file at `path` read-only and checks everything that docs/blob-format.md asks of the container: header, table,
 * places, checksums, and the values of packed weights, scales and floats. Which sections must be there is model.c's matter.
 * On failure *blob is all zero and nothing is held.
 */
int blob_open(Blob *blob, const char *path, whisper158_error *error);

/* The same for `size` bytes at `data` (64-byte aligned), which stay the caller's and must outlive the blob. `name` stands in error sentences. */
int blob_open_memory(Blob *blob, const void *data, size_t size, const char *name, whisper158_error *error);

void blob_close(Blob *blob);

/* Takes the whole pages from `begin` to `end` (offsets) out of memory, until they are read again. Return: the end of the
 * last one. */
uint64_t blob_release(const Blob *blob, uint64_t begin, uint64_t end);

/* Bytes of a section's payload, from its dtype, packing, shape and group. */
uint64_t blob_payload_size(const BlobSection *section);

/* The section of that name, or NULL. */
const BlobSection *blob_find(const Blob *blob, const char *name);

const char *blob_dtype_name(BlobDtype dtype);
const char *blob_packing_name(BlobPacking packing);

#endif
