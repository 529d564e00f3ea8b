/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Attention to the frames of the audio: the encoder's own, and the decoder's cross-attention.
 *
 * Keys and values are floats as they come from the matrix product, or 7-bit integers in blocks (kernels.h), which take
 * a quarter of the memory and less than half of the time. Which, the model says.
 */
#include "attend.h"

_Static_assert(CHUNK_TILES * TILE % BLOCK == 0, "a chunk fills whole blocks");

void key_values_lay_out(KeyValues *kv, const whisper158_model *model, uint32_t heads, const char *name,
                        whisper158_phase first, whisper158_phase last, Arena *arena) {
    uint32_t channels = model->info.n_audio_state, n = channels / heads;
    size_t tile = (size_t)channels * TILE * sizeof(float);

    *kv = (KeyValues){.channels = channels, .heads = heads, .integers = model_attends_in_integers(model)};
    if (kv->integers) {
        kv->key_blocks = arena_take(arena, name, first, last, PER_AUDIO_BLOCK, heads * key_block_bytes(n));
        kv->value_blocks = arena_take(arena, name, first, last, PER_AUDIO_BLOCK, heads * value_block_bytes(n));
    } else {
        kv->key = arena_take(arena, name, first, last, PER_AUDIO_TILE, tile);
        kv->value = arena_take(arena, name, first, last, PER_AUDIO_TILE, tile);
    }
}

typedef void Pack(const float *x, size_t stride, size_t frames, uint32_t head_channels, void *block);

/* Packs a chunk's frames x[tile][channels][TILE], of all heads. */
static void pack_chunk(const KeyValues *kv, Pack *pack, const float *x, size_t chunk, size_t frames, size_t block_bytes,
                       uint8_t *out) {
    uint32_t head_channels = kv->channels / kv->heads;
    size_t stride = (size_t)kv->channels * TILE, first = chunk * CHUNK_TILES * TILE / BLOCK;

    for (size_t b = first; b < blocks(frames) && b < first + CHUNK_TILES * TILE / BLOCK; b++)
        for (uint32_t h = 0; h < kv->heads; h++)
            pack(x + (b - first) * (BLOCK / TILE) * stride + (size_t)h * head_channels * TILE, stride,
                 block_frames(frames, b), head_channels, out + (b * kv->heads + h) * block_bytes);
}

void key_values_project(KeyValues *kv, const Kernels *k, const Attention *attn, Activations x, size_t chunk,
                        size_t frames, float *scratch, ChunkScratch *s) {
    size_t n = chunk_tiles(frames, chunk), at = chunk * CHUNK_TILES * kv->channels * TILE;
    uint32_t head_channels = kv->channels / kv->heads;

    linear_tiles(k, &attn->key, FINISH_STORE, x, n, kv->integers ? scratch : kv->key + at, s);
    if (kv->integers)
        pack_chunk(kv, k->pack_keys, scratch, chunk, frames, key_block_bytes(head_channels), kv->key_blocks);
    linear_tiles(k, &attn->value, FINISH_STORE, x, n, kv->integers ? scratch : kv->value + at, s);
    if (kv->integers)
        pack_chunk(kv, k->pack_values, scratch, chunk, frames, value_block_bytes(head_channels), kv->value_blocks);
}

/* Either with the kernel for packed blocks or with that for float tiles, both for as many queries. */
static void attend_head(const KeyValues *kv, AttendI8 *integers, AttendF32 *floats, uint32_t head, const float *q,
                        size_t frames, float *y, float *scores) {
    uint32_t n = kv->channels / kv->heads;
    size_t keys = key_block_bytes(n), values = value_block_bytes(n), first = (size_t)head * n * TILE;

    if (kv->integers)
        integers(q, kv->key_blocks + head * keys, kv->heads * keys, kv->value_blocks + head * values,
                 kv->heads * values, frames, n, y);
    else
        floats(q, kv->key + first, kv->value + first, (size_t)kv->channels * TILE, frames, n, y, scores);
}

void attend_frames_tile(const KeyValues *kv, const Kernels *k, uint32_t head, const float *q, size_t frames, float *y,
                        float *scores) {
    attend_head(kv, k->attend_tile_i8, k->attend_tile, head, q, frames, y, scores);
}

void attend_frames(const KeyValues *kv, const Kernels *k, uint32_t head, const float *q, size_t frames, float *y,
                   float *scores) {
    attend_head(kv, k->attend_i8, k->attend, head, q, frames, y, scores);
}
