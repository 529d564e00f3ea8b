/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The encoder: two convolutions, sinusoidal positions, and blocks of self-attention and MLP, each with its norm in front
 * (whisper/model.py, AudioEncoder).
 *
 * Work is divided by frames. A worker takes a chunk of neighbouring tiles through everything that concerns these frames
 * alone; only attention looks at other frames. So a block is two loops over chunks: `project` makes keys and values of
 * all frames, `mix` makes queries, attends and does the rest of the block. Both begin with the same norm, which costs
 * less than what it gives would take to keep. What lies between two layers of a chunk never
 * leaves the worker's cache.
 */
#include "encoder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "attend.h"
#include "chunk.h"

/* The convolutions see columns: two to a frame, and one more on either side of the chunk. */
#define CHUNK_FRAMES (CHUNK_TILES * TILE)
#define STEM_TILES (2 * CHUNK_TILES + 1)

typedef struct Worker {
    ChunkScratch linear;
    float *normed;   /* [CHUNK_TILES][d][TILE], also attention's output */
    float *hidden;   /* [CHUNK_TILES][4d][TILE], also queries, and gathered input of the convolutions */
    float *columns;  /* [STEM_TILES][d][TILE]: output of the first convolution */
    float *scores;   /* [tiles(n_audio_ctx) x TILE][TILE], of attention in floats */
} Worker;

struct Encoder {
    const whisper158_model *model;
    const Kernels *k;
    Pool *pool;
    Worker *workers;

    float *x;     /* [tiles][d][TILE], the residual stream */
    KeyValues kv; /* of the block in progress */

    /* of the call in progress */
    const float *mel;
    uint32_t frames;
    const EncoderBlock *block;
};

/* norm(x) into w->normed, as the layers behind it want it. */
static Activations normed(const Encoder *e, const Norm *norm, const float *x, size_t n_tiles, Worker *w) {
    uint32_t d = e->model->info.n_audio_state;
    size_t step = (size_t)d * TILE;
    bool quantised = e->model->info.activation_bits == 8;

    for (size_t t = 0; t < n_tiles; t++) {
        if (quantised)
            e->k->norm_quantise_tile(x + t * step, norm->weight, norm->bias, d, w->normed + t * step,
                                     w->linear.q + t * step, w->linear.q_scale + t * TILE);
        else
            e->k->norm_tile(x + t * step, norm->weight, norm->bias, d, w->normed + t * step);
    }
    return (Activations){w->normed, w->linear.q_scale, quantised ? w->linear.q : NULL};
}

static void linear(const Encoder *e, const Linear *layer, Finish finish, Activations x, size_t n_tiles, float *y,
                   Worker *w) {
    linear_tiles(e->k, layer, finish, x, n_tiles, y, &w->linear);
}

/* ------------------------------------------------------------------------------------------------------ stem */

/* Input of the first convolution for columns first .. first + TILE - 1: out[tap x n_mels + band][lane]. Columns beyond
 * the spectrogram are zero, as the convolution pads. */
static void gather_mel(const Encoder *e, ptrdiff_t first, float *out) {
    uint32_t n_mels = e->model->info.n_mels;
    ptrdiff_t n_columns = 2 * (ptrdiff_t)e->frames;

    for (uint32_t tap = 0; tap < 3; tap++)
        for (uint32_t m = 0; m < n_mels; m++, out += TILE)
            for (uint32_t l = 0; l < TILE; l++) {
                ptrdiff_t column = first + (ptrdiff_t)(l + tap) - 1;

                out[l] = column >= 0 && column < n_columns ? e->mel[m * (size_t)n_columns + (size_t)column] : 0;
            }
}

/* columns[i] = GELU(conv1) at column first + i, zero outside of the spectrogram. */
static void first_convolution(const Encoder *e, ptrdiff_t first, size_t n_tiles, Worker *w) {
    uint32_t d = e->model->info.n_audio_state, channels = e->model->conv1.weight.channels;
    ptrdiff_t n_columns = 2 * (ptrdiff_t)e->frames;

    for (size_t t = 0, n; t < n_tiles; t += n) {
        n = n_tiles - t < CHUNK_TILES ? n_tiles - t : CHUNK_TILES;
        for (size_t i = 0; i < n; i++)
            gather_mel(e, first + (ptrdiff_t)((t + i) * TILE), w->hidden + i * channels * TILE);
        linear(e, &e->model->conv1, FINISH_GELU, (Activations){.x = w->hidden}, n, w->columns + t * d * TILE, w);
    }
    for (size_t i = 0; i < n_tiles * TILE; i++) {
        ptrdiff_t column = first + (ptrdiff_t)i;

        if (column < 0 || column >= n_columns)
            for (uint32_t c = 0; c < d; c++)
                w->columns[(i / TILE * d + c) * TILE + i % TILE] = 0;
    }
}

/* Input of the second convolution, stride 2, for tile `t` of the chunk: frame f sees columns 2f-1, 2f, 2f+1. */
static void gather_columns(const Encoder *e, size_t t, const Worker *w, float *out) {
    uint32_t d = e->model->info.n_audio_state;

    for (uint32_t tap = 0; tap < 3; tap++)
        for (uint32_t c = 0; c < d; c++, out += TILE)
            for (uint32_t l = 0; l < TILE; l++) {
                size_t column = 2 * (t * TILE + l) + tap; /* counted from the column before the chunk's first */

                out[l] = w->columns[(column / TILE * d + c) * TILE + column % TILE];
            }
}

static void add_positions(const Encoder *e, size_t first_frame, float *x) {
    uint32_t d = e->model->info.n_audio_state;

    for (uint32_t l = 0; l < TILE && first_frame + l < e->frames; l++)
        for (uint32_t c = 0; c < d; c++)
            x[c * TILE + l] += f16_to_f32(e->model->encoder_positions[(first_frame + l) * d + c]);
}

static void stem_chunk(void *arg, size_t chunk, uint32_t worker) {
    Encoder *e = arg;
    Worker *w = &e->workers[worker];
    uint32_t d = e->model->info.n_audio_state;
    size_t n_tiles = chunk_tiles(e->frames, chunk), first_frame = chunk * CHUNK_FRAMES;
    float *x = e->x + first_frame * d;

    first_convolution(e, 2 * (ptrdiff_t)first_frame - 1, 2 * n_tiles + 1, w);
    for (size_t t = 0; t < n_tiles; t++)
        gather_columns(e, t, w, w->hidden + t * 3 * d * TILE);
    linear(e, &e->model->conv2, FINISH_GELU, (Activations){.x = w->hidden}, n_tiles, x, w);
    for (size_t t = 0; t < n_tiles; t++)
        add_positions(e, first_frame + t * TILE, x + t * d * TILE);
}

/* ----------------------------------------------------------------------------------------------------- blocks */

/* keys, values = linear(norm(x)) */
static void project_chunk(void *arg, size_t chunk, uint32_t worker) {
    Encoder *e = arg;
    Worker *w = &e->workers[worker];
    const Attention *attn = &e->block->attn;
    size_t n = chunk_tiles(e->frames, chunk), at = chunk * CHUNK_TILES * e->model->info.n_audio_state * TILE;
    Activations x = normed(e, &attn->norm, e->x + at, n, w);

    key_values_project(&e->kv, e->k, attn, x, chunk, e->frames, w->hidden, &w->linear);
}

/* x += out(attention(query(norm(x)), keys, values)); x += down(GELU(up(norm(x)))) */
static void mix_chunk(void *arg, size_t chunk, uint32_t worker) {
    Encoder *e = arg;
    Worker *w = &e->workers[worker];
    const EncoderBlock *block = e->block;
    uint32_t d = e->model->info.n_audio_state, heads = e->model->info.n_audio_head, head_channels = d / heads;
    uint32_t bits = e->model->info.activation_bits;
    size_t step = (size_t)d * TILE, n = chunk_tiles(e->frames, chunk), at = chunk * CHUNK_TILES * step;
    float *x = e->x + at;

    linear(e, &block->attn.query, FINISH_STORE, normed(e, &block->attn.norm, x, n, w), n, w->hidden, w);
    for (size_t t = 0; t < n; t++)
        for (uint32_t h = 0; h < heads; h++) {
            size_t head = t * step + (size_t)h * head_channels * TILE;

            attend_frames_tile(&e->kv, e->k, h, w->hidden + head, e->frames, w->normed + head, w->scores);
        }
    linear(e, &block->attn.out, FINISH_ADD, activations(e->k, bits, w->normed, d, n, &w->linear), n, x, w);

    linear(e, &block->mlp.up, FINISH_GELU, normed(e, &block->mlp.norm, x, n, w), n, w->hidden, w);
    linear(e, &block->mlp.down, FINISH_ADD, activations(e->k, bits, w->hidden, 4 * d, n, &w->linear), n, x, w);
}

static void last_norm_chunk(void *arg, size_t chunk, uint32_t worker) {
    Encoder *e = arg;
    const Norm *norm = &e->model->encoder_norm;
    uint32_t d = e->model->info.n_audio_state;
    float *x = e->x + chunk * CHUNK_TILES * d * TILE;

    (void)worker;
    for (size_t t = 0; t < chunk_tiles(e->frames, chunk); t++, x += d * TILE)
        e->k->norm_tile(x, norm->weight, norm->bias, d, x);
}

void encoder_stem(Encoder *e, const float *mel, uint32_t frames) {
    e->mel = mel;
    e->frames = frames;
    pool_run(e->pool, stem_chunk, e, chunks(frames));
}

const float *encoder_blocks(Encoder *e, bool (*stopped)(void *user), void *user) {
    size_t n_chunks = chunks(e->frames);

    for (uint32_t i = 0; i < e->model->info.n_audio_layer; i++) {
        if (stopped && stopped(user))
            return NULL;
        e->block = &e->model->encoder[i];
        pool_run(e->pool, project_chunk, e, n_chunks);
        pool_run(e->pool, mix_chunk, e, n_chunks);
    }
    pool_run(e->pool, last_norm_chunk, e, n_chunks);
    return e->x;
}

/* ---------------------------------------------------------------------------------------------------- lifetime */

static uint32_t largest(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* What both halves of the encoder use, and what only one of them does. */
static void worker_lay_out(Worker *w, const whisper158_model_info *info, bool integers, Arena *arena) {
    const whisper158_phase stem = WHISPER158_PHASE_STEM, blocks = WHISPER158_PHASE_BLOCKS;
    uint32_t d = info->n_audio_state, widest = largest(4 * d, 3 * info->n_mels);
    size_t tile = (size_t)d * TILE * sizeof(float);

    w->hidden = arena_take(arena, "chunks", stem, blocks, PER_CONTEXT, (size_t)CHUNK_TILES * widest * TILE * sizeof(float));
    w->columns = arena_take(arena, "first convolution", stem, stem, PER_CONTEXT, STEM_TILES * tile);
    w->normed = arena_take(arena, "chunks", blocks, blocks, PER_CONTEXT, CHUNK_TILES * tile);
    if (!integers)
        w->scores = arena_take(arena, "scores", blocks, blocks, PER_AUDIO_TILE, TILE * TILE * sizeof *w->scores);
    chunk_scratch_lay_out(&w->linear, 4 * d, widest, stem, blocks, arena);
}

void encoder_lay_out(Encoder *e, Arena *arena) {
    const whisper158_phase blocks = WHISPER158_PHASE_BLOCKS;
    size_t tile = (size_t)e->model->info.n_audio_state * TILE * sizeof(float);

    e->x = arena_take(arena, "frames", WHISPER158_PHASE_STEM, WHISPER158_PHASE_CROSS, PER_AUDIO_TILE, tile);
    key_values_lay_out(&e->kv, e->model, e->model->info.n_audio_head, "keys, values", blocks, blocks, arena);
    for (uint32_t i = 0; i < pool_threads(e->pool); i++)
        worker_lay_out(&e->workers[i], &e->model->info, e->kv.integers, arena);
}

int encoder_new(Encoder **out, const whisper158_model *model, const Kernels *kernels, Pool *pool) {
    Encoder *e = calloc(1, sizeof *e);

    if (!e)
        return -ENOMEM;
    *e = (Encoder){.model = model, .k = kernels, .pool = pool};
    e->workers = calloc(pool_threads(pool), sizeof *e->workers);
    if (!e->workers) {
        encoder_free(e);
        return -ENOMEM;
    }
    *out = e;
    return 0;
}

Encoder *encoder_free(Encoder *e) {
    if (!e)
        return NULL;
    free(e->workers);
    free(e);
    return NULL;
}
