/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_ENCODER_H
#define W158_ENCODER_H

#include "arena.h"
#include "kernels/kernels.h"
#include "model.h"
#include "pool.h"

typedef struct Encoder Encoder;

/* model, kernels and pool must outlive the encoder. Return: 0 or -ENOMEM. */
int encoder_new(Encoder **out, const whisper158_model *model, const Kernels *kernels, Pool *pool);
Encoder *encoder_free(Encoder *encoder);

/* Takes the encoder's arrays. */
void encoder_lay_out(Encoder *encoder, Arena *arena);

/* The convolutions over mel[n_mels][2 x frames], 1 <= frames <= n_audio_ctx, in WHISPER158_PHASE_STEM. */
void encoder_stem(Encoder *encoder, const float *mel, uint32_t frames);

/*
 * The blocks, in WHISPER158_PHASE_BLOCKS. Returns the encoder's output, [tiles(frames)][d][TILE], which stays the
 * encoder's and lives on in WHISPER158_PHASE_CROSS; or NULL where `stopped`, which is asked before each block and may be
 * NULL, said so.
 */
const float *encoder_blocks(Encoder *encoder, bool (*stopped)(void *user), void *user);

#endif
