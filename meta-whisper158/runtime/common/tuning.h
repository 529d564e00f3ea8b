/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where tunings (whisper158.h) are kept: a file for each model, in the user's folder of caches, or in that which
 * systemd gives to a service. Nothing depends on it but speed, so a file that is of no use is passed over with a
 * warning.
 */
#ifndef COMMON_TUNING_H
#define COMMON_TUNING_H

#include <stdbool.h>

#include "whisper158.h"

/* What the options --cache and --no-tuning say. */
typedef struct TuningChoice {
    const char *file; /* NULL: in its usual place */
    bool none;
} TuningChoice;

/*
 * The model's file in its usual place: $CACHE_DIRECTORY (systemd.exec(5)), else $XDG_CACHE_HOME/whisper158, else
 * ~/.cache/whisper158. To be freed; NULL where there is no such place, or no memory.
 */
char *tuning_path(const whisper158_model *model);

/* Reads a tuning. Returns 0, or a negative errno and a sentence; -ENOENT when there is no such file. */
int tuning_load(whisper158_tuning **out, const whisper158_model *model, const char *path, whisper158_error *error);

/* The tuning for a context, or NULL; a file that is there, or was asked for, and is of no use is reported unless
 * `quiet`. */
whisper158_tuning *tuning_find(const whisper158_model *model, const TuningChoice *choice, bool quiet);

/* Makes the folders of a path that are not there, for the user alone, as XDG asks. What cannot be made is told by
 * whoever opens the file. */
void tuning_make_folders(const char *path);

/* Writes a tuning to `path`, all of it or nothing. Returns 0, or a negative errno and a sentence. */
int tuning_save(const whisper158_tuning *tuning, const char *path, whisper158_error *error);

#endif
