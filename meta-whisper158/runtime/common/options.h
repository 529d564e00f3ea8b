/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Values of options that both programs or several subcommands take. `option` is the option's name as it is typed; what is
 * wrong with its value is a sentence in *error, and the answer then -EINVAL, else 0.
 */
#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

#include <stdint.h>

#include "whisper158.h"

/* A whole number from min to max. */
int parse_number(uint32_t *out, const char *option, const char *value, uint32_t min, uint32_t max,
                 whisper158_error *error);

/* A length of audio or of time: above 0, no less than `least`, at most `max`. */
int parse_seconds(double *out, const char *option, const char *value, double least, uint32_t max,
                  whisper158_error *error);

/* auto, full, or a number of frames: what whisper158_options.audio_context takes. */
int parse_audio_context(uint32_t *out, const char *value, whisper158_error *error);

/* The name of a kernel set that this processor can run. */
int parse_kernels(const char **out, const char *value, whisper158_error *error);

/* A file to be written, which "-" cannot be. */
int parse_file(const char **out, const char *option, const char *value, whisper158_error *error);

/* The exit status for what one of these returned to `command`: 0, or EX_USAGE, having reported the sentence. */
int parsed(const char *command, int r, const whisper158_error *error);

#endif
