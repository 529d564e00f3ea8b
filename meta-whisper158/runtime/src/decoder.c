/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The decoder: token and position embedding, blocks of self-attention, cross-attention to the audio and MLP, and the
 * embedding again as output head (whisper/model.py, TextDecoder). One token at a time.
 *
 * Self-attention's keys and values are kept as the encoder keeps its activations, [tile][channel][TILE] with the
 * positions in the lanes, and grow lane by lane; cross-attention's are attend.c's.
 */
#include "decoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attend.h"
#include "chunk.h"

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
    float **projected;    /* [threads][CHUNK_TILES][d][TILE], of cross-attention in integers */
    float **scores;       /* [threads][tiles(longest context) x TILE] */

    Cache *self;      /* [n_text_layer] */
    KeyValues *cross; /* [n_text_layer] */
    uint32_t frames;  /* in cross */
    uint32_t length;  /* in self */

    float *x, *normed, *query, *mixed, *residual; /* [d] */
    float *hidden;                                /* [4d] */
    int8_t *q;                                    /* [4d] */
    int16_t *q16;                                 /* [4d] */
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

    key_values_project(&d->cross[layer], d->k, cross, x, chunk, d->frames, d->projected[worker], s);
}

void decoder_forget(Decoder *d) {
    d->frames = 0;
    d->length = 0;
}

void decoder_listen(Decoder *d, const float *encoded, uint32_t frames) {
    Listen job = {d, encoded, chunks(frames)};

    d->frames = frames;
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
    const int8_t *q;    /* NULL: use q16 */
    const int16_t *q16; /* NULL: use x */
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
    else if (job->q16)
        job->k->gemv_i16[job->w->format](job->w, job->bias, job->q16, job->q_scale, first, last, job->y);
    else
        job->k->gemv_f32[job->w->format](job->w, job->bias, job->x, first, last, job->y);
}

uint32_t decoder_item_rows(const Matrix *w) {
    uint32_t rows = (ITEM_WEIGHTS / w->channels + 3) / 4 * 4;

    return rows ? rows : 4;
}

static void gemv(const Decoder *d, Gemv job) {
    job.k = d->k;
    job.rows = decoder_item_rows(job.w);
    pool_run(d->pool, gemv_rows, &job, (job.w->rows + job.rows - 1) / job.rows);
}

/* y = w x + bias. Activations have 8 bits only where the model was made for that; weights of 8 or 4 bits meet 14 bits
 * of them else, which is as good as floats. */
static void multiply(Decoder *d, const Matrix *w, const float *bias, bool in_8_bits, const float *x, float *y) {
    Gemv job = {.w = w, .bias = bias, .x = x, .y = y};

    if (in_8_bits && w->format != MATRIX_F16) {
        d->k->quantise(x, w->channels, d->q, &job.q_scale);
        job.q = d->q;
    } else if (kernels_have_i16(d->k, w)) {
        d->k->quantise_i16(x, w->channels, d->q16, &job.q_scale);
        job.q16 = d->q16;
    }
    gemv(d, job);
}

/* y = layer(x) */
static void linear(Decoder *d, const Linear *layer, const float *x, float *y) {
    multiply(d, &layer->weight, layer->bias, d->model->info.activation_bits == 8, x, y);
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
    const Cache *self;      /* one of these two */
    const KeyValues *cross;
    size_t frames;
} Heads;

static void attend_head(void *arg, size_t head, uint32_t worker) {
    const Heads *job = arg;
    Decoder *d = job->decoder;
    uint32_t state = d->model->info.n_text_state, channels = state / d->model->info.n_text_head;
    size_t first = head * channels;

    if (job->cross)
        attend_frames(job->cross, d->k, (uint32_t)head, d->query + first, job->frames, d->mixed + first,
                      d->scores[worker]);
    else
        d->k->attend(d->query + first, job->self->key + first * TILE, job->self->value + first * TILE,
                     (size_t)state * TILE, job->frames, channels, d->mixed + first, d->scores[worker]);
}

/* mixed = attention of query */
static void attend(Decoder *d, Heads job) {
    if (job.frames * d->model->info.n_text_state >= ITEM_WEIGHTS) {
        pool_run(d->pool, attend_head, &job, d->model->info.n_text_head);
        return;
    }
    for (size_t head = 0; head < d->model->info.n_text_head; head++)
        attend_head(&job, head, 0);
}

/* Lanes that have no position yet are multiplied by zero, which not every float survives: a new tile begins as zeros. */
static void put_lane(float *cache, uint32_t state, uint32_t position, const float *x) {
    float *lane = cache + (size_t)(position / TILE) * state * TILE + position % TILE;

    if (position % TILE == 0)
        memset(lane, 0, (size_t)state * TILE * sizeof *lane);
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
    attend(d, (Heads){.decoder = d, .self = cache, .frames = d->length + 1});
    add_linear(d, &attn->out, d->mixed);
}

static void cross_attention(Decoder *d, const Attention *attn, const KeyValues *kv) {
    norm(d, &attn->norm, d->x, d->normed);
    linear(d, &attn->query, d->normed, d->query);
    attend(d, (Heads){.decoder = d, .cross = kv, .frames = d->frames});
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
        multiply(d, &d->model->embedding, NULL, false, d->normed, logits);
    }
}

/* ------------------------------------------------------------------------------------------------------ lifetime */

static void caches_lay_out(Decoder *d, Arena *arena) {
    const whisper158_phase cross = WHISPER158_PHASE_CROSS, text = WHISPER158_PHASE_TEXT;
    const whisper158_model_info *info = &d->model->info;
    size_t tile = (size_t)info->n_text_state * TILE * sizeof(float);

    for (uint32_t i = 0; i < info->n_text_layer; i++) {
        d->self[i].key = arena_take(arena, "cache of the text", text, text, PER_TEXT_TILE, tile);
        d->self[i].value = arena_take(arena, "cache of the text", text, text, PER_TEXT_TILE, tile);
        key_values_lay_out(&d->cross[i], d->model, info->n_text_head, "cache of the audio", cross, text, arena);
    }
}

static float *vector(Arena *arena, size_t n) {
    return arena_take(arena, "token", WHISPER158_PHASE_TEXT, WHISPER158_PHASE_TEXT, PER_CONTEXT, n * sizeof(float));
}

void decoder_lay_out(Decoder *d, Arena *arena) {
    const whisper158_phase cross = WHISPER158_PHASE_CROSS, text = WHISPER158_PHASE_TEXT;
    const whisper158_model_info *info = &d->model->info;
    uint32_t state = info->n_text_state;
    bool integers = model_attends_in_integers(d->model);
    Unit longest = info->n_audio_ctx > info->n_text_ctx && !integers ? PER_AUDIO_TILE : PER_TEXT_TILE;

    d->x = vector(arena, state);
    d->normed = vector(arena, state);
    d->query = vector(arena, state);
    d->mixed = vector(arena, state);
    d->residual = vector(arena, state);
    d->hidden = vector(arena, 4 * (size_t)state);
    d->q = arena_take(arena, "token", text, text, PER_CONTEXT, 4 * (size_t)state);
    d->q16 = arena_take(arena, "token", text, text, PER_CONTEXT, 4 * state * sizeof *d->q16);
    for (uint32_t i = 0; i < pool_threads(d->pool); i++) {
        d->scores[i] = arena_take(arena, "scores", text, text, longest, TILE * sizeof **d->scores);
        chunk_scratch_lay_out(&d->chunks[i], state, state, cross, cross, arena);
        if (integers)
            d->projected[i] = arena_take(arena, "chunks", cross, cross, PER_CONTEXT,
                                         (size_t)CHUNK_TILES * state * TILE * sizeof **d->projected);
    }
    caches_lay_out(d, arena);
}

int decoder_new(Decoder **out, const whisper158_model *model, const Kernels *kernels, Pool *pool) {
    uint32_t layers = model->info.n_text_layer, threads = pool_threads(pool);
    Decoder *d = calloc(1, sizeof *d);

    if (!d)
        return -ENOMEM;
    *d = (Decoder){.model = model, .k = kernels, .pool = pool};
    d->chunks = calloc(threads, sizeof *d->chunks);
    d->projected = calloc(threads, sizeof *d->projected);
    d->scores = calloc(threads, sizeof *d->scores);
    d->self = calloc(layers, sizeof *d->self);
    d->cross = calloc(layers, sizeof *d->cross);
    if (!d->chunks || !d->projected || !d->scores || !d->self || !d->cross) {
        decoder_free(d);
        return -ENOMEM;
    }
    *out = d;
    return 0;
}

Decoder *decoder_free(Decoder *d) {
    if (!d)
        return NULL;
    free(d->chunks);
    free(d->projected);
    free(d->scores);
    free(d->self);
    free(d->cross);
    free(d);
    return NULL;
}
