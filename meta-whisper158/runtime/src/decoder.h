/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_DECODER_H
#define W158_DECODER_H

#include "arena.h"
#include "kernels/kernels.h"
#include "model.h"
#include "pool.h"

typedef struct Decoder Decoder;

/* model, kernels and pool must outlive the decoder. Return: 0 or -ENOMEM. */
int decoder_new(Decoder **out, const whisper158_model *model, const Kernels *kernels, Pool *pool);
Decoder *decoder_free(Decoder *decoder);

/* Takes the decoder's arrays. */
void decoder_lay_out(Decoder *decoder, Arena *arena);

/* Forgets audio and text, as another phase begins. */
void decoder_forget(Decoder *decoder);

/* Computes cross-attention keys and values of all layers from the encoder's output, [tiles(frames)][d][TILE], in
 * WHISPER158_PHASE_CROSS. The rest is done in WHISPER158_PHASE_TEXT. */
void decoder_listen(Decoder *decoder, const float *encoded, uint32_t frames);

/* Frames of the audio listened to; 0 when there is none. */
uint32_t decoder_frames(const Decoder *decoder);

/* Tokens seen so far. */
uint32_t decoder_length(const Decoder *decoder);

/* Forgets all tokens but the first `length`. */
void decoder_rewind(Decoder *decoder, uint32_t length);

/* Rows of a matrix that a thread multiplies at a time, a multiple of 4. */
uint32_t decoder_item_rows(const Matrix *w);

/* Appends a token; decoder_length must be below n_text_ctx. Where `logits` is not NULL, it gets [n_vocab]. */
void decoder_step(Decoder *decoder, uint32_t token, float *logits);

#endif
