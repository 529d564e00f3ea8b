/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where results go: standard output, or a file that appears whole or not at all. The file is written under a temporary
 * name in its own directory and renamed at the end, so a failure, a full disk or a signal leaves what was there before.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "whisper158.h"

typedef struct OutputFile {
    FILE *stream;
    const char *name; /* for sentences; borrowed */
    char *target;     /* NULL: written in place (standard output, devices, pipes) */
    char *temporary;
} OutputFile;

/* Makes SIGINT, SIGTERM, SIGHUP and SIGPIPE take the temporary file along before they end the program as usual. */
void output_catch_signals(void);

/* NULL or "-" is standard output. Returns 0, or a negative errno and a sentence; then nothing has to be closed. */
int output_open(OutputFile *out, const char *path, whisper158_error *error);

/* Writes out what is buffered. Returns 0, or a negative errno and a sentence: not all of the output arrived. */
int output_flush(OutputFile *out, whisper158_error *error);

/* Flushes, gives the file its name, and closes it. On failure it is discarded. Errors as above. */
int output_commit(OutputFile *out, whisper158_error *error);

/* Closes without a trace. */
void output_discard(OutputFile *out);

/* Reports what output_flush or output_commit returned; who closed a pipe knows it already. Returns EX_IOERR. */
int report_output(int r, const whisper158_error *error);

#endif
