/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Linear layers over chunks of frames: the unit in which the encoder, and whoever listens to it, divide their work.
 */
#ifndef W158_CHUNK_H
#define W158_CHUNK_H

#include "arena.h"
#include "kernels/kernels.h"
#include "model.h"

/* The tiles that one work item takes through the layers: enough to pay for unpacking the weights once for all of them. */
#define CHUNK_TILES 8u

static inline size_t chunks(size_t frames) {
    return (tiles(frames) + CHUNK_TILES - 1) / CHUNK_TILES;
}

/* Tiles of chunk number `chunk`: the last one may have fewer. */
static inline size_t chunk_tiles(size_t frames, size_t chunk) {
    size_t rest = tiles(frames) - chunk * CHUNK_TILES;

    return rest < CHUNK_TILES ? rest : CHUNK_TILES;
}

/* One worker's memory for linear layers over a chunk. */
typedef struct ChunkScratch {
    int8_t *q;      /* [CHUNK_TILES][widest input][TILE] */
    float *q_scale; /* [CHUNK_TILES][TILE] */
    void *gemm;     /* for the kernels */
} ChunkScratch;

/* For layers of at most so many outputs and inputs. */
void chunk_scratch_lay_out(ChunkScratch *s, uint32_t rows, uint32_t widest, whisper158_phase first,
                           whisper158_phase last, Arena *arena);

/* What goes into linear layers over a chunk: x[CHUNK_TILES][channels][TILE], and the same in int8 where the model's
 * activations are (else NULL). */
typedef struct Activations {
    const float *x, *q_scale;
    const int8_t *q;
} Activations;

/* x as layers of `channels` inputs want it. Uses s->q until the next call. */
Activations activations(const Kernels *k, uint32_t activation_bits, const float *x, uint32_t channels, size_t n_tiles,
                        ChunkScratch *s);

/* y = finish(layer(x)) over n_tiles <= CHUNK_TILES tiles. */
void linear_tiles(const Kernels *k, const Linear *layer, Finish finish, Activations x, size_t n_tiles, float *y,
                  ChunkScratch *s);

#endif
