/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A context: everything that one transcription needs besides the model, allocated at once, and the stages of the
 * pipeline under their public names.
 */
#include "context.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "tuning.h"

const char *whisper158_version(void) {
    return WHISPER158_VERSION;
}

const char *whisper158_kernels_name(uint32_t index) {
    Kernels k;

    return kernels_init(&k, index) < 0 ? NULL : k.name;
}

static int choose_kernels(Kernels *out, const char *name, whisper158_error *error) {
    Kernels k;

    for (uint32_t i = 0; kernels_init(&k, i) == 0; i++) {
        *out = k; /* without a name the last one, the best, stays */
        if (name && strcmp(name, k.name) == 0)
            return 0;
    }
    if (!name)
        return 0;
    return w158_fail(error, -EINVAL, "there are no kernels named '%s' for this processor", name);
}

/* How many threads listen to audio, and how many decode. */
static void choose_threads(whisper158_context *c, const whisper158_context_options *options) {
    const whisper158_tuning *tuning = options ? options->tuning : NULL;
    uint32_t usual = machine_threads();

    c->listeners = c->decoders = options && options->threads ? options->threads : usual;
    if (tuning && !options->threads && tuning_fits(tuning, &c->kernels)) {
        c->listeners = tuning_threads(&tuning->encode, usual);
        c->decoders = tuning_threads(&tuning->decode, usual);
    }
}

void context_units(size_t frames, size_t tokens, size_t units[N_UNITS]) {
    units[PER_CONTEXT] = 1;
    units[PER_AUDIO_TILE] = tiles(frames);
    units[PER_AUDIO_BLOCK] = blocks(frames);
    units[PER_TEXT_TILE] = tiles(tokens);
}

/* Done twice: see arena.c. */
static void lay_out(whisper158_context *c) {
    const whisper158_model_info *info = &c->model->info;
    size_t columns = 2 * TILE; /* of a tile of frames */

    mel_lay_out(c->mel, &c->arena);
    c->window = arena_take(&c->arena, "spectrogram", WHISPER158_PHASE_MEL, WHISPER158_PHASE_STEM, PER_AUDIO_TILE,
                           info->n_mels * columns * sizeof *c->window);
    encoder_lay_out(c->encoder, &c->arena);
    decoder_lay_out(c->decoder, &c->arena);
    c->logits = arena_take(&c->arena, "logits", WHISPER158_PHASE_TEXT, WHISPER158_PHASE_TEXT, PER_CONTEXT,
                           info->n_vocab * sizeof *c->logits);
}

static int make_arena(whisper158_context *c) {
    size_t units[N_UNITS];
    int r;

    context_units(c->model->info.n_audio_ctx, c->model->info.n_text_ctx, units);
    arena_init(&c->arena, units);
    lay_out(c);
    r = arena_map(&c->arena);
    if (r < 0)
        return r;
    lay_out(c);
    arena_enter(&c->arena, WHISPER158_PHASE_MEL);
    return 0;
}

int whisper158_context_new(whisper158_context **out, const whisper158_model *model,
                           const whisper158_context_options *options, whisper158_error *error) {
    whisper158_context *c;
    uint32_t threads;
    int r;

    if (!out || !model)
        return w158_fail(error, -EINVAL, "whisper158_context_new needs a model and a place for the context");
    if (options && options->threads > WHISPER158_MAX_THREADS)
        return w158_fail(error, -EINVAL, "%u threads are more than %d", options->threads, WHISPER158_MAX_THREADS);
    if (options && options->tuning && options->tuning->model != whisper158_model_get_id(model))
        return w158_fail(error, -EINVAL, "the tuning is about another model");
    c = calloc(1, sizeof *c);
    if (!c)
        return w158_fail(error, -ENOMEM, "no memory for a context");
    c->model = model;
    c->keep_pages = options && options->keep_pages;
    r = choose_kernels(&c->kernels, options ? options->kernels : NULL, error);
    if (r < 0) {
        free(c);
        return r;
    }
    if (options && options->tuning)
        tuning_apply(options->tuning, &c->kernels);
    choose_threads(c, options);
    threads = c->listeners > c->decoders ? c->listeners : c->decoders;
    r = pool_new(&c->pool, threads);
    if (r >= 0)
        r = mel_new(&c->mel, model->mel_filters, model->info.n_mels, threads);
    if (r >= 0)
        r = encoder_new(&c->encoder, model, &c->kernels, c->pool);
    if (r >= 0)
        r = decoder_new(&c->decoder, model, &c->kernels, c->pool);
    if (r >= 0)
        r = make_arena(c);
    if (r < 0) {
        whisper158_context_free(c);
        if (r == -ENOMEM)
            return w158_fail(error, r, "no memory for a context of this model");
        return w158_fail(error, r, "cannot start %u threads: %s", threads, strerror(-r));
    }
    *out = c;
    return 0;
}

whisper158_context *whisper158_context_free(whisper158_context *c) {
    if (!c)
        return NULL;
    arena_free(&c->arena);
    decoder_free(c->decoder);
    encoder_free(c->encoder);
    mel_free(c->mel);
    pool_free(c->pool);
    free(c);
    return NULL;
}

void whisper158_context_get_timings(const whisper158_context *context, whisper158_timings *out) {
    *out = context->timings;
}

/* ------------------------------------------------------------------------------------------------------ stages */

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

int context_check_samples(const float *samples, size_t count, whisper158_error *error) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(samples[i]) <= WHISPER158_MAX_SAMPLE)) /* so that NaN is not */
            return w158_fail(error, -EINVAL, "sample %zu (at %.2f s) is %g, and no sound", i,
                             (double)i / WHISPER158_SAMPLE_RATE, (double)samples[i]);
    return 0;
}

void context_enter(whisper158_context *c, whisper158_phase phase, uint32_t frames) {
    size_t units[N_UNITS];

    context_units(frames, 0, units); /* of text there is none yet */
    if (phase != WHISPER158_PHASE_TEXT)
        decoder_forget(c->decoder);
    pool_limit(c->pool, phase == WHISPER158_PHASE_TEXT ? c->decoders : c->listeners);
    arena_enter(&c->arena, phase);
    if (c->keep_pages)
        return;
    arena_release(&c->arena, phase, units);
    model_release(c->model, phase);
}

int context_listen(whisper158_context *c, const float *mel, uint32_t frames, bool (*stopped)(void *user), void *user,
                   const float **out, whisper158_error *error) {
    const float *encoded;

    context_enter(c, WHISPER158_PHASE_STEM, frames);
    encoder_stem(c->encoder, mel, frames);
    context_enter(c, WHISPER158_PHASE_BLOCKS, frames);
    encoded = encoder_blocks(c->encoder, stopped, user);
    context_enter(c, WHISPER158_PHASE_CROSS, frames);
    if (!encoded)
        return -ECANCELED;
    if (!all_finite(encoded, tiles(frames) * c->model->info.n_audio_state * TILE))
        return w158_fail(error, -EDOM, "the encoder's numbers overflowed: the model's weights cannot be right");
    decoder_listen(c->decoder, encoded, frames);
    if (out)
        *out = encoded;
    return 0;
}

int whisper158_mel(whisper158_context *c, const float *samples, size_t count, uint32_t columns, float *out,
                   whisper158_error *error) {
    float loudest;
    int r;

    if (!c || !out || (!samples && count) || columns == 0)
        return w158_fail(error, -EINVAL, "whisper158_mel needs samples, at least one column and a place for the result");
    r = context_check_samples(samples, count, error);
    if (r < 0)
        return r;
    loudest = mel_log_power(c->mel, c->pool, samples, count, 0, columns, out, columns);
    mel_scale(out, (size_t)c->model->info.n_mels * columns, loudest);
    return 0;
}

int whisper158_encode(whisper158_context *c, const float *mel, uint32_t frames, float *out, whisper158_error *error) {
    uint32_t d;
    const float *encoded;
    int r;

    if (!c || !mel || frames == 0 || frames > c->model->info.n_audio_ctx)
        return w158_fail(error, -EINVAL, "whisper158_encode needs a spectrogram of 1 to n_audio_ctx frames");
    d = c->model->info.n_audio_state;
    r = context_listen(c, mel, frames, NULL, NULL, &encoded, error);
    if (r < 0)
        return r;
    for (size_t f = 0; out && f < frames; f++)
        for (uint32_t channel = 0; channel < d; channel++)
            out[f * d + channel] = encoded[(f / TILE * d + channel) * TILE + f % TILE];
    context_enter(c, WHISPER158_PHASE_TEXT, frames);
    return 0;
}

int whisper158_decode(whisper158_context *c, const uint32_t *tokens, size_t count, float *logits, whisper158_error *error) {
    if (!c || !tokens || count == 0)
        return w158_fail(error, -EINVAL, "whisper158_decode needs tokens");
    if (decoder_frames(c->decoder) == 0)
        return w158_fail(error, -EINVAL, "whisper158_decode needs whisper158_encode before it");
    if (count > c->model->info.n_text_ctx - decoder_length(c->decoder))
        return w158_fail(error, -ENOSPC, "%zu tokens do not fit behind %u of at most %u", count, decoder_length(c->decoder),
                         c->model->info.n_text_ctx);
    for (size_t i = 0; i < count; i++)
        if (tokens[i] >= c->model->info.n_vocab)
            return w158_fail(error, -EINVAL, "token %u is not below n_vocab, %u", tokens[i], c->model->info.n_vocab);
    for (size_t i = 0; i < count; i++)
        decoder_step(c->decoder, tokens[i], i + 1 == count ? logits : NULL);
    return 0;
}

int whisper158_decode_rewind(whisper158_context *c, size_t count) {
    if (!c || count > decoder_length(c->decoder))
        return -EINVAL;
    decoder_rewind(c->decoder, (uint32_t)count);
    return 0;
}
