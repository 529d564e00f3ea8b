/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "find_model.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "report.h"

const char *find_model_path(const char *path) {
    const char *const variable = getenv("WHISPER158_MODEL");

    return path ? path : variable && *variable ? variable : WHISPER158_DEFAULT_MODEL;
}

int find_model(whisper158_model **out, const char *path, whisper158_error *error) {
    const char *const variable = getenv("WHISPER158_MODEL");
    whisper158_error cause;
    int r;

    if (path)
        return whisper158_model_open(out, path, error);
    if (variable && *variable) {
        r = whisper158_model_open(out, variable, &cause);
        return r < 0 ? fail(error, r, "%.340s (from WHISPER158_MODEL)", cause.text) : r;
    }
    if (access(WHISPER158_DEFAULT_MODEL, F_OK) < 0)
        return fail(error, -ENOENT, "there is no model: give one with --model, or set WHISPER158_MODEL, or install %s",
                    WHISPER158_DEFAULT_MODEL);
    return whisper158_model_open(out, WHISPER158_DEFAULT_MODEL, error);
}
