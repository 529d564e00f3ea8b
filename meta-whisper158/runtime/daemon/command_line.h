/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The command line of whisper158d.
 */
#ifndef DAEMON_COMMAND_LINE_H
#define DAEMON_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"
#include "worker.h"

#define WYOMING_DEFAULT "tcp://127.0.0.1:10300"

/* Strings are those of the command line and the environment. */
typedef struct CommandLine {
    const char *model; /* NULL: as find_model of common/find_model.h */
    whisper158_context_options context;
    const char *cache; /* NULL: the tuning in its usual place */
    bool no_tuning;
    whisper158_options listen;
    InterimPolicy interim;

    const char *device; /* NULL: the first USB card */
    const char *input;  /* NULL: the microphone */
    bool input_raw;
    bool fast;          /* do not pace the input */
    bool stay;          /* do not end with the input */
    bool wait;          /* do not begin before there is a subscriber */
    bool no_microphone;
    const char *record_dir;
    uint64_t record_bytes;
    uint32_t silence_ms; /* 0: as the endpointer's own default; likewise */
    uint32_t max_seconds;

    const char *socket;  /* path, or NULL: none but those of systemd */
    const char *wyoming; /* address, or NULL: off */
    bool wyoming_streaming;
    const char *http;       /* [ADDRESS:]PORT, or NULL: off */
    const char *http_token; /* a file, or NULL */
    uint32_t clients; /* of each protocol, at a time */
    uint32_t stop_seconds;
    bool help, version;
} CommandLine;

extern const char command_line_help[];

/* Returns 0, or an exit status, having said why. */
int command_line_parse(CommandLine *out, int argc, char **argv);

#endif
