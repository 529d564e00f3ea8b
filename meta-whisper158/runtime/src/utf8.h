/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_UTF8_H
#define W158_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Length of the character at p, of which n > 0 bytes are there. *printable is false for what a terminal must not be sent:
 * bytes that are not UTF-8 (the length is then that of the longest beginning of a character, at least 1) and control
 * characters but newline and tab.
 */
size_t utf8_character(const unsigned char *p, size_t n, bool *printable);

#endif
