/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_TOKENS_H
#define W158_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

/*
 * The text of `n` tokens; special tokens and timestamps have none. Bytes that are not UTF-8 become U+FFFD, as
 * Python's decode(errors="replace") does it, and so do control characters but newline and tab. Return: NUL-terminated, the caller's to free; NULL without
 * memory.
 */
char *tokens_text(const whisper158_model *model, const uint32_t *tokens, size_t n);

#endif
