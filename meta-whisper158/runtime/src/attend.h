/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_ATTEND_H
#define W158_ATTEND_H

#include "arena.h"
#include "chunk.h"
#include "kernels/kernels.h"
#include "model.h"

/* Keys and values of all heads over the frames of the audio. */
typedef struct KeyValues {
    uint32_t channels, heads;
    bool integers;       /* then keys and values are packed in blocks, else they are floats */
    float *key, *value;  /* [tiles][channels][TILE] */
    uint8_t *key_blocks; /* [blocks][heads][key_block_bytes] */
    uint8_t *value_blocks;
} KeyValues;

/* Takes the arrays; they live from phase `first` on until `last`. */
void key_values_lay_out(KeyValues *kv, const whisper158_model *model, uint32_t heads, const char *name,
                        whisper158_phase first, whisper158_phase last, Arena *arena);

/* Keys and values of one chunk, made by attn's layers from x. scratch: CHUNK_TILES x channels x TILE floats. */
void key_values_project(KeyValues *kv, const Kernels *k, const Attention *attn, Activations x, size_t chunk,
                        size_t frames, float *scratch, ChunkScratch *s);

/* One head's attention over `frames` frames: a tile of queries [channels of the head][TILE], or a single one.
 * scores: what the kernels for floats need. */
void attend_frames_tile(const KeyValues *kv, const Kernels *k, uint32_t head, const float *q, size_t frames, float *y,
                        float *scores);
void attend_frames(const KeyValues *kv, const Kernels *k, uint32_t head, const float *q, size_t frames, float *y,
                   float *scores);

#endif
