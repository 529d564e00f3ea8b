/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The decoder: token and position embedding, blocks of self-attention, cross-attention to the audio and MLP, and the
 * embedding again as output head (whisper/model.py, TextDecoder). One token at a time.
 *
 * Keys and values are kept as the encoder keeps its activations, [tile][channel][TILE] with the positions in the lanes:
 * cross-attention's come so from the matrix product, and self-attention's grow lane by lane.
 */
#include "decoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "memory.h"

/* Weights that one work item multiplies at least; below that, waking a thread costs more than it brings. */
#define ITEM_WEIGHTS 65536u

typedef struct Cache {
    float *key, *value; /* [tiles][d][TILE] */
} Cache;

struct Decoder {
    const whisper158_model *model;
    const Kernels *k;
    Pool *pool;
    ChunkScratch *chunks; /* [threads], for cross-attention's keys and values */
    float **scores;       /* [threads][tiles(longest context) x TILE] */

    Cache *self, *cross; /* [n_text_layer] */
    uint32_t frames;     /* in cross */
    uint32_t length;     /* in self */

    float *x, *normed, *query, *mixed, *residual; /* [d] */
    float *hidden;                                /* [4d] */
    int8_t *q;                                    /* [4d] */
};

/* ----------------------------------------------------------------------------------------------------- listening */

typedef struct Listen {
    Decoder *decoder;
    const float *encoded;
    size_t n_chunks;
} Listen;

static void listen_chunk(void *arg, size_t item, uint32_t worker) {
    const Listen *job = arg;
    Decoder *d = job->decoder;
    size_t layer = item / job->n_chunks, chunk = item % job->n_chunks, n = chunk_tiles(d->frames, chunk);
    size_t at = chunk * CHUNK_TILES * d->model->info.n_text_state * TILE;
    const Attention *cross = &d->model->decoder[layer].cross;
    ChunkScratch *s = &d->chunks[worker];
    Activations x = activations(d->k, d->model->info.activation_bits, job->encoded + at, d->model->info.n_text_state, n, s);

    linear_tiles(d->k, &cross->key, FINISH_STORE, x, n, d->cross[layer].key + at, s);
    linear_tiles(d->k, &cross->value, FINISH_STORE, x, n, d->cross[layer].value + at, s);
}

void decoder_listen(Decoder *d, const float *encoded, uint32_t frames) {
    Listen job = {d, encoded, chunks(frames)};

    d->frames = frames;
    d->length = 0;
    pool_run(d->pool, listen_chunk, &job, job.n_chunks * d->model->info.n_text_layer);
}

uint32_t decoder_frames(const Decoder *d) {
    return d->frames;
}

uint32_t decoder_length(const Decoder *d) {
    return d->length;
}

void decoder_rewind(Decoder *d, uint32_t length) {
    if (length < d->length)
        d->length = length;
}

/* ------------------------------------------------------------------------------------------------ one token's layers */

typedef struct Gemv {
    const Kernels *k;
    const Matrix *w;
    const float *bias, *x;
    const int8_t *q; /* NULL: use x */
    float q_scale;
    float *y;
    uint32_t rows; /* of one item, a multiple of 4 */
} Gemv;

static void gemv_rows(void *arg, size_t item, uint32_t worker) {
    const Gemv *job = arg;
    uint32_t first = (uint32_t)item * job->rows;
    uint32_t last = job->w->rows - first < job->rows ? job->w->rows : first + job->rows;

    (void)worker;
    if (job->q)
        job->k->gemv_i8[job->w->format](job->w, job->bias, job->q, job->q_scale, first, last, job->y);
    else
        job->k->gemv_f32[job->w->format](job->w, job->bias, job->x, first, last, job->y);
}

static void gemv(const Decoder *d, const Matrix *w, const float *bias, const float *x, const int8_t *q, float q_scale,
                 float *y) {
    uint32_t rows = (ITEM_WEIGHTS / w->channels + 3) / 4 * 4;
    Gemv job = {d->k, w, bias, x, q, q_scale, y, rows ? rows : 4};

    pool_run(d->pool, gemv_rows, &job, (w->rows + job.rows - 1) / job.rows);
}

/* y = layer(x) */
static void linear(Decoder *d, const Linear *layer, const float *x, float *y) {
    float scale = 0;
    bool quantised = d->model->info.activation_bits == 8 && layer->weight.format != MATRIX_F16;

    if (quantised)
        d->k->quantise(x, layer->weight.channels, d->q, &scale);
    gemv(d, &layer->weight, layer->bias, x, quantised ? d->q : NULL, scale, y);
}

static void norm(const Decoder *d, const Norm *n, const float *x, float *y) {
    d->k->norm(x, n->weight, n->bias, d->model->info.n_text_state, y);
}

static void add_linear(Decoder *d, const Linear *layer, const float *x) {
    linear(d, layer, x, d->residual);
    for (uint32_t c = 0; c < layer->weight.rows; c++)
        d->x[c] += d->residual[c];
}

typedef struct Heads {
    Decoder *decoder;
    const Cache *cache;
    size_t frames;
} Heads;

static void attend_head(void *arg, size_t head, uint32_t worker) {
    const Heads *job = arg;
    Decoder *d = job->decoder;
    uint32_t state = d->model->info.n_text_state, channels = state / d->model->info.n_text_head;
    size_t first = head * channels;

    d->k->attend(d->query + first, job->cache->key + first * TILE, job->cache->value + first * TILE,
                 (size_t)state * TILE, job->frames, channels, d->mixed + first, d->scores[worker]);
}

/* mixed = attention of query over `frames` positions of the cache */
static void attend(Decoder *d, const Cache *cache, size_t frames) {
    Heads job = {d, cache, frames};

    if (frames * d->model->info.n_text_state >= ITEM_WEIGHTS) {
        pool_run(d->pool, attend_head, &job, d->model->info.n_text_head);
        return;
    }
    for (size_t head = 0; head < d->model->info.n_text_head; head++)
        attend_head(&job, head, 0);
}

static void put_lane(float *cache, uint32_t state, uint32_t position, const float *x) {
    float *lane = cache + (size_t)(position / TILE) * state * TILE + position % TILE;

    for (uint32_t c = 0; c < state; c++)
        lane[c * TILE] = x[c];
}

static void self_attention(Decoder *d, const Attention *attn, Cache *cache) {
    uint32_t state = d->model->info.n_text_state;

    norm(d, &attn->norm, d->x, d->normed);
    linear(d, &attn->key, d->normed, d->residual);
    put_lane(cache->key, state, d->length, d->residual);
    linear(d, &attn->value, d->normed, d->residual);
    put_lane(cache->value, state, d->length, d->residual);
    linear(d, &attn->query, d->normed, d->query);
    attend(d, cache, d->length + 1);
    add_linear(d, &attn->out, d->mixed);
}

static void cross_attention(Decoder *d, const Attention *attn, const Cache *cache) {
    norm(d, &attn->norm, d->x, d->normed);
    linear(d, &attn->query, d->normed, d->query);
    attend(d, cache, d->frames);
    add_linear(d, &attn->out, d->mixed);
}

static void mlp(Decoder *d, const Mlp *m) {
    norm(d, &m->norm, d->x, d->normed);
    linear(d, &m->up, d->normed, d->hidden);
    d->k->gelu(d->hidden, m->up.weight.rows);
    add_linear(d, &m->down, d->hidden);
}

static void embed(Decoder *d, uint32_t token) {
    uint32_t state = d->model->info.n_text_state;
    const uint16_t *position = d->model->decoder_positions + (size_t)d->length * state;

    d->k->dequantise_row(&d->model->embedding, token, d->x);
    for (uint32_t c = 0; c < state; c++)
        d->x[c] += f16_to_f32(position[c]);
}

void decoder_step(Decoder *d, uint32_t token, float *logits) {
    embed(d, token);
    for (uint32_t i = 0; i < d->model->info.n_text_layer; i++) {
        const DecoderBlock *block = &d->model->decoder[i];

        self_attention(d, &block->attn, &d->self[i]);
        cross_attention(d, &block->cross, &d->cross[i]);
        mlp(d, &block->mlp);
    }
    d->length++;
    if (logits) {
        norm(d, &d->model->decoder_norm, d->x, d->normed);
        gemv(d, &d->model->embedding, NULL, d->normed, NULL, 0, logits);
    }
}

/* ------------------------------------------------------------------------------------------------------ lifetime */

static int caches_init(Cache **out, uint32_t layers, size_t positions, uint32_t state) {
    Cache *caches = calloc(layers, sizeof *caches);

    *out = caches;
    for (uint32_t i = 0; caches && i < layers; i++) {
        caches[i].key = floats(tiles(positions) * state * TILE);
        caches[i].value = floats(tiles(positions) * state * TILE);
        if (!caches[i].key || !caches[i].value)
            return -ENOMEM;
    }
    return caches ? 0 : -ENOMEM;
}

static void caches_free(Cache *caches, uint32_t layers) {
    for (uint32_t i = 0; caches && i < layers; i++) {
        free(caches[i].key);
        free(caches[i].value);
    }
    free(caches);
}

static int decoder_allocate(Decoder *d) {
    const whisper158_model_info *info = &d->model->info;
    uint32_t state = info->n_text_state, threads = pool_threads(d->pool);
    uint32_t longest = info->n_audio_ctx > info->n_text_ctx ? info->n_audio_ctx : info->n_text_ctx;

    d->x = floats(state);
    d->normed = floats(state);
    d->query = floats(state);
    d->mixed = floats(state);
    d->residual = floats(state);
    d->hidden = floats(4 * (size_t)state);
    d->q = aligned_array(4 * (size_t)state, 1);
    d->chunks = calloc(threads, sizeof *d->chunks);
    d->scores = calloc(threads, sizeof *d->scores);
    if (!d->x || !d->normed || !d->query || !d->mixed || !d->residual || !d->hidden || !d->q || !d->chunks || !d->scores)
        return -ENOMEM;
    for (uint32_t i = 0; i < threads; i++) {
        d->scores[i] = floats(tiles(longest) * TILE);
        if (!d->scores[i] || chunk_scratch_init(&d->chunks[i], state, state) < 0)
            return -ENOMEM;
    }
    if (caches_init(&d->self, info->n_text_layer, info->n_text_ctx, state) < 0)
        return -ENOMEM;
    return caches_init(&d->cross, info->n_text_layer, info->n_audio_ctx, state);
}

int decoder_new(Decoder **out, const whisper158_model *model, const Kernels *kernels, Pool *pool) {
    Decoder *d = calloc(1, sizeof *d);
    int r;

    if (!d)
        return -ENOMEM;
    *d = (Decoder){.model = model, .k = kernels, .pool = pool};
    r = decoder_allocate(d);
    if (r < 0) {
        decoder_free(d);
        return r;
    }
    *out = d;
    return 0;
}

Decoder *decoder_free(Decoder *d) {
    if (!d)
        return NULL;
    for (uint32_t i = 0; i < pool_threads(d->pool); i++) {
        if (d->chunks)
            chunk_scratch_free(&d->chunks[i]);
        if (d->scores)
            free(d->scores[i]);
    }
    free(d->chunks);
    free(d->scores);
    caches_free(d->self, d->model->info.n_text_layer);
    caches_free(d->cross, d->model->info.n_text_layer);
    free(d->x);
    free(d->normed);
    free(d->query);
    free(d->mixed);
    free(d->residual);
    free(d->hidden);
    free(d->q);
    free(d);
    return NULL;
}
