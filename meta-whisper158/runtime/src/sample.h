/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_SAMPLE_H
#define W158_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"

/*
 * The most probable next token that Whisper's rules allow after `n` tokens were sampled; changes `logits` [n_vocab].
 * *logprob is its logarithm of probability among the allowed ones. Return: 0, or -EDOM when no finite logit is left.
 */
int sample_greedy(const whisper158_model *model, bool timestamps, const uint32_t *sampled, size_t n, float *logits,
                  uint32_t *token, double *logprob);

/* Probability of one token, all being allowed. */
float sample_probability(const float *logits, uint32_t n_vocab, uint32_t token);

/*
 * Whether the last tokens repeat: at least four times, and over at least 24 tokens, timestamps counting as equal. Return:
 * the number of tokens up to the end of the first occurrence, or 0 when there is no such repetition.
 */
size_t sample_repetition(const whisper158_model *model, const uint32_t *tokens, size_t n);

#endif
