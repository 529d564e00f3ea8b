/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_ERROR_H
#define W158_ERROR_H

#include "whisper158.h"

/* Writes the sentence into *error (NULL: nowhere) and returns `code`, so that `return w158_fail(...)` ends a function. */
int w158_fail(whisper158_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
