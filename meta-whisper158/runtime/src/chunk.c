/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "chunk.h"

void chunk_scratch_lay_out(ChunkScratch *s, uint32_t rows, uint32_t widest, whisper158_phase first,
                           whisper158_phase last, Arena *arena) {
    s->q = arena_take(arena, "chunks, 8 bits", first, last, PER_CONTEXT, (size_t)CHUNK_TILES * widest * TILE);
    s->q_scale = arena_take(arena, "chunks, 8 bits", first, last, PER_CONTEXT, (size_t)CHUNK_TILES * TILE * sizeof *s->q_scale);
    s->gemm = arena_take(arena, "matrix products", first, last, PER_CONTEXT, kernels_scratch(rows, widest));
}

Activations activations(const Kernels *k, uint32_t activation_bits, const float *x, uint32_t channels, size_t n_tiles,
                        ChunkScratch *s) {
    if (activation_bits != 8)
        return (Activations){.x = x};
    for (size_t t = 0; t < n_tiles; t++)
        k->quantise_tile(x + t * channels * TILE, channels, s->q + t * channels * TILE, s->q_scale + t * TILE);
    return (Activations){x, s->q_scale, s->q};
}

void linear_tiles(const Kernels *k, const Linear *layer, Finish finish, Activations x, size_t n_tiles, float *y,
                  ChunkScratch *s) {
    const Matrix *w = &layer->weight;

    if (x.q && w->format != MATRIX_F16)
        kernels_gemm_i8(k, w)(w, layer->bias, finish, x.q, x.q_scale, n_tiles, y, s->gemm);
    else
        k->gemm_f32[w->format](w, layer->bias, finish, x.x, n_tiles, y, s->gemm);
}
