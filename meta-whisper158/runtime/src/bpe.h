/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_BPE_H
#define W158_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

/*
 * The tokens of a text, by byte pair encoding: words are cut as GPT-2 cuts them, and within a word those neighbours are
 * joined first whose token has the lowest number, for in OpenAI's vocabularies that is the order in which the joins were
 * learnt. What looks like a special token is text like any other. Characters beyond ASCII count as letters, which makes
 * other tokens than OpenAI's of typographic signs, and the same of words.
 *
 * tokens: room for `length`. *n: how many there are. Returns 0, -ENOMEM, or -EINVAL and a sentence: the model has no token
 * for one of the bytes.
 */
int bpe_encode(const whisper158_model *model, const char *text, size_t length, uint32_t *tokens, size_t *n,
               whisper158_error *error);

#endif
