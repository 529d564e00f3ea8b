/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_CONTEXT_H
#define W158_CONTEXT_H

#include "arena.h"
#include "decoder.h"
#include "encoder.h"
#include "kernels/kernels.h"
#include "mel.h"
#include "model.h"
#include "pool.h"

struct whisper158_context {
    const whisper158_model *model;
    Kernels kernels;
    Pool *pool;
    uint32_t listeners, decoders; /* threads of the pool that work before WHISPER158_PHASE_TEXT, and in it */
    Mel *mel;
    Encoder *encoder;
    Decoder *decoder;
    Arena arena;
    bool keep_pages;
    float *window; /* [n_mels][2 x frames of the window] */
    float *logits; /* [n_vocab] */
    whisper158_timings timings;
};

/* What a run of so many frames and tokens fills of the arena. */
void context_units(size_t frames, size_t tokens, size_t units[N_UNITS]);

/* -EINVAL with a sentence that names the first sample that is no number, or beyond WHISPER158_MAX_SAMPLE; else 0. */
int context_check_samples(const float *samples, size_t count, whisper158_error *error);

/*
 * A phase of a window of so many frames begins: memory and pages of the blob that are not needed in it are given up. A window goes through the phases
 * from the first to the last; the decoder has its audio from context_listen until the next phase begins that is not TEXT.
 */
void context_enter(whisper158_context *context, whisper158_phase phase, uint32_t frames);

/*
 * Encoder and cross-attention over mel[n_mels][2 x frames]; ends in WHISPER158_PHASE_CROSS. *out: the encoder's output, may
 * be NULL. `stopped`: as for encoder_blocks. Returns 0, -ECANCELED, or -EDOM and a sentence when the output is not finite.
 */
int context_listen(whisper158_context *context, const float *mel, uint32_t frames, bool (*stopped)(void *user), void *user,
                   const float **out, whisper158_error *error);

#endif
