/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Values of options that several subcommands take.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdint.h>

/* A whole number from 1 to `max`, else 0. */
uint32_t parse_number(const char *text, uint32_t max);

/* auto, full, or a number of frames: what whisper158_options.audio_context takes. Returns 0, or an exit status, having said
 * why. */
int parse_audio_context(uint32_t *out, const char *value, const char *command);

/* Looks up `value`, the name of a kernel set. Returns 0, or an exit status, having said why. */
int parse_kernels(const char **out, const char *value, const char *command);

#endif
