/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Ternary codes from one packing into another (docs/blob-format.md). The codes stay what they are, so a matrix that was
 * repacked is the same matrix.
 */
#include "repack.h"

#include <assert.h>

/* What one pass holds of a row. */
typedef struct Pass {
    uint32_t trits; /* in a byte */
    uint32_t bytes;
} Pass;

static void pack_t2(const Matrix *w, uint32_t first, const int8_t *codes, uint8_t *out) {
    out += (size_t)first / 4 * w->channels;
    for (uint32_t c = 0; c < w->channels; c++) {
        uint32_t byte = 0;

        for (uint32_t r = 0; r < 4; r++)
            byte |= (uint32_t)(codes[r * w->channels + c] + 1) << (2 * r);
        out[c] = (uint8_t)byte;
    }
}

/* The byte whose first trit is channel `first` of a span of `group` channels; those beyond it are 1. */
static uint8_t base3(const int8_t *span, uint32_t group, uint32_t first, uint32_t trits) {
    uint32_t byte = 0;

    for (uint32_t i = trits; i-- > 0;)
        byte = 3 * byte + (first + i < group ? (uint32_t)(span[first + i] + 1) : 1);
    return (uint8_t)byte;
}

static void pack_passes(const Matrix *w, Pass pass, uint32_t first, const int8_t *codes, uint8_t *out) {
    const uint32_t spans = w->channels / w->group, width = pass.trits * pass.bytes;
    const uint32_t passes = (w->group + width - 1) / width;

    for (uint32_t r = 0; r < 4; r++)
        for (uint32_t i = 0; i < spans * passes * pass.bytes; i++) {
            const uint32_t span = i / (passes * pass.bytes), byte = i % (passes * pass.bytes);
            const size_t at = (size_t)(i / pass.bytes) * w->rows + first + r;

            out[at * pass.bytes + i % pass.bytes] =
                base3(codes + r * w->channels + span * w->group, w->group, byte * pass.trits, pass.trits);
        }
}

void repack(const Matrix *w, MatrixFormat format, uint8_t *out, int8_t *scratch) {
    assert(w->format >= MATRIX_T2 && w->format <= MATRIX_T5 && w->rows % 4 == 0);
    for (uint32_t row = 0; row < w->rows; row += 4) {
        matrix_codes4(w, row, scratch);
        if (format == MATRIX_T2)
            pack_t2(w, row, scratch, out);
        else
            pack_passes(w, format == MATRIX_T4 ? (Pass){4, 8} : (Pass){5, 4}, row, scratch, out);
    }
}
