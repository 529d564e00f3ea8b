/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* What came of a check of "whisper158 selftest". */
#ifndef CLI_VERDICT_H
#define CLI_VERDICT_H

typedef enum Result { PASSED, FAILED, SKIPPED } Result;

typedef struct Verdict {
    Result result;
    char text[512]; /* a line, without a full stop at its end */
} Verdict;

/* Sets the verdict; for `return verdict(...)` at the end of a check. */
void verdict(Verdict *out, Result result, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
