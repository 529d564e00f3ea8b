/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The checks of "whisper158 selftest". Each gives a verdict and a line that says what it saw.
 */
#ifndef CLI_SELFTEST_H
#define CLI_SELFTEST_H

#include <stddef.h>

#include "audio.h"
#include "whisper158.h"

typedef enum Result { PASSED, FAILED, SKIPPED } Result;

typedef struct Verdict {
    Result result;
    char text[512]; /* a line, without a full stop at its end */
} Verdict;

/* Sets the verdict; for `return verdict(...)` at the end of a check. */
void verdict(Verdict *out, Result result, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Opens the model, and with it checks every checksum. NULL: as whisper158 transcribe does. *model stays NULL on failure. */
void check_model(Verdict *out, whisper158_model **model, const char *path);

/* Every set of kernels that this processor runs against the reference, with the small model at `path`. */
void check_kernels(Verdict *out, const char *path);

/* The model's detector, with the recording and without a sound. */
void check_detector(Verdict *out, const whisper158_model *model, const Audio *speech);

/* The model's words for the recording. */
void check_words(Verdict *out, const whisper158_model *model, const Audio *speech);

#endif
