/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The blob again, each ternary matrix in the packing that was fastest here (docs/blob-format.md is what is written).
 * Order, names, shapes and all other payloads stay. The table comes before the payloads whose checksums it holds, so
 * each matrix is packed twice, once to know its checksum and once to write it: time is cheaper here than memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "error.h"
#include "repack.h"
#include "tuning.h"

typedef struct Writer {
    const Blob *blob;
    const whisper158_tuning *tuning;
    whisper158_write_fn write;
    void *user;
    uint8_t *packed; /* room for the largest matrix in any packing */
    int8_t *scratch;
} Writer;

static BlobPacking packing_of(MatrixFormat format) {
    return format == MATRIX_T2 ? BLOB_T2 : format == MATRIX_T4 ? BLOB_T4 : BLOB_T5;
}

/* A section as it will be, but for its place, its data and its checksum. */
static BlobSection target(const Writer *w, const BlobSection *section) {
    const TunedLayer *layer = section->dtype == BLOB_T158 ? tuning_layer_of(w->tuning, section) : NULL;
    BlobSection out = *section;

    if (layer) {
        out.packing = packing_of(tuning_fastest(layer, &w->tuning->kernels, MATRIX_FORMATS)->format);
        out.size = blob_payload_size(&out);
    }
    return out;
}

/* Its payload, packed anew where need be; valid until the next call. */
static const void *payload(const Writer *w, const BlobSection *from, const BlobSection *to) {
    const Matrix matrix = {.format = model_matrix_format(from->dtype, from->packing),
                           .rows = from->shape[0],
                           .channels = from->shape[1],
                           .group = from->group,
                           .codes = from->data};

    if (from->packing == to->packing)
        return from->data;
    repack(&matrix, model_matrix_format(to->dtype, to->packing), w->packed, w->scratch);
    return w->packed;
}

static uint64_t align_up(uint64_t offset) {
    return (offset + BLOB_ALIGNMENT - 1) / BLOB_ALIGNMENT * BLOB_ALIGNMENT;
}

/* Changes what the blob's own header and table, copied to `head`, say otherwise. Returns the size of the new file. */
static uint64_t change_head(const Writer *w, uint8_t *head, whisper158_retargeted *told) {
    uint64_t end = BLOB_HEADER_SIZE + (uint64_t)w->blob->n_sections * BLOB_ENTRY_SIZE, checksum;

    for (uint32_t i = 0; i < w->blob->n_sections; i++) {
        uint8_t *entry = head + BLOB_HEADER_SIZE + (size_t)i * BLOB_ENTRY_SIZE;
        const BlobSection *from = &w->blob->sections[i], to = target(w, from);
        const uint32_t packing = to.packing;
        const uint64_t offset = align_up(end);

        checksum = from->packing == to.packing ? from->checksum : XXH64(payload(w, from, &to), to.size, 0);
        told->matrices += from->dtype == BLOB_T158;
        told->repacked += from->packing != to.packing;
        memcpy(entry + 68, &packing, sizeof packing);
        memcpy(entry + 104, &offset, sizeof offset);
        memcpy(entry + 112, &to.size, sizeof to.size);
        memcpy(entry + 120, &checksum, sizeof checksum);
        end = offset + to.size;
    }
    memcpy(head + 16, &end, sizeof end);
    checksum = XXH64(head + BLOB_HEADER_SIZE, (size_t)w->blob->n_sections * BLOB_ENTRY_SIZE, 0);
    memcpy(head + 32, &checksum, sizeof checksum);
    checksum = XXH64(head, 56, 0);
    memcpy(head + 56, &checksum, sizeof checksum);
    return end;
}

static int write_payloads(const Writer *w, uint64_t end) {
    static const uint8_t zeros[BLOB_ALIGNMENT];
    int r = 0;

    for (uint32_t i = 0; r >= 0 && i < w->blob->n_sections; i++) {
        const BlobSection *from = &w->blob->sections[i], to = target(w, from);

        r = w->write(w->user, zeros, align_up(end) - end);
        if (r >= 0)
            r = w->write(w->user, payload(w, from, &to), to.size);
        end = align_up(end) + to.size;
    }
    return r;
}

static int fail_memory(whisper158_error *error) {
    return w158_fail(error, -ENOMEM, "no memory to repack the model's largest matrix");
}

static int write_all(Writer *w, whisper158_retargeted *told, whisper158_error *error) {
    const size_t size = BLOB_HEADER_SIZE + (size_t)w->blob->n_sections * BLOB_ENTRY_SIZE;
    uint8_t *head = malloc(size);
    int r;

    if (!head)
        return fail_memory(error);
    memcpy(head, w->blob->data, size);
    told->file_size = change_head(w, head, told);
    r = w->write(w->user, head, size);
    if (r >= 0)
        r = write_payloads(w, size);
    free(head);
    return r;
}

int whisper158_retarget(const whisper158_model *model, const whisper158_tuning *tuning, whisper158_write_fn write,
                        void *user, whisper158_retargeted *out, whisper158_error *error) {
    whisper158_retargeted told = {0};
    uint64_t largest = 0, widest = 0;
    Writer w = {.write = write, .user = user, .tuning = tuning};
    int r;

    if (!model || !tuning || !write)
        return w158_fail(error, -EINVAL, "whisper158_retarget needs a model, a tuning and a function that writes");
    if (tuning->model != whisper158_model_get_id(model))
        return w158_fail(error, -EINVAL, "the tuning is about another model");
    w.blob = &model->blob;
    for (uint32_t i = 0; i < w.blob->n_sections; i++) {
        const BlobSection *from = &w.blob->sections[i], to = target(&w, from);

        if (to.packing == from->packing)
            continue;
        largest = to.size > largest ? to.size : largest;
        widest = to.shape[1] > widest ? to.shape[1] : widest;
    }
    w.packed = malloc(largest ? largest : 1);
    w.scratch = malloc(widest ? 4 * widest : 1);
    r = w.packed && w.scratch ? write_all(&w, &told, error) : fail_memory(error);
    free(w.packed);
    free(w.scratch);
    if (r >= 0 && out)
        *out = told;
    return r;
}
