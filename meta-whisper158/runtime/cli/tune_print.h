/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table of a tuning: for each shape the candidates, how fast they were, and which one was taken.
 */
#ifndef CLI_TUNE_PRINT_H
#define CLI_TUNE_PRINT_H

#include "whisper158.h"

/* `file` is where the tuning is kept. */
void tune_print(const whisper158_tuning *tuning, const char *file, bool is_new);

/* The same as one JSON object. Returns 0 or -ENOMEM. */
int tune_print_json(const whisper158_tuning *tuning, const char *file, bool is_new);

/* The number of threads that was taken. */
uint32_t tuned_threads(const whisper158_tuning *tuning, whisper158_tuned_stage stage);

#endif
