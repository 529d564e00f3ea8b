/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_MEL_H
#define W158_MEL_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "pool.h"

#define MEL_BINS 201u /* of a transform of 400 samples */

typedef struct Mel Mel;

/* `filters`: [n_mels][MEL_BINS], must outlive the object. */
int mel_new(Mel **out, const float *filters, uint32_t n_mels, uint32_t threads);
Mel *mel_free(Mel *mel);

/* Takes the arrays, which live in all phases: there may be a need for a spectrogram in any. */
void mel_lay_out(Mel *mel, Arena *arena);

/*
 * log10 of the mel power, not below -10, of columns first .. first + columns - 1: out[n_mels][out_stride]. The audio is
 * `count` samples with silence behind them; before its beginning it is mirrored. Return: the loudest value written.
 */
float mel_log_power(Mel *mel, Pool *pool, const float *samples, size_t count, size_t first, size_t columns, float *out,
                    size_t out_stride);

/* The loudest value of mel_log_power over columns first .. first + columns - 1, without keeping the others. */
float mel_loudest(Mel *mel, Pool *pool, const float *samples, size_t count, size_t first, size_t columns);

#define MEL_RANGE 8.0f /* powers of ten below the loudest that are told apart */

/* Whisper's scaling, in place: (max(x, loudest - 8) + 4) / 4. */
void mel_scale(float *x, size_t n, float loudest);

#endif
