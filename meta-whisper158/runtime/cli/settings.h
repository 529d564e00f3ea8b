/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The command line of "whisper158 transcribe", checked and settled.
 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include <stdbool.h>

#include "transcript.h"
#include "tuning.h"
#include "whisper158.h"

typedef enum When { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER } When;

typedef struct Settings {
    const char *model;  /* NULL: find one */
    const char *output; /* NULL: standard output */
    whisper158_context_options machine;
    TuningChoice tuning;
    whisper158_options listen;
    bool fit; /* the audio context was asked to be fitted */
    bool timestamps, no_timestamps, json, srt, vtt; /* as given; settle_form makes sense of them */
    Form form;
    When progress;
    bool quiet;
    bool help;
    char *const *files;
    int n_files;
} Settings;

extern const char settings_help[];

/* Returns 0, or an exit status, having said why. Pointers lead into argv, whose order is changed. */
int settings_parse(Settings *settings, int argc, char **argv);

#endif
